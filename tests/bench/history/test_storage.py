"""Histories on disk: exact, atomic, and readable after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.errors import HarnessError, UsageError
from bench.history import INFO, History, HistoryBuilder
from bench.history.history import COLUMNS, NEVER, NIL, NOTHING
from bench.history.storage import HistoryWriter, finish_history, read_history, write_history
from tests.bench.checkers.histories import Script, simulated


def equal(one: History, other: History) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        and getattr(one, name).dtype == getattr(other, name).dtype
        for name in COLUMNS
    )


def rows(history: History) -> list[dict[str, int]]:
    return [{name: int(getattr(history, name)[row]) for name in COLUMNS} for row in range(len(history))]


@pytest.mark.parametrize(
    "history",
    [
        HistoryBuilder().build(),
        Script().write(2**63 - 1, 0, None).read(NIL, 0, 1).cas(NOTHING, -(2**63), NIL, 3, 4, key=2**31 - 1).history,
        simulated(Random(1), 3000),
    ],
    ids=["empty", "extremes", "many"],
)
def test_round_trip(history: History, tmp_path: Path) -> None:
    write_history(history, tmp_path / "new" / "history.parquet")
    again = read_history(tmp_path / "new" / "history.parquet")
    assert equal(history, again)
    assert os.listdir(tmp_path / "new") == ["history.parquet"]
    again.key[:] = 0  # not a view of somebody's buffer


def test_replaces_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "h.parquet"
    first = simulated(Random(1), 50)
    write_history(first, path)

    def torn(table: object, where: Path, **_: object) -> None:
        where.write_bytes(b"PAR1 half of")
        raise OSError("no space left on device")

    monkeypatch.setattr(pq, "write_table", torn)
    with pytest.raises(OSError, match="no space"):
        write_history(simulated(Random(2), 50), path)
    assert equal(read_history(path), first)
    assert os.listdir(tmp_path) == ["h.parquet"]


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"h\.parquet is missing: there is no such file"):
        read_history(tmp_path / "h.parquet")


def test_truncated(tmp_path: Path) -> None:
    path = tmp_path / "h.parquet"
    write_history(simulated(Random(1), 500), path)
    whole = path.read_bytes()
    for length in (5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError, match="is truncated or damaged"):
            read_history(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 4000])
def test_foreign_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "h.parquet"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a history: it is not Parquet"):
        read_history(path)
    path = tmp_path / "h.parquet.unfinished"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a history: nothing in it can be read"):
        read_history(path)


def test_foreign_parquet(tmp_path: Path) -> None:
    path = tmp_path / "h.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    with pytest.raises(UsageError, match="was not written by quorumbench"):
        read_history(path)
    ours = {b"format": b"quorumbench-history", b"version": b"1"}
    pq.write_table(pa.table({"a": [1, 2]}).replace_schema_metadata(ours), path)
    with pytest.raises(UsageError, match="its columns are not those of version 1"):
        read_history(path)
    pq.write_table(pa.table({"a": [1, 2]}).replace_schema_metadata(ours | {b"version": b"9"}), path)
    with pytest.raises(UsageError, match="has format version 9: this is version 1"):
        read_history(path)


def test_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "h.parquet"
    write_history(simulated(Random(1), 5), path)
    table = pq.read_table(path)
    index = table.schema.get_field_index("key")
    holed = table.set_column(index, table.schema.field("key"), pa.array([1, None, 1, 1, 1], pa.int32()))
    pq.write_table(holed, path)
    with pytest.raises(UsageError, match="some of its cells are empty"):
        read_history(path)


def test_writer_equals_builder_whatever_the_order(tmp_path: Path) -> None:
    history = simulated(Random(1), 2000)
    with HistoryWriter(tmp_path / "h.parquet", batch=300) as writer:
        for row in sorted(rows(history), key=lambda row: (row["completed"], row["process"])):
            writer.add(**row)
    again = read_history(tmp_path / "h.parquet")
    assert os.listdir(tmp_path) == ["h.parquet"]
    assert len(again) == 2000 and np.all(np.diff(again.invoked) >= 0)
    key = lambda row: tuple(row.values())  # noqa: E731
    assert sorted(rows(again), key=key) == sorted(rows(history), key=key)


def test_writer_without_rows(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "h.parquet"):
        pass
    assert len(read_history(tmp_path / "h.parquet")) == 0


def test_a_failed_run_keeps_its_history(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), HistoryWriter(tmp_path / "h.parquet") as writer:
        writer.add(**rows(simulated(Random(1), 1))[0])
        _ = 1 / 0
    assert len(read_history(tmp_path / "h.parquet")) == 1
    writer.close()


def test_a_killed_run_keeps_what_was_flushed(tmp_path: Path) -> None:
    script = f"""
        import sys, time
        from random import Random
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from bench.history.storage import HistoryWriter
        from tests.bench.history.test_storage import rows
        from tests.bench.checkers.histories import simulated
        writer = HistoryWriter({str(tmp_path / "h.parquet")!r}, interval_s=0.05)
        for count, row in enumerate(rows(simulated(Random(1), 1000))):
            writer.add(**row)
            if count == 600:
                writer.flush()
                print("flushed", flush=True)
        time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "flushed\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(UsageError, match=r"its run did not finish, what it stored is in .*h\.parquet\.unfinished"):
        read_history(tmp_path / "h.parquet")
    left = read_history(tmp_path / "h.parquet.unfinished")
    assert len(left) >= 601
    assert rows(left)[:601] == rows(simulated(Random(1), 1000))[:601]


