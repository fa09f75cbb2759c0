"""The index over all runs of a folder: what each asked, what came out, and the way to its report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError
from ..sweep.store import Description, RunFolder
from ..trial import Result, Trial
from . import one
from .model import totals_of

RESULT, TRIAL, SWEEP, STUDY = "result.json", "trial.json", "sweep.json", "study.json"


@dataclass(frozen=True)
class Entry:
    """A run in the index.

    Attributes:
        name: of its folder.
        when: when it began, for people; empty if that is not known.
        title: its question, or what was run.
        answer: the first words of its report.
        kind: ``sweep``, ``live trial``, ``simulated trial``.
        word: its verdict: ``valid``, ``invalid``, ``unknown``; empty if nothing has been judged.
        badges: (text, look).
        trouble: why it cannot be shown; its report cannot be either.
        report: address of its report, empty where there is none.
    """

    name: str
    when: str = ""
    title: str = ""
    answer: str = ""
    kind: str = ""
    word: str = ""
    badges: tuple[tuple[str, str], ...] = ()
    trouble: str = ""
    report: str = ""


class Study(msgspec.Struct, frozen=True):
    """Of a tuning study, what the list says: its report is made elsewhere."""

    question: str
    answer: tuple[str, ...] = ()
    finished: bool = False
    trials: int = 0
    violations: int = 0
    sittings: tuple[dict[str, Any], ...] = ()


def is_run(folder: Path) -> bool:
    """Whether a folder holds a sweep, a single run, or a study."""
    return any((folder / name).is_file() for name in (SWEEP, RESULT, TRIAL, STUDY))


def entries(root: Path) -> list[Entry]:
    """Every run directly below ``root``, the latest first; one that cannot be read says so and hides no other.

    Links are not followed: what is below ``root`` is all there is.
    """
    if not root.is_dir():
        return []
    found = []
    for folder in root.iterdir():
        if folder.name.startswith(".") or folder.is_symlink() or not folder.is_dir() or not is_run(folder):
            continue
        try:
            found.append(entry(folder))
        except (UsageError, OSError, msgspec.MsgspecError, ValueError) as error:
            found.append(Entry(folder.name, when=_changed(folder), trouble=" ".join(str(error).split())))
    return sorted(found, key=lambda each: (each.when, each.name), reverse=True)


def entry(folder: Path) -> Entry:
    """What the index says of one run.

    Raises:
        UsageError: its files are links, or not what they should be.
        OSError: they cannot be read.
        msgspec.MsgspecError: they are of another version.
    """
    linked = next((each.name for each in folder.iterdir() if each.is_symlink()), None)
    if linked is not None:
        raise UsageError(f"{linked} is a link, which may lead out of the folder: it is not followed")
    if (folder / SWEEP).is_file():
        return _sweep(folder)
    if (folder / STUDY).is_file():
        return _study(folder)
    if (folder / RESULT).is_file():
        result = msgspec.json.decode((folder / RESULT).read_bytes(), type=Result)
        badges = () if result.error is None and result.trial == "complete" else tuple(totals_of([result]))[1:]
        return Entry(
            folder.name,
            when=_minute(str(result.provenance.get("time", ""))) or _changed(folder),
            title=_trial_title(result.spec),
            answer=one.answer(result),
            kind="live trial" if result.runtime == "ray" else "simulated trial",
            word=result.verdict,
            badges=badges,
        )
    trial = msgspec.json.decode((folder / TRIAL).read_bytes(), type=Trial)
    return Entry(
        folder.name,
        when=_changed(folder),
        title=_trial_title(trial),
        answer="It has not ended, or was interrupted: what its clients saw is all there is.",
        kind="live trial" if trial.runtime == "ray" else "simulated trial",
        badges=(("not ended", "unknown"),),
    )


def _trial_title(trial: Trial) -> str:
    mutant = f" with the mistake {trial.mutant}" if trial.mutant else ""
    nodes = f"{trial.nodes} node{'s' if trial.nodes != 1 else ''}"
    return f"{trial.protocol}{mutant}, {nodes}, seed {trial.seed}"


def _sweep(folder: Path) -> Entry:
    from .render import kept_in

    description = RunFolder(folder).description()
    assert description is not None
    words, runtimes, uncounted = _counts(folder, description)
    total = sum(words.values())
    badges = [(f"{total:,} trial{'s' if total != 1 else ''}", "")]
    badges += [(f"✗ {words['invalid']:,} violation{'s' if words['invalid'] != 1 else ''}", "invalid")] * bool(
        words["invalid"]
    )
    badges += [(f"{uncounted:,} void or failed", "unknown")] * bool(uncounted)
    badges += [("not ended", "unknown")] * (not description.finished)
    word = "invalid" if words["invalid"] else "valid" if words["valid"] else "unknown" if total else ""
    answer = kept_in(folder).answer.replace("\n", " ")
    worlds = " and ".join(name for name, runtime in (("simulated", "sim"), ("live", "ray")) if runtimes[runtime])
    sitting = description.sittings[-1] if description.sittings else {}
    return Entry(
        folder.name,
        when=_minute(str(sitting.get("time", ""))) or _changed(folder),
        title=description.question,
        answer=answer or ("" if total else "No trial has finished."),
        kind=f"sweep, {worlds}" if worlds else "sweep",
        word=word,
        badges=tuple(badges),
    )


def _study(folder: Path) -> Entry:
    study = msgspec.json.decode((folder / STUDY).read_bytes(), type=Study)
    badges = [(f"{study.trials:,} trial{'s' if study.trials != 1 else ''}", "")]
    badges += [("candidates that broke a property", "invalid")] * bool(study.violations)
    badges += [("not ended", "unknown")] * (not study.finished)
    sitting = study.sittings[-1] if study.sittings else {}
    return Entry(
        folder.name,
        when=_minute(str(sitting.get("time", ""))) or _changed(folder),
        title=study.question,
        answer=" ".join(study.answer),
        kind="study",
        badges=tuple(badges),
    )


def _counts(folder: Path, description: Description) -> tuple[Counter[str], Counter[str], int]:
    """Verdicts, worlds, and how many are void or failed: from a few columns, as the results themselves are large."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    words: Counter[str] = Counter()
    runtimes: Counter[str] = Counter()
    seen: set[str] = set()
    uncounted = 0
    for file in sorted((folder / "trials").glob("part-*.parquet")):
        if file.is_symlink():
            continue
        try:
            table = pq.read_table(file, columns=["key", "code_version", "verdict", "runtime", "trial"])
        except (pa.ArrowInvalid, OSError):  # see RunFolder.damaged
            continue
        for row in table.to_pylist():
            if row["key"] in seen or row["code_version"] != description.code_version:
                continue
            seen.add(row["key"])
            words[row["verdict"]] += 1
            runtimes[row["runtime"]] += 1
            uncounted += row["trial"] != "complete"
    return words, runtimes, uncounted


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _changed(folder: Path) -> str:
    return datetime.fromtimestamp(folder.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M")


def page(root: Path, listed: list[Entry]) -> str:
    """The HTML of the index. ``listed``: with the addresses of the reports."""
    from .render import environment

    return str(
        environment()
        .get_template("index.html")
        .render(root=root.name or str(root), entries=listed, kinds=sorted({each.kind for each in listed if each.kind}))
    )


def write(root: Path) -> Path:
    """``index.html`` beside the runs, linking the reports that have been written.

    Raises:
        UsageError: there is no such folder, or it cannot be written to.
    """
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}: 'bench run' and 'bench sweep' make it")
    from urllib.parse import quote

    listed = [
        replace(each, report=f"{quote(each.name)}/report.html" if (root / each.name / "report.html").is_file() else "")
        for each in entries(root)
    ]
    file = root / "index.html"
    try:
        file.write_text(page(root, listed), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the index cannot be written to {file}: {error.strerror}") from None
    return file
