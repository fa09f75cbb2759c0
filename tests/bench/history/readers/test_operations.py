"""Readers of operations: jsonl, jepsen-log, porcupine-kv."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.history import readers
from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.operations import MISSING, Operation

KV = '{:process 0, :type :%s, :f :%s, :key "k", :value %s}'


def read(tmp_path: Path, text: str | bytes, format: str | None = None) -> list[Operation]:
    path = tmp_path / "history"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    history = readers.read(path, format).history
    assert isinstance(history, list)
    return history


def refused(tmp_path: Path, text: str | bytes, format: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text, format)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "history"))
    assert "\n" not in message and len(message) < 400
    return message.removeprefix(f"{tmp_path / 'history'}")


def jsonl(*lines: str) -> str:
    """Lines as ``invoke 0 write 1 @5``: the last two may be missing."""
    found = []
    for line in lines:
        line, _, time = line.partition(" @")
        kind, process, function, *value = line.split()
        fields = [f'"type": "{kind}", "process": {process}, "f": "{function}"']
        fields += [f'"value": {each}' for each in value]
        fields += [f'"time": {time}'] if time else []
        found.append("{" + ", ".join(fields) + "}")
    return "\n".join(found) + "\n"


class TestJsonl:
    def test_operations(self, tmp_path: Path) -> None:
        text = jsonl(
            "invoke 0 write 1", "invoke 1 read null", "ok 0 write 1", "ok 1 read 1", "invoke 0 cas [1,2]",
            "fail 0 cas [1,2]", "invoke 1 cas [1,3]", "info 1 cas null", "invoke 2 read", "invoke 3 dequeue",
            "ok 3 dequeue null",
        )  # fmt: skip
        write, first, swap, lost, still_open, dequeue = read(tmp_path, text)
        assert write == Operation(process=0, function="write", argument=1, invoked=0, completed=2, line=1)
        assert (first.argument, first.result, first.invoked, first.completed) == (None, 1, 1, 3)
        assert (swap.argument, swap.result, swap.outcome) == ((1, 2), MISSING, FAIL)
        assert (lost.outcome, lost.completed, lost.line) == (INFO, NEVER, 7)
        assert (still_open.outcome, still_open.completed) == (INFO, NEVER)
        assert (dequeue.outcome, dequeue.result) == (OK, None)

    def test_answers_say_what_they_saw(self, tmp_path: Path) -> None:
        text = jsonl(
            "invoke 0 read", "ok 0 read", "invoke 0 cas [1,2]", "ok 0 cas 7", "invoke 0 cas [1,2]", "fail 0 cas 9"
        )
        unknown, witness, refusal = read(tmp_path, text)
        assert unknown.result is MISSING
        assert witness.result == 7
        assert (refusal.outcome, refusal.result) == (FAIL, 9)

    def test_lists_and_objects_can_be_hashed(self, tmp_path: Path) -> None:
        (operation,) = read(tmp_path, jsonl("invoke 0 read", 'ok 0 read {"a":[1,[2]]}'))
        assert operation.result == (("a", (1, (2,))),)
        hash(operation)

    def test_times(self, tmp_path: Path) -> None:
        lines = (
            "invoke 0 write 1 @10",
            "invoke 1 write 2 @10",
            "ok 1 write 2 @7000",
            "ok 0 write 1 @6000",
            "invoke 0 read @6500",
        )
        with_clock = read(tmp_path, jsonl(*lines))
        assert [(each.invoked, each.completed) for each in with_clock] == [(10, 7001), (11, 7000), (7002, NEVER)], (
            "in the order of the lines, as near to the clock as that allows"
        )
        assert readers.read(tmp_path / "history").clock
        read(tmp_path, jsonl("invoke 0 read"))
        assert not readers.read(tmp_path / "history").clock

    def test_no_process_is_one_process(self, tmp_path: Path) -> None:
        text = '{"type": "invoke", "value": [["r", 1, null]]}\n{"type": "ok", "value": [["r", 1, 2]]}\n'
        (operation,) = read(tmp_path, text)
        assert (operation.process, operation.function) == (0, "txn")
        assert operation.result == (("r", 1, 2),)

    def test_the_nemesis_says_nothing(self, tmp_path: Path) -> None:
        nemesis = '{"type": "info", "process": "nemesis", "f": "kill", "time": 3}\n'
        assert read(tmp_path, nemesis + nemesis, "jsonl") == []
        assert len(read(tmp_path, nemesis + jsonl("invoke 0 read @1") + nemesis)) == 1

    def test_after_an_info_a_process_is_another(self, tmp_path: Path) -> None:
        text = jsonl(
            "invoke 0 write 1", "info 0 write 1", "invoke 0 read", "ok 0 read 1", "invoke 3 read", "invoke 0 read"
        )
        assert [each.process for each in read(tmp_path, text)] == [0, 4, 3, 4]

    @pytest.mark.parametrize(
        ("text", "line", "reason"),
        [
            (jsonl("invoke 0 read", "ok 1 read 1"), 2, "ok of process 1, 'read', without an invocation"),
            (jsonl("invoke 0 read", "ok 0 read 1", "fail 0 read 1"), 3, "fail of process 0, 'read', without"),
            (jsonl("invoke 0 read", "invoke 0 write 1"), 2, "begins 'write' while its 'read' of line 1 is open"),
            (jsonl("invoke 0 read", "ok 0 write 1"), 2, "is for 'write', but it began 'read' in line 1"),
            (jsonl("invoke 0 read @5", "ok 0 read @4"), 2, "time runs backwards: process 0 is at 4 ns"),
            (jsonl("invoke 0 read @5", "ok 0 read @6", "invoke 0 read @2"), 3, "time runs backwards"),
            (jsonl("invoke 0 read @-5"), 1, "time -5 is out of range"),
            (jsonl("invoke 0 read @99999999999999999999"), 1, "time 99999999999999999999 is out of range"),
            (jsonl("invoke 0 read") + '{"type": "o', 2, "truncated (is the file cut off?)"),
            (jsonl("invoke 0 read") + '{"type": "ok"', 2, "this is not JSON"),
            ('{"type": "invoke", "value": ' + "[" * 100_000 + "]" * 100_000 + "}", 1, "it is nested too deeply"),
            ('{"type": "invoke", "value": ' + "[" * 100_000, 1, "it is nested too deeply"),
            ('{"type": "invoke", "error": ' + '{"a":' * 100_000, 1, "it is nested too deeply"),
            (jsonl("begin 0 read"), 1, "Invalid enum value 'begin' - at `$.type`"),
            (jsonl('invoke true read'), 1, "Expected `int | str | null`, got `bool` - at `$.process`"),
            (jsonl("invoke -3 read"), 1, "process -3 is out of range"),
            (jsonl('invoke "p1" read'), 1, "process 'p1' is neither a number nor the nemesis"),
            (jsonl("invoke 0 read @1.5"), 1, "Expected `int | null`, got `float` - at `$.time`"),
            ('{"process": 0, "f": "read"}', 1, "missing required field `type`"),
            ("[1, 2]", 1, "Expected `object`, got `int`"),
            ("hello", 1, "this is not JSON"),
            (b'{"type": "invoke", "f": "\xff"}', 1, "this is not text in UTF-8"),
            ('{"type": "invoke", "index": 4}\n\n{"type": "ok", "index": 3}', 3, "index 3 after 4"),
        ],
    )  # fmt: skip
    def test_refusals(self, tmp_path: Path, text: str | bytes, line: int, reason: str) -> None:
        message = refused(tmp_path, text, "jsonl")
        assert message.startswith(f", line {line}: ")
        assert reason in message

    def test_some_lines_with_times(self, tmp_path: Path) -> None:
        assert "only 1 of its 2 lines have a time" in refused(
            tmp_path, jsonl("invoke 0 read @1", "ok 0 read 1"), "jsonl"
        )


class TestJepsenLog:
    def test_operations(self, tmp_path: Path) -> None:
        text = (
            "INFO  jepsen.core - Running test\n"
            "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n"
            "INFO  jepsen.util - 1   :invoke :cas    [1 2]\n"
            "INFO  jepsen.util - :nemesis :info :start nil\n"
            "INFO  jepsen.util - 0\t:ok\t:read\tnil\n"
            "2016-01-01 10:00:00,1 INFO  jepsen.util - 1\t:info\t:cas\t:timed-out\n"
            "INFO  jepsen.util - 0\t:invoke\t:write\t-3\n"
            "INFO  jepsen.util - 0\t:fail\t:write\t:timed-out\n"
        )
        nil, swap, failed = read(tmp_path, text)
        assert (nil.result, nil.invoked, nil.completed, nil.line) == (None, 0, 2, 2)
        assert (swap.argument, swap.result, swap.completed) == ((1, 2), MISSING, NEVER)
        assert (failed.argument, failed.outcome) == (-3, FAIL)

    @pytest.mark.parametrize(
        ("last", "reason"),
        [
            ("INFO  jepsen.util - 1\t:ok\t:read\t2", "ok of process 1, 'read', without an invocation"),
            ("INFO  jepsen.util - 0\t:invoke\t:read\tnil", "begins 'read' while its 'write' of line 1 is open"),
            ("INFO  jepsen.util - 1\t:invoke\t:delete\t2", "unknown function 'delete' (allowed: read, write, cas, "),
            ("INFO  jepsen.util - 1\t:invoke\t:cas\t2", "a compare-and-set needs [expected new], not 2"),
            ("INFO  jepsen.util - 1\t:invoke\t:write\tnil", "a write needs a value, not nil"),
            ("INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2", "it is cut off: ']' is missing"),
            ("INFO  jepsen.util - 1\t:invoke\t:cas\t" + "[" * 100_000, "it is nested more than 100 deep"),
            ("INFO  jepsen.util - 1\t:invoke\t:write\t1 2", "it is 2 values, not one"),
            ("INFO  jepsen.util - 1\t:invoke\t:write\t{1 2}", "is a map"),
            ("INFO  jepsen.util - 1\t:invoke\t:write\t1x", "'1x' is not a number"),
            ("INFO  jepsen.util - 0\t:ok\t:write\t:timed-out", "an ok needs a value"),
            ("INFO  jepsen.util - 0\t:o", "this is not a line of a Jepsen log (is the file cut off?)"),
            ("INFO  jep", "this is not a line of a Jepsen log (is the file cut off?)"),
        ],
    )
    def test_refusals(self, tmp_path: Path, last: str, reason: str) -> None:
        message = refused(tmp_path, f"INFO  jepsen.util - 0\t:invoke\t:write\t1\n{last}", "jepsen-log")
        assert message.startswith(", line 2: ")
        assert reason in message


class TestPorcupine:
    def test_operations(self, tmp_path: Path) -> None:
        text = "\n".join(
            (
                KV % ("invoke", "get", "nil"), KV % ("ok", "get", '""'), KV % ("invoke", "append", '"x \\"1\\" y"'),
                KV % ("ok", "append", '"x \\"1\\" y"'), '{:type :invoke :f :put :process 0 :value "z" :key "k"}',
                KV % ("info", "put", "nil"),
            )
        )  # fmt: skip
        get, append, put = read(tmp_path, text)
        assert (get.function, get.key, get.argument, get.result) == ("get", "k", None, "")
        assert (append.argument, append.result) == ('x "1" y', MISSING)
        assert (put.argument, put.outcome) == ("z", INFO)

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (KV % ("ok", "get", '""'), "ok of process 0, 'get', without an invocation"),
            (KV % ("invoke", "cas", '""'), "unknown function ':cas' (allowed: get, put, append)"),
            (KV % ("begin", "get", '""'), "unknown :type ':begin'"),
            (KV % ("invoke", "put", "7"), ":value 7 is neither a string nor nil"),
            (KV % ("invoke", "put", "nil"), "put needs a string, not nil"),
            ('{:process "a", :type :ok, :f :get, :key "k"}', ":process a is not a number"),
            ('{:process 1, :type :ok, :f :get, :key 1}', ":key 1 is not a string"),
            ("{:process 1, :type :ok, :f :get}", ":key is missing"),
            ('{:process 1, :type :ok, :f :get, :key "k', "this is not a map in EDN"),
            ("{:process", "this is not a map in EDN: it is cut off: '}' is missing"),
            ("{:process}", "a map has a key without a value"),
            ("{{1 2} 3}", ":process is missing"),
            ("{" * 100_000, "it is nested more than 100 deep"),
            ("7", "this is not a map"),
        ],
    )  # fmt: skip
    def test_refusals(self, tmp_path: Path, line: str, reason: str) -> None:
        message = refused(tmp_path, line, "porcupine-kv")
        assert message.startswith(", line 1: ")
        assert reason in message


class TestAnything:
    def test_missing_and_empty(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"nowhere.jsonl is missing: there is no such file"):
            readers.read(tmp_path / "nowhere.jsonl")
        with pytest.raises(UsageError, match="is missing"):
            readers.read(tmp_path)
        (tmp_path / "history").touch()
        with pytest.raises(UsageError, match="line 1: the file is empty"):
            readers.read(tmp_path / "history", "jsonl")

    def test_unknown_formats(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="unknown format 'jsnl': did you mean 'jsonl'"):
            readers.read(tmp_path / "history", "jsnl")
        with pytest.raises(UsageError, match=r"line 1: this is in no known format; give --format \(parquet, jsonl"):
            read(tmp_path, "once upon a time")
        assert "not a history" in refused(tmp_path, "once upon a time", "parquet")
