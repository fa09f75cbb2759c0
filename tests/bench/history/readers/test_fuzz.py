"""Whatever is in a file, reading and judging it gives a verdict or one sentence: never anything else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.checkers.judging import judge, model_of
from bench.checkers.registry import MODELS
from bench.checkers.shapes import SESSIONS, SHAPES
from bench.errors import UsageError
from bench.history import readers

EXAMPLES = int(os.environ.get("QUORUMBENCH_FUZZ_HISTORIES", "50"))
"""A test; more in a long run."""
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip

SEEDS: dict[str, bytes] = {
    "jsonl": b"""{"type": "invoke", "process": 0, "f": "write", "value": 1, "time": 5, "index": 0}
{"type": "invoke", "process": 1, "f": "cas", "value": [1, 2], "time": 6, "index": 1}
{"type": "ok", "process": 0, "f": "write", "value": 1, "time": 8, "index": 2}
{"type": "info", "process": 1, "f": "cas", "value": null, "time": 9, "index": 3}
{"type": "invoke", "process": 2, "f": "txn", "value": [["append", 1, 2], ["r", 1, null]], "time": 11, "index": 4}
{"type": "ok", "process": 2, "f": "txn", "value": [["append", 1, 2], ["r", 1, [2]]], "time": 12, "index": 5}
""",
    "jepsen-log": b"""INFO  jepsen.util - 0\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2]
INFO  jepsen.util - 0\t:ok\t:read\t3
INFO  jepsen.util - 1\t:info\t:cas\t:timed-out
""",
    "porcupine-kv": b"""{:process 0, :type :invoke, :f :append, :key "0", :value "x 0 0 y"}
{:process 0, :type :ok, :f :append, :key "0", :value "x 0 0 y"}
{:process 1, :type :invoke, :f :get, :key "0", :value nil}
{:process 1, :type :ok, :f :get, :key "0", :value ""}
""",
    "awdit": b"w 0 1\n-----\nr 0 1\n=====\nr 0 1\nw 1 2\n=====\nr 1 2\nr 0 0\n",
    "polysi": b"r(15,0,0,0)\nw(18,1,0,0)\nr(18,1,1,3)\nw(18,2,1,-1)\nr(18,2,2,4)\n",
}


def hostile(path: Path, data: bytes, format: str | None) -> None:
    """Read it and judge it by every model."""
    path.write_bytes(data)
    try:
        recorded = readers.read(path, format)
        model = model_of(recorded.history, path)
        judge(recorded.history, model, 1.0, format=recorded.format, path=path)
    except UsageError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("format", [*SEEDS, "parquet", None])
@SETTINGS
@given(data=st.binary(max_size=300))
def test_random_bytes(tmp_path: Path, format: str | None, data: bytes) -> None:
    hostile(tmp_path / "history", data, format)


PIECES = [
    *(b"", b"null", b"-1", b"1e9", b"[", b"]]", b'"', b"{}", b"\x00", b"99999999999999999999"),
    *(b"read", b"nil", b":", b"7", b"true", b"\xff", b"[1,[2]]"),
]


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """Lines repeated, dropped, exchanged and cut; pieces of lines replaced."""
    lines = seed.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case _:
                start = draw(st.integers(0, len(lines[at])))
                length = draw(st.integers(0, 3))
                put = draw(st.sampled_from(PIECES))
                lines[at] = lines[at][:start] + put + lines[at][start + length :]
    return b"\n".join(lines) + draw(st.sampled_from([b"", b"\n"]))


@pytest.mark.parametrize("format", SEEDS)
@SETTINGS
@given(data=st.data())
def test_mutated_lines(tmp_path: Path, format: str, data: st.DataObject) -> None:
    hostile(tmp_path / "history", data.draw(mutated(SEEDS[format])), format)


SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS | st.sampled_from(["", "x", "r", "append"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
MICRO = st.lists(st.tuples(st.sampled_from(["r", "w", "append", "read"]), st.integers(0, 2), VALUES), max_size=3)
FUNCTIONS = [
    *("read", "write", "cas", "add", "remove", "contains", "enqueue", "dequeue", "push", "pop", "acquire", "release"),
    *("get", "put", "append", "delete", "fetch-add", "txn", "transfer"),
]
ENDS = st.sampled_from(["ok", "fail", "info"])
EVENTS = st.tuples(st.integers(0, 2), st.sampled_from(FUNCTIONS), VALUES | MICRO, VALUES | MICRO, ENDS)


@pytest.mark.parametrize("model", sorted(MODELS))
@SETTINGS
@given(events=st.lists(EVENTS, max_size=6), known=st.booleans())
def test_wrong_types(
    tmp_path: Path, model: str, events: list[tuple[int, str, object, object, str]], known: bool
) -> None:
    """Values of every shape at every place, by every model."""
    if known:  # else it is mostly refused for its functions
        names = sorted(SHAPES.get(model, SESSIONS if MODELS[model].kind == "session" else {"txn": None}))
        events = [(process, names[len(function) % len(names)], *rest) for process, function, *rest in events]
    lines = []
    for process, function, value, told, kind in events:
        lines.append({"type": "invoke", "process": process, "f": function, "value": value})
        lines.append({"type": kind, "process": process, "f": function, "value": told})
    path = tmp_path / "history"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) or "\n")
    try:
        recorded = readers.read(path, "jsonl")
        verdicts = judge(recorded.history, model, 1.0, format="jsonl", path=path)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert all(verdict.verdict in ("valid", "invalid", "unknown") for verdict in verdicts)
