"""The ways in which others write down the same history: EDN and JSON, in lines and in one piece."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.checkers.judging import judge, model_of
from bench.errors import UsageError
from bench.history import readers
from bench.history.history import FAIL, INFO, OK
from bench.history.operations import MISSING, Operation
from tests.bench.checkers.recorded import folder

from .test_operations import read


def edn(value: Any) -> str:
    """The value as EDN, with strings as strings."""
    if value is None:
        return "nil"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{' '.join(map(edn, value))}]"
    return "{" + ", ".join(f"{edn(key)} {edn(each)}" for key, each in value.items()) + "}"


def event(line: dict[str, Any]) -> str:
    """An event as Jepsen writes it."""
    words = {"type": f":{line['type']}", "f": f":{line.get('f')}", "process": line.get("process")}
    words["process"] = f":{words['process']}" if isinstance(words["process"], str) else edn(words["process"])
    return "{" + ", ".join(f":{name} {words.get(name, edn(value))}" for name, value in line.items()) + "}"


def spellings(lines: list[dict[str, Any]]) -> dict[str, str]:
    """The same history in other words."""
    events = [event(line) for line in lines]
    return {
        "array in lines": "[" + ",\n ".join(map(json.dumps, lines)) + "]\n",
        "array": json.dumps(lines),
        "array, indented": "\n\n" + json.dumps(lines, indent=2),
        "edn": "\n".join(events) + "\n",
        "edn vector": "[" + "\n ".join(events) + "]",
        "edn list": "(" + "\n ".join(events) + ")\n",
        "edn with tags": "\n".join(f"#jepsen.history.Op{each}" for each in events),
        "edn with comments": "; recorded by hand\n" + "\n; and then\n".join(f"#_{each} {each}" for each in events),
        "edn in pieces": "\r\n".join(each.replace(", ", ",\r\n   ") for each in events),
        "with a byte order mark": "\ufeff" + "\n".join(map(json.dumps, lines)),
    }


def same(operations: Any) -> list[Operation]:
    return [msgspec.structs.replace(each, line=0) for each in operations]


SAMPLES = (
    "elle/si-without-g-single.jsonl",
    "elle-cli/elle/list-append-gh-30.jsonl",
    "elle-cli/elle/rw-register.jsonl",
    "elle-cli/jepsen/set.jsonl",
    "elle-cli/jepsen/counter.jsonl",
    "elle-cli/knossos/mutex/bad/etcd.jsonl",
    "knossos/cas-register/bad/bad-analysis.jsonl",
    "knossos/cas-register/good/memstress3-95.jsonl",
)


@pytest.mark.skipif(folder() is None, reason="recorded histories: no ../shared/histories, no QUORUMBENCH_HISTORIES")
@pytest.mark.parametrize("name", SAMPLES)
def test_a_recorded_history_reads_alike_in_all_spellings(tmp_path: Path, name: str) -> None:
    root = folder()
    assert root is not None
    recorded = readers.read(root / name)
    lines = [json.loads(line) for line in (root / name).read_text().splitlines() if line.strip()]
    model = model_of(recorded.history, root / name)
    (verdict,) = judge(recorded.history, model, format="jsonl")
    for spelling, text in spellings(lines).items():
        path = tmp_path / "history"
        path.write_bytes(text.encode())
        again = readers.read(path)
        assert again.format == ("edn" if spelling.startswith("edn") else "jsonl"), spelling
        assert same(again.history) == same(recorded.history), spelling
        assert again.clock == recorded.clock
        (other,) = judge(again.history, model, format=again.format)
        assert (other.verdict, other.rows) == (verdict.verdict, verdict.rows), spelling


def test_what_only_edn_has(tmp_path: Path) -> None:
    text = """
    [{:type :invoke, :f :txn, :process 0, :value [[:append :x 1] [:r "y" nil]], :time 3N}
     {:type :info, :f :start-partition, :process :nemesis, :value {"n1" #{"n2" "n3"}}, :time 4}
     ; a comment with a } in it
     {:type :ok, :f :txn, :process 0, :value ([:append :x 1] [:r "y" #{}]), :time 5,
      :node \\a, :ratio -, :error [:x {:y ##NaN}]}
     {:type :invoke, :f :cas, :process 1, :value [-1 +2], :time 6, :final? true}
     {:type :fail, :f :cas, :process 1, :value [-1 2], :error [:precondition "(= -1 0)"], :time 7}
     {:type :invoke, :f :write, :process 1, :value nil, :time 8}
     {:type :info, :f :write, :process 1, :value nil, :error :timeout, :exception {:via [{:type "a.B"}]}, :time 9}]
    """
    txn, swap, write = read(tmp_path, text)
    assert txn.argument == (("append", "x", 1), ("r", "y", None))
    assert txn.result == (("append", "x", 1), ("r", "y", ()))
    assert (swap.argument, swap.result, swap.outcome) == ((-1, 2), MISSING, FAIL)
    assert (txn.outcome, write.outcome) == (OK, INFO)
    assert [each.line for each in (txn, swap, write)] == [2, 7, 9]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[{:type :invoke, :process 0, :f :read}\n {:type :ok, :process 0, :f :read", 2, "cut off: '}' is missing"),
        ("[{:type :invoke, :process 0, :f :read}\n", 1, "it is cut off: ']' is missing"),
        ("{:type :invoke, :process 0, :f :read}\n}", 2, "'}' closes nothing"),
        ('{:type :invoke, :process 0, :f :read}\n{:type "o', 2, "is cut off or no EDN"),
        ("{:type :invoke, :process 0, :f :read}\n\n{:type :done, :process 0, :f :read}", 3, "has the :type :done"),
        ("{:process 0, :f :read}", 1, "has no :type (allowed: :invoke, :ok, :fail, :info)"),
        ("{:type :invoke, :process x, :f :read}", 1, "process 'x' is neither a number nor the nemesis"),
        ("{:type :invoke, :process 0, :f 3}", 1, ":f 3 is not a keyword"),
        ("{:type :invoke, :process 0.5, :f :read}", 1, ":process 0.5 is not a number"),
        ("{:type :invoke, :process 0, :f :read, :time 1e3}", 1, ":time 1000.0 is not a number"),
        ("{:type :invoke, :process 0, :f}", 1, "a map has a key without a value"),
        ("{:type :ok, :process 0, :f :read}", 1, "ok of process 0, 'read', without an invocation"),
        ("\n{:type :invoke :process 0 :f :read} {:type :invoke :process 0 :f :read}", 2, "while its 'read' of line 2"),
        ("{:type :invoke, :process 0, :f :read, :value 12x}", 1, "'12x' is not a number"),
        ("{:type :invoke, :value " + "[" * 100_000, 1, "it is nested more than 100 deep"),
        ("; nothing\n[[:type :invoke]]", 2, "this is not a map"),
        (b"{:type :invoke\n :f \xff}", 2, "this is not text in UTF-8"),
    ],
)
def test_malformed_edn(tmp_path: Path, text: str | bytes, line: int, reason: str) -> None:
    path = tmp_path / "history"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UsageError) as caught:
        readers.read(path, "edn")
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: ") and reason in message, message
    assert "\n" not in message and len(message) < 400


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('[{"type": "invoke", "process": 0, "f": "read"},\n {"type": "ok", "process": 0, "f"', 2, "the file cut off?"),
        ('[{"type": "invoke", "process": 0, "f": "read"}\n', 1, "the file cut off?"),
        ('[{"type": "invoke", "process": 0, "f": "read"},\n\n {"type": "done"}]', 3, "Invalid enum value 'done'"),
        ('[{"type": "ok", "process": 0, "f": "read"}]', 1, "without an invocation"),
        ("[1, 2]", 1, "this is not an operation"),
        ('[{"type": "invoke", "process": 0, "value": ' + "[" * 100_000 + "]" * 100_000 + "}]", 1, "nested too deeply"),
    ],
)
def test_malformed_arrays(tmp_path: Path, text: str, line: int, reason: str) -> None:
    path = tmp_path / "history"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        readers.read(path, "jsonl")
    assert str(caught.value).startswith(f"{path}, line {line}: ") and reason in str(caught.value), str(caught.value)


def test_nothing_is_a_history(tmp_path: Path) -> None:
    for text in ("[]", "()", "; nothing happened\n"):
        assert read(tmp_path, text) == []


def test_newer_logs_and_history_txt(tmp_path: Path) -> None:
    """Alike but for what stands before the process, and for an error after the value."""
    told = (
        "0\t:invoke\t:write\t3",
        ":nemesis\t:info\t:kill\tnil",
        "1\t:invoke\t:read\tnil",
        "0\t:ok\t:write\t3",
        '1\t:fail\t:read\tnil\t[:timed-out "x"]',
        "0\t:invoke\t:cas\t[3 -4]",
        "0\t:info\t:cas\t[3 -4]\t:timeout",
    )
    newer = "2024-01-02 03:04:05,678{GMT}\tINFO\t[jepsen worker 1] jepsen.util: "
    other = "2024-01-02 03:04:05,678{GMT}\tWARN\t[jepsen worker 1] jepsen.core: Process 1 crashed\n"
    plain = read(tmp_path, "\n".join(told))
    assert [each.outcome for each in plain] == [OK, FAIL, INFO]
    assert plain[2].argument == (3, -4)
    assert same(read(tmp_path, other + other.join(f"{newer}{each}\n" for each in told))) == same(plain)
    older = "\n".join(f"INFO  jepsen.util - {each}" for each in told)
    assert same(read(tmp_path, older)) == same(plain)
    with pytest.raises(UsageError, match="line 1: unknown function 'drain'"):
        read(tmp_path, "0\t:invoke\t:drain\tnil\n")


def test_keywords_name_micro_operations(tmp_path: Path) -> None:
    """Written twice, read as neither: whatever the spelling of the functions."""
    for read_, write in (("read", "write"), (":read", ":write"), ("r", "w"), (":r", ":w")):
        path = tmp_path / "history"
        lines = [[[write, "x", 1], [read_, "x", None]], [[read_, "x", None]]]
        events = [
            {"type": kind, "process": 0, "f": "txn", "value": value}
            for mops in lines
            for kind, value in (("invoke", mops), ("ok", [[f, k, 2 if f == read_ else v] for f, k, v in mops]))
        ]
        path.write_text("\n".join(map(json.dumps, events)))
        history = readers.read(path).history
        assert model_of(history) == ("multi-register" if "read" in read_ else "rw-register")
        assert judge(history, "multi-register", format="jsonl")[0].verdict == "invalid"
        assert judge(history, "rw-register", format="jsonl")[0].verdict == "invalid"
