"""Readers of transactions: awdit, polysi, and micro-operations in jsonl."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.history import readers
from bench.history.history import FAIL, INFO, OK
from bench.history.transactions import APPEND, LIST, NIL, READ, UNKNOWN, WRITE, Transactions


def read(tmp_path: Path, text: str | bytes, format: str | None = None) -> Transactions:
    path = tmp_path / "history"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    history = readers.read(path, format).transactions().history
    assert isinstance(history, Transactions)
    return history


def steps(history: Transactions) -> list[list[tuple[int, object, object]]]:
    """The micro-operations of each transaction with what codes stand for."""
    found = []
    for row in range(len(history)):
        found.append([])
        for mop in range(int(history.first[row]), int(history.first[row + 1])):
            code = int(history.value[mop])
            value: object
            if code == LIST:
                value = [history.values[each] for each in history.elements[history.start[mop] : history.end[mop]]]
            else:
                value = {NIL: None, UNKNOWN: "?"}.get(code) if code < 0 else history.values[code]
            found[-1].append((int(history.kind[mop]), history.keys[int(history.key[mop])], value))
    return found


class TestAwdit:
    def test_sessions(self, tmp_path: Path) -> None:
        history = read(tmp_path, "=====\nw 0 1\nw 1 1\n-----\n-----\nr 0 1\n=====\n\n=====\nr 1 5")
        assert history.process.tolist() == [0, 0, 1]
        assert steps(history) == [[(WRITE, 0, 1), (WRITE, 1, 1)], [(READ, 0, 1)], [(READ, 1, 5)]]
        assert history.outcome.tolist() == [OK] * 3
        assert history.line.tolist() == [2, 6, 10]
        assert not history.realtime

    @pytest.mark.parametrize("last", ["r 0", "w 0 1 2", "x 0 1", "r a 1", "--=", "r 0 99999999999999999999", "r 0 -1"])
    def test_refusals(self, tmp_path: Path, last: str) -> None:
        with pytest.raises(UsageError, match=r"line 2: .* is neither 'r KEY VALUE'"):
            read(tmp_path, f"w 0 1\n{last}", "awdit")


class TestPolySI:
    def test_text(self, tmp_path: Path) -> None:
        history = read(tmp_path, "r(1,0,0,7)\nw(2,0,1,8)\nw(1,5,0,7)\nr(2,0,0,9)\nw(1,6,1,-1)\n")
        assert history.process.tolist() == [0, 0, 1, 1]
        assert steps(history) == [[(READ, 1, None), (WRITE, 1, 5)], [(READ, 2, 0)], [(WRITE, 2, 0)], [(WRITE, 1, 6)]], (
            "0 is the initial value of key 1, but somebody wrote it to key 2"
        )
        assert history.outcome.tolist() == [OK, OK, OK, FAIL]

    @pytest.mark.parametrize(
        ("last", "reason"),
        [("r(1,0,0", "is neither"), ("x(1,0,0,0)", "is neither"), ("r(1,0,1,7)", "is in session 1, and in session 0")],
    )
    def test_refusals(self, tmp_path: Path, last: str, reason: str) -> None:
        with pytest.raises(UsageError, match=f"line 2: .*{reason}"):
            read(tmp_path, f"r(1,0,0,7)\n{last}", "polysi")

    def binary(self) -> bytes:
        def event(write: int, key: int, value: int, success: int) -> bytes:
            return struct.pack("<BQQB", write, key, value, success)

        def several(*parts: bytes) -> bytes:
            return struct.pack("<Q", len(parts)) + b"".join(parts)

        def text(words: str) -> bytes:
            return struct.pack("<Q", len(words)) + words.encode()

        one = several(event(1, 3, 4, 1), event(0, 5, 0, 1), event(1, 9, 9, 0)) + b"\x01"
        two = several(event(1, 5, 6, 1)) + b"\x00"
        head = struct.pack("<5Q", 0, 2, 10, 2, 3) + text("test") + text("then") + text("later")
        return head + several(several(one, two), several(several() + b"\x01"))

    def test_binary(self, tmp_path: Path) -> None:
        history = read(tmp_path, self.binary())
        assert history.process.tolist() == [0, 0, 1]
        assert steps(history) == [[(WRITE, 3, 4), (READ, 5, None)], [(WRITE, 5, 6)], []]
        assert history.outcome.tolist() == [OK, FAIL, OK]

    def test_every_cut_is_seen(self, tmp_path: Path) -> None:
        whole = self.binary()
        for length in range(1, len(whole)):
            with pytest.raises(UsageError, match=r"byte \d+: the file is cut off|line 1: "):
                read(tmp_path, whole[:length], "polysi")
        with pytest.raises(UsageError, match="3 bytes follow after the end"):
            read(tmp_path, whole + b"abc")

    def test_flags(self, tmp_path: Path) -> None:
        whole = bytearray(self.binary())
        whole[-1] = 2
        with pytest.raises(UsageError, match="whether the transaction committed is 2"):
            read(tmp_path, bytes(whole))


class TestMicroOperations:
    def test_what_is_known_of_each(self, tmp_path: Path) -> None:
        lines = (
            '{"type": "invoke", "process": 0, "value": [["append", "x", 1], ["r", "y", null], ["r", "z", null]]}',
            '{"type": "ok", "process": 0, "value": [["append", "x", 1], ["r", "y", [3, 1]], ["r", "z", null]]}',
            '{"type": "invoke", "process": 1, "f": "txn", "value": [["w", "x", 2], ["r", "x", null]]}',
            '{"type": "fail", "process": 1, "f": "txn", "value": [["w", "x", 2], ["r", "x", null]]}',
            '{"type": "invoke", "process": 2, "f": "txn", "value": [["r", "x", null], ["append", "x", 3]]}',
        )
        history = read(tmp_path, "\n".join(lines))
        assert steps(history) == [
            [(APPEND, "x", 1), (READ, "y", [3, 1]), (READ, "z", None)],
            [(WRITE, "x", 2), (READ, "x", "?")],
            [(READ, "x", "?"), (APPEND, "x", 3)],
        ]
        assert history.outcome.tolist() == [OK, FAIL, INFO]
        assert history.line.tolist() == [1, 3, 5]
        assert history.realtime

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ("7", "is not a transaction"), ("[[1, 2]]", "is not \\[function, key, value\\]"),
            ('[["x", 1, 2]]', "unknown function 'x' in a transaction"), ('[["w", 1, null]]', "w of key 1 has no value"),
            ("null", "is not a transaction"), ("[3]", "is not \\[function, key, value\\]"),
        ],
    )  # fmt: skip
    def test_refusals(self, tmp_path: Path, value: str, reason: str) -> None:
        with pytest.raises(UsageError, match=f"line 1: .*{reason}"):
            read(tmp_path, f'{{"type": "invoke", "f": "txn", "process": 0, "value": {value}}}', "jsonl")