def test_a_stream_cut_anywhere_gives_its_whole_batches(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path / "h.parquet", interval_s=60)
    sizes = [writer.unfinished.stat().st_size]
    for row in rows(simulated(Random(1), 5)):
        writer.add(**row)
        writer.flush()
        sizes.append(writer.unfinished.stat().st_size)
    whole = writer.unfinished.read_bytes()
    writer.close()
    path = tmp_path / "cut.unfinished"
    for length in range(sizes[0], len(whole) + 1, 37):
        path.write_bytes(whole[:length])
        assert len(read_history(path)) == sum(size <= length for size in sizes[1:])


def test_a_changed_byte_is_damage_and_never_another_history(tmp_path: Path) -> None:
    """Else a disk's error, or a page that a loss of power left empty, would be judged as what a system did."""
    path = tmp_path / "h.parquet"
    history = simulated(Random(1), 200)
    write_history(history, path)
    whole = path.read_bytes()
    rng = Random(5)
    noticed = 0
    for _ in range(400):
        data = bytearray(whole)
        start = rng.randrange(len(data))
        if rng.random() < 0.7:
            data[start] ^= 1 << rng.randrange(8)
        else:
            data[start : start + 64] = bytes(len(data[start : start + 64]))
        path.write_bytes(data)
        try:
            assert equal(read_history(path), history)
        except UsageError:
            noticed += 1
    assert noticed > 200


def test_a_damaged_batch_ends_a_stream(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path / "h.parquet", interval_s=60)
    ends = [writer.unfinished.stat().st_size]
    written = rows(simulated(Random(1), 90))
    for first in range(0, 90, 10):
        for row in written[first : first + 10]:
            writer.add(**row)
        writer.flush()
        ends.append(writer.unfinished.stat().st_size)
    whole = writer.unfinished.read_bytes()
    writer.close()
    path = tmp_path / "damaged.unfinished"
    rng = Random(5)
    for _ in range(400):
        data = bytearray(whole)
        start = rng.randrange(ends[0], len(data))
        damage = bytes([data[start] ^ 1 << rng.randrange(8)]) if rng.random() < 0.5 else bytes(200)
        data[start : start + len(damage)] = damage[: len(data) - start]
        path.write_bytes(data)
        found = rows(read_history(path))
        sound = sum(end <= start for end in ends[1:]) * 10
        assert len(found) >= sound and found == written[: len(found)], "what comes before the damage, and no more"


def test_rows_reach_the_disk_without_being_asked(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "h.parquet", interval_s=0.02) as writer:
        writer.add(**rows(simulated(Random(1), 1))[0])
        deadline = time.monotonic() + 5
        while len(read_history(writer.unfinished)) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.alone
def test_a_stuck_disk_neither_blocks_nor_swallows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = HistoryWriter(tmp_path / "h.parquet", batch=10, limit=100)
    row = rows(simulated(Random(1), 1))[0] | {"completed": NEVER}
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_store", lambda: time.sleep(0.5))
        began = time.monotonic()
        with pytest.raises(HarnessError, match="the disk does not keep up, 101 operations wait for it"):
            for process in range(1000):
                writer.add(**row | {"process": process})
        assert time.monotonic() - began < 0.4
    writer.close()
    assert len(read_history(tmp_path / "h.parquet")) == 101


def test_a_failed_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = HistoryWriter(tmp_path / "h.parquet", interval_s=0.01)

    def full() -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(writer, "_store", full)
    with pytest.raises(HarnessError, match="could not be written: no space left on device"):
        writer.flush()
        for _ in range(100):
            time.sleep(0.02)
            writer.add(**rows(simulated(Random(1), 1))[0])
    with pytest.raises(HarnessError, match="no space left"):
        writer.close()


def test_a_stream_tells_twice_of_what_was_under_way_and_the_reader_once(tmp_path: Path) -> None:
    """Cut anywhere, it is a whole history: what was under way may have happened, and what ended has ended."""
    began, done, other = rows(simulated(Random(1), 3))
    writer = HistoryWriter(tmp_path / "h.parquet", interval_s=60)

    def extend(*added: dict[str, int]) -> None:
        builder = HistoryBuilder()
        for row in added:
            builder.add(**row)
        writer.extend({name: column.tobytes() for name, column in builder.columns.items()})
        writer.flush()

    under_way = began | {"completed": NEVER, "outcome": INFO, "result": NOTHING}
    for_ever = other | {"process": 99, "completed": NEVER, "outcome": INFO, "result": NOTHING}
    extend(done, under_way, for_ever)
    assert sorted(read_history(writer.unfinished).completed.tolist()) == sorted([done["completed"], NEVER, NEVER])
    extend(began)
    left = read_history(writer.unfinished)
    assert sorted(left.completed.tolist()) == sorted([began["completed"], done["completed"], NEVER])
    extend(for_ever)  # as the end of a run says again
    writer.close(finish=False)
    assert len(read_history(writer.unfinished)) == 3
    assert finish_history(writer.path) is not None and len(read_history(writer.path)) == 3
    assert finish_history(writer.path) is None and os.listdir(tmp_path) == ["h.parquet"]


def test_storage_needs_no_pyarrow_until_used() -> None:
    code = "import sys, bench.history.storage; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
