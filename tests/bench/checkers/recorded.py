"""Reads the recorded register histories that other projects publish with known verdicts (Jepsen's log format)."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.history.history import CAS, INFO, NEVER, NIL, NOTHING, OK, READ, WRITE, History, HistoryBuilder

_LINE = re.compile(r"INFO\s+jepsen\.util - (\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.+)")
_MS = 1_000_000


def folder() -> Path | None:
    """The folder of recorded histories, if this machine has it."""
    named = os.environ.get("QUORUMBENCH_HISTORIES")
    path = Path(named) if named else Path(__file__).parents[4] / "shared" / "histories"
    return path if (path / "porcupine" / "manifest.tsv").is_file() else None


def register_logs() -> list[tuple[str, bool]]:
    """(file, linearizable) of each log whose verdict its project states."""
    root = folder()
    if root is None:
        return []
    with (root / "porcupine" / "manifest.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    stated = {"linearizable": True, "not-linearizable": False}
    return [
        (row["file"], stated[row["expected"]])
        for row in rows
        if row["file"].startswith("etcd") and row["expected"] in stated
    ]


def read_log(path: Path) -> History:
    """One compare-and-set register; the line number is the time, since the log has only an order.

    A failed compare-and-set found another value than it expected, which the log does not tell: ``NOTHING``. A read
    that failed only timed out.
    """
    builder = HistoryBuilder()
    open_since: dict[int, tuple[int, str, str]] = {}

    def end(process: int, completed: int, kind: str, told: str) -> None:
        started, function, asked = open_since.pop(process)
        numbers = [int(number) for number in re.findall(r"-?\d+", asked)]
        argument = expected = result = NOTHING
        outcome = OK if kind != "info" else INFO
        if function == "read":
            outcome = OK if kind == "ok" else INFO
            if outcome == OK:
                result = NIL if told == "nil" else int(told)
        elif function == "write":
            argument = numbers[0]
        else:
            expected, argument = numbers
            result = expected if kind == "ok" else NOTHING
        builder.add(
            process=process,
            function={"read": READ, "write": WRITE, "cas": CAS}[function],
            key=0,
            argument=argument,
            expected=expected,
            result=result,
            intended=started,
            invoked=started,
            completed=completed,
            outcome=outcome,
            client=process,
        )

    number = 0
    for number, line in enumerate(path.read_text().splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue
        process = int(match[1])
        if match[2] == "invoke":
            open_since[process] = (number * _MS, match[3], match[4])
        else:
            end(process, number * _MS, match[2], match[4])
    for process in list(open_since):
        end(process, NEVER, "info", "")
    return builder.build()


# --- all of them, through the readers -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """What a recorded history has to be judged.

    Attributes:
        file: under the folder.
        model: of the registry.
        verdict: valid or invalid.
        level: of isolation, where one is asked for.
        anomalies: that must be named.
        exactly: whether no others may be.
        violated, kept: levels that it violates, and does not.
    """

    file: str
    model: str
    verdict: str
    level: str | None = None
    anomalies: tuple[str, ...] = ()
    exactly: bool = False
    violated: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.model}:{self.file}"


_WORDS = {"linearizable": "valid", "valid": "valid", "not-linearizable": "invalid", "invalid": "invalid"}
_AWDIT = {"RC": "read-committed", "RA": "read-atomic", "CC": "causal"}
# What the manifest says of these in sentences, and Elle's and elle-cli's tests in code.
_IN_WORDS: dict[str, dict[str, Any]] = {
    "elle/paper-example.edn": {"anomalies": ("G-single",), "violated": ("strict-serializable", "snapshot-isolation")},
    "elle-cli/elle/paper-example.edn": {"anomalies": ("G-single",), "violated": ("strict-serializable",)},
    "elle/si-without-g-single.edn": {
        "level": "repeatable-read",
        "verdict": "invalid",
        "anomalies": ("G2-item",),
        "exactly": True,
        "violated": ("repeatable-read",),
        "kept": ("snapshot-isolation",),
    },
    "elle/huge-scc.edn": {"anomalies": ("G2-item-realtime",), "violated": ("strong-snapshot-isolation",)},
    "elle-cli/elle/list-append-gh-30.edn": {"level": "serializable", "violated": ("serializable",)},
}


def everything() -> list[Expected]:
    """Every history of both manifests whose verdict is stated, once for each model that it is stated for."""
    root = folder()
    if root is None:
        return []
    found: list[Expected] = []
    for row in _rows(root / "porcupine" / "manifest.tsv"):
        if row["expected"] in _WORDS:
            model = "kv" if row["model"].strip('"').startswith("kv") else "cas-register"
            found.append(Expected(f"porcupine/{row['file']}", model, _WORDS[row["expected"]]))
    for row in _rows(root / "manifest.tsv"):
        file = re.sub(r"\.(edn|json)$", ".jsonl", row["file"])
        model, expected = re.split(r"[ (]", row["model"])[0], row["expected"]
        if file.startswith("awdit/"):
            for short, name in _AWDIT.items():
                violated = re.search(rf"{short}[^;]*?(ok|violated)", expected.replace("all", ""))
                word = "invalid" if "all violated" in expected or (violated and violated[1] == "violated") else "valid"
                found.append(Expected(file, name, word))
            continue
        special: dict[str, Any] = {"verdict": _WORDS.get(re.split(r"[ ;]", expected)[0], "")}
        if file.startswith("polysi/"):
            special = {"verdict": "invalid", "level": "snapshot-isolation", "violated": ("snapshot-isolation",)}
        special |= _IN_WORDS.get(row["file"], {})
        assert special["verdict"], f"what the manifest says of {row['file']} is not understood: {expected}"
        found.append(Expected(file, model, **special))
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as lines:
        return list(csv.DictReader(lines, delimiter="\t"))
