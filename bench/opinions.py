"""What servers deemed of each other, against what was so: the log, its verdict, and the quality of service.

Quality of service after W. Chen, S. Toueg, M. Aguilera: *On the quality of service of failure detectors* (IEEE
Transactions on Computers 51(5), 2002), over all pairs of an observer that is up and a server that it watches.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import numpy as np

from protocols.family import Family

from .checkers.opinions import DEEMS_DOWN, DEEMS_UP, DOWN, UP, Opinions, check
from .checkers.verdict import Verdict
from .runtime.record import RunRecord
from .trial import Detection, Trial

DEEMED_DOWN, DEEMED_UP = "deemed_down", "deemed_up"
"""The marks that say so; their field ``subject`` says of whom."""
DISTURBING = ("pause", "stall", "partition", "slow-node", "slow-link", "lossy-link", "slow-disk", "clock-drift",
              "send-omission", "receive-omission", "byzantine")  # fmt: skip
"""Faults under which a server may rightly seem down."""


def _number(server: str) -> int:
    return int(server[1:]) - 1


def lives(record: RunRecord) -> list[tuple[int, str, bool]]:
    """(ns, server, whether it booted or died), in order of time.

    The simulator knows; live it follows from the faults that kill: a kill counts from its signal, a restart from the
    end of the fault.
    """
    if record.lives:
        return sorted(record.lives, key=lambda life: life[0])
    found: list[tuple[int, str, bool]] = []
    for fault in record.faults:
        if fault.kind in ("crash", "power-loss", "zone-loss"):
            for node in fault.targets:
                if node.startswith("n"):
                    found.append((fault.start, node, False))
                    if fault.end is not None:
                        found.append((fault.end, node, True))
    return sorted(found, key=lambda life: life[0])


def opinion_log(record: RunRecord, servers: int, until: int | None = None, *, settled: bool = True) -> Opinions:
    """The log that :mod:`bench.checkers.opinions` judges: everything up to ``until`` (ns; the end of the run).

    A server that boots deems everybody up, whatever its earlier life deemed.
    """
    end = record.run_end if until is None else until
    rows: list[tuple[int, int, int, int]] = []
    deemed: dict[int, set[int]] = {}
    up = [True] * servers
    for at, what, node, subject in _events(record, servers):
        if at > end:
            break
        if what in (DOWN, UP):
            if what == UP:
                rows.extend((at, DEEMS_UP, node, other) for other in sorted(deemed.pop(node, ())))
            if up[node] != (what == UP):
                up[node] = what == UP
                rows.append((at, what, node, node))
            continue
        known = deemed.setdefault(node, set())
        if (what == DEEMS_DOWN) != (subject in known):
            (known.add if what == DEEMS_DOWN else known.remove)(subject)
            rows.append((at, what, node, subject))
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    at, kind, who, whom = columns[0], columns[1], columns[2], columns[3]
    return Opinions(at, kind, who, whom, np.ones(servers, np.bool_), max(end, int(at[-1]) if len(at) else 0), settled)


def _events(record: RunRecord, servers: int) -> Iterator[tuple[int, int, int, int]]:
    """What happened and what was deemed, in order of time; the fate of a server before opinions at the same time."""
    found = [(at, UP if up else DOWN, _number(node), _number(node)) for at, node, up in lives(record)]
    for mark in record.marks:
        if mark.name in (DEEMED_DOWN, DEEMED_UP):
            subject = _number(mark.fields["subject"])
            if subject < servers:
                found.append(
                    (mark.at, DEEMS_DOWN if mark.name == DEEMED_DOWN else DEEMS_UP, _number(mark.node), subject)
                )
    yield from sorted(found, key=lambda event: event[0])


def judge(trial: Trial, record: RunRecord, family: Family) -> list[Verdict]:
    """Whether everybody found out: at each time at which the run waited for that, and before the heal if it was calm.

    One verdict, ``opinions``, of the first such time that shows a violation, else of the last; empty for protocols
    without opinions.
    """
    if family.opinions is None:
        return []
    times = list(record.quiet)
    config = family.server_config(**{name: value for name, value in trial.params.items()
                                     if name in family.server_config.__struct_fields__})  # fmt: skip
    settles = round(family.opinions.settles(config, trial.nodes) * 1e9)
    if calm(record, settles):
        times.insert(0, (record.load_end, True))
    verdicts = [
        check(opinion_log(record, trial.nodes, at, settled=granted), trial.check_budget_s) for at, granted in times
    ]
    if not verdicts:
        return [Verdict(name="opinions", verdict="unknown", reason="the run never came to rest")]
    for word in ("invalid", "unknown"):
        for verdict in verdicts:
            if verdict.verdict == word:
                return [verdict]
    return verdicts[-1:]


def calm(record: RunRecord, settles: int) -> bool:
    """Whether nothing happened for ``settles`` ns before the load ended, and nothing that disturbs was in force."""
    since = record.load_end - settles
    if since < 0 or any(since < at <= record.load_end for at, _, _ in lives(record)):
        return False
    return not any(
        fault.kind in DISTURBING and fault.start <= record.load_end and (fault.end is None or fault.end > since)
        for fault in record.faults
    )


def vacuous(record: RunRecord, family: Family) -> str | None:
    """Why nothing was found out in this run, in one sentence; None if something was, or nothing had to be."""
    if family.opinions is None or any(mark.name == DEEMED_DOWN for mark in record.marks):
        return None
    return "no server deemed another down, so nothing was detected, rightly or wrongly: let one crash"


def quality(record: RunRecord, servers: int, start: int = 0, until: int | None = None) -> Detection:
    """Measure the run between two times, ns from the start of the load (``until``: the end of the load)."""
    end = record.load_end if until is None else until
    up = [True] * servers
    since: dict[int, int] = {}  # subject that is down -> when it died
    first: dict[int, int] = {}
    firsts: list[float] = []
    spreads: list[float] = []
    detections: list[int] = []
    waiting: dict[int, dict[int, int | None]] = {}  # subject -> observer up throughout -> when it deemed so for good
    wrong: dict[tuple[int, int], int] = {}
    deems: dict[tuple[int, int], bool] = {}
    lengths: list[int] = []
    mistaken: dict[int, int] = {}
    undetected = observed = 0
    before, alive = start, servers

    def close(subject: int) -> None:
        nonlocal undetected
        if subject not in since:
            return
        died = since.pop(subject)
        if subject in first:
            firsts.append((first.pop(subject) - died) / 1e9)
        times = waiting.pop(subject)
        found = [at for at in times.values() if at is not None]
        undetected += len(times) - len(found)
        detections.extend(max(0, at - died) for at in found)
        if times and len(found) == len(times):
            spreads.append((max(found) - died) / 1e9)

    def right_again(pair: tuple[int, int], at: int) -> None:
        begun = wrong.pop(pair, None)
        if begun is not None and at > start:
            lengths.append(at - max(begun, start))

    for at, what, node, subject in _events(record, servers):
        if at > end:
            break
        if at > before:
            observed += (at - before) * alive * (alive - 1)
            before = at
        if what == DOWN:
            if not up[node]:
                continue
            up[node] = False
            alive -= 1
            for pair in [pair for pair in wrong if node in pair]:
                right_again(pair, at)
            for times in waiting.values():
                times.pop(node, None)
            if at >= start:
                since[node] = at
                waiting[node] = {
                    other: at if deems.get((other, node)) else None for other in range(servers) if up[other]
                }
        elif what == UP:
            for pair in [pair for pair in deems if pair[0] == node]:
                del deems[pair]
            if up[node]:
                continue
            up[node] = True
            alive += 1
            close(node)
        else:
            pair = (node, subject)
            down = what == DEEMS_DOWN
            deems[pair] = down
            if not up[node]:
                continue
            if up[subject]:
                if down and pair not in wrong:
                    wrong[pair] = at
                    if at >= start:
                        mistaken[subject] = mistaken.get(subject, 0) + 1
                elif not down:
                    right_again(pair, at)
            elif node in waiting.get(subject, ()):
                waiting[subject][node] = at if down else None
                if down:
                    first.setdefault(subject, at)
    observed += max(0, end - before) * alive * (alive - 1)
    for pair in list(wrong):
        right_again(pair, end)
    for subject in list(since):
        close(subject)
    seconds, mistakes = observed / 1e9, sum(mistaken.values())
    return Detection(
        detection_first=tuple(firsts),
        detection=median(detections) / 1e9 if detections else None,
        detection_max=max(detections) / 1e9 if detections else None,
        undetected=undetected,
        mistakes=mistakes,
        mistaken={f"n{subject + 1}": count for subject, count in sorted(mistaken.items())},
        observed=seconds,
        mistake_rate=mistakes / seconds if seconds else 0.0,
        mistake_length=sum(lengths) / len(lengths) / 1e9 if lengths else None,
        accuracy=1 - sum(lengths) / observed if observed else 1.0,
        spread=tuple(spreads),
    )
