"""Raft's five safety properties (figure 3), and those of its snapshots, sessions and leases, checked every turn.

Each check keeps what it has seen, so that a step costs about the same however long the logs are. Logs are compared in
full only where they may have been rewritten: when one shrank, and after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...family import Invariant
from .messages import Entry, Snapshot
from .sessions import SessionExpired, state_machine

if TYPE_CHECKING:
    from .core import View


class ElectionSafety:
    """At most one leader can be elected in a given term."""

    name = "election_safety"

    def __init__(self) -> None:
        self.leaders: dict[int, str] = {}

    def restarted(self, node: str) -> None:
        """Terms outlive restarts."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Remember who led in which term."""
        if view.role != "leader":
            return None
        first = self.leaders.setdefault(view.term, node)
        if first != node:
            return f"{first} and {node} were both leader in term {view.term}"
        return None


class LeaderAppendOnly:
    """A leader never overwrites or deletes entries in its log; it only appends, and compacts what is committed."""

    name = "leader_append_only"

    def __init__(self) -> None:
        self.led: dict[str, tuple[int, int, Entry | None]] = {}  # node -> (term, last index, last entry)

    def restarted(self, node: str) -> None:
        """A new life is not the leader of the old one's term."""
        self.led.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the last look at the same leadership."""
        if view.role != "leader":
            self.led.pop(node, None)
            return None
        log, base = view.log, view.base
        end = base + len(log)
        if base > view.commit:
            return f"{node}, leader of term {view.term}, compacted up to {base}, beyond its commit index {view.commit}"
        before = self.led.get(node)
        if before is not None and before[0] == view.term:
            _, index, last = before
            if end < index:
                return f"{node}, leader of term {view.term}, shortened its log from {index} to {end} entries"
            if index > base and log[index - base - 1] is not last and log[index - base - 1] != last:
                return f"{node}, leader of term {view.term}, replaced its entry {index}"
            if end == index:
                return None
        self.led[node] = (view.term, end, log[-1] if log else None)
        return None


class LogMatching:
    """If two logs contain an entry with the same index and term, they are identical up to that index.

    Enough: (index, term) determines the command and the previous entry's term, in all logs that ever were. Then, by
    induction downwards from a shared entry, the logs agree below it.
    """

    name = "log_matching"

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], tuple[Entry, int]] = {}
        self.seen: dict[str, tuple[int, list[Entry]]] = {}  # node -> (base, entries) at the last look

    def restarted(self, node: str) -> None:
        """Look at the whole log again: the disk may have returned another one."""
        self.seen.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Look at the entries that are new since the last step of this node."""
        log = view.log
        before = self.seen.get(node)
        if before is None or before[0] != view.base:
            seen = self._compacted(view, before)
            self.seen[node] = (view.base, seen)
        else:
            seen = before[1]
        length = len(seen)
        if len(log) == length and (not length or log[-1] is seen[-1]):
            return None
        start = length
        if len(log) < length or (length and log[length - 1] is not seen[-1]):
            start = 0
            while start < min(len(log), length) and log[start] is seen[start]:
                start += 1
            del seen[start:]
        for position in range(start, len(log)):
            entry = log[position]
            previous = log[position - 1].term if position else view.base_term
            index = view.base + position + 1
            known = self.known.setdefault((index, entry.term), (entry, previous))
            if known[1] != previous or (known[0] is not entry and known[0] != entry):
                return (
                    f"entry {index} of term {entry.term} is {entry.command} after term {previous} at {node}, "
                    f"elsewhere {known[0].command} after term {known[1]}"
                )
            seen.append(entry)
        return None

    def _compacted(self, view: View, before: tuple[int, list[Entry]] | None) -> list[Entry]:
        """What was seen of the log that is left; nothing where it began anew."""
        if before is None or not before[0] < view.base <= before[0] + len(before[1]):
            return []
        return before[1][view.base - before[0] :]


class StateMachineSafety:
    """If a server has applied an entry at an index, no other server will ever apply a different one there."""

    name = "state_machine_safety"

    def __init__(self, committed: list[Entry]) -> None:
        self.committed = committed
        self.checked: dict[str, int] = {}

    def restarted(self, node: str) -> None:
        """Its state machine starts again from its snapshot."""
        self.checked.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare what was committed since the last step with what anyone committed before.

        What is gone from a log was compared when it was committed, here or at whoever sent the snapshot; the snapshot
        itself is :class:`SnapshotSafety`'s.
        """
        done = max(self.checked.get(node, 0), view.base)
        commit = view.commit
        if commit <= done:
            return None
        committed, log, base = self.committed, view.log, view.base
        if commit > base + len(log):
            return f"{node} says that entry {commit} is committed, but its log ends at {base + len(log)}"
        if done > len(committed):
            return f"{node} has a snapshot of {done} entries, of which nobody has committed the last"
        for position in range(done, commit):
            entry = log[position - base]
            if position == len(committed):
                committed.append(entry)
            elif committed[position] is not entry and committed[position] != entry:
                return (
                    f"{node} applied {entry.command} of term {entry.term} at index {position + 1}, where "
                    f"{committed[position].command} of term {committed[position].term} was applied before"
                )
        self.checked[node] = commit
        return None


class SnapshotSafety:
    """A snapshot is the state after the committed entries it stands for: data, sessions, membership, term."""

    name = "snapshot_safety"

    def __init__(self, committed: list[Entry]) -> None:
        self.committed = committed
        self.seen: dict[str, Snapshot] = {}
        self.longest = 0

    def figures(self) -> dict[str, float]:
        """The longest log that any server kept, in entries."""
        return {"longest_log": float(self.longest)}

    def restarted(self, node: str) -> None:
        """Judge what the disk returned."""
        self.seen.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Execute what the snapshot replaces, and compare."""
        if len(view.log) > self.longest:
            self.longest = len(view.log)
        snapshot = view.snapshot
        if snapshot is None:
            if view.base:
                return f"{node} has no snapshot, and its log begins after entry {view.base}"
            return None
        if self.seen.get(node) is snapshot:
            return None
        self.seen[node] = snapshot
        index, committed = snapshot.index, self.committed
        if view.base > index:
            return f"{node} lacks the entries from {index + 1} to {view.base}: in neither its snapshot nor its log"
        if index > len(committed):
            return f"{node} has a snapshot of {index} entries, of which nobody has committed the last"
        expected, found = state_machine(view.max_sessions), state_machine(view.max_sessions)
        for entry in committed[:index]:
            with suppress(SessionExpired):
                expected.apply(entry.command)
        found.restore(snapshot.state)
        if found.data != expected.data:
            return f"{node}'s snapshot at {index} has other data than the {index} committed entries make"
        if list(found.sessions.items()) != list(expected.sessions.items()):  # which expires next is part of it
            return f"{node}'s snapshot at {index} has other sessions than the {index} committed entries make"
        if snapshot.term != committed[index - 1].term:
            return f"{node}'s snapshot at {index} has term {snapshot.term}, its last entry {committed[index - 1].term}"
        changes = [entry.members for entry in committed[:index] if entry.members is not None]
        if changes and snapshot.members != changes[-1]:
            return f"{node}'s snapshot at {index} has members {snapshot.members}, committed were {changes[-1]}"
        return None


class SessionAgreement:
    """Servers that have applied the same entries remember the same sessions, no more than the bound (section 6.3).

    Compared are how many there are, which of them expires next, and which was used last: servers that once forget
    different ones differ in these soon after.
    """

    name = "session_agreement"

    def __init__(self) -> None:
        self.known: dict[int, tuple[str, int, Any, Any]] = {}  # entries applied -> who was first, and what it had
        self.most = 0

    def figures(self) -> dict[str, float]:
        """The most sessions that any server remembered."""
        return {"most_sessions": float(self.most)}

    def restarted(self, node: str) -> None:
        """What it has applied again is compared again."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with whoever was first to have applied so much."""
        sessions = view.sessions
        count = len(sessions)
        if count > self.most:
            self.most = count
        if not view.max_sessions or not count:
            return None
        if count > view.max_sessions:
            return f"{node} remembers {count} sessions, at most {view.max_sessions} are allowed"
        oldest, latest = next(iter(sessions)), next(reversed(sessions))
        mine = (node, count, (oldest, sessions[oldest]), (latest, sessions[latest]))
        first = self.known.setdefault(view.applied, mine)
        if first[1:] != mine[1:]:
            return (
                f"after {view.applied} entries {node} remembers {count} sessions from {oldest} to {latest}, "
                f"{first[0]} {first[1]} from {first[2][0]} to {first[3][0]}"
            )
        return None


class LeaderCompleteness:
    """A committed entry is present in the logs of the leaders of all higher terms."""

    name = "leader_completeness"

    def __init__(self, committed: list[Entry]) -> None:
        self.committed = committed
        self.leading: dict[str, int] = {}
        self.terms: list[int] = []  # index - 1 -> term of the leader that committed it, or lower

    def restarted(self, node: str) -> None:
        """It leads no more."""
        self.leading.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Judge new leaders against all that is committed, and new commitments against all leaders of higher terms."""
        while len(self.terms) < len(self.committed):
            position = len(self.terms)
            self.terms.append(view.term)
            for other, seen in views.items():
                if seen.role == "leader" and seen.term > view.term and not self._has(seen, position):
                    return (
                        f"entry {position + 1} was committed in term {view.term}, and {other}, leader of the later "
                        f"term {seen.term}, lacks it"
                    )
        if view.role != "leader":
            self.leading.pop(node, None)
            return None
        if self.leading.get(node) == view.term:
            return None
        self.leading[node] = view.term
        for position in range(len(self.committed)):
            if self.terms[position] < view.term and not self._has(view, position):
                return (
                    f"{node} became leader of term {view.term} without entry {position + 1}, which was committed in "
                    f"term {self.terms[position]}"
                )
        return None

    def _has(self, view: View, position: int) -> bool:
        """Below its log's base it has it in its snapshot, which :class:`SnapshotSafety` judges."""
        place = position - view.base
        return place < 0 or (place < len(view.log) and view.log[place] == self.committed[position])


class LeaseSafety:
    """While a leader reads by its lease, no other server leads a later term (section 6.4.1).

    What that other has committed, such a read would miss. Clocks that run off by more than ``drift_bound_ppm`` break
    it: that is what the bound is for.
    """

    name = "lease_safety"

    def __init__(self) -> None:
        self.answered: dict[str, int] = {}

    def restarted(self, node: str) -> None:
        """A new life counts from 0."""
        self.answered.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """If this turn answered a read by the lease, look for another leader."""
        count = view.leased_reads
        if count == self.answered.get(node, 0):
            return None
        self.answered[node] = count
        for other, seen in views.items():
            if seen.role == "leader" and seen.term > view.term:
                return f"{node} read by its lease of term {view.term} while {other} led term {seen.term}"
        return None


def invariants() -> list[Invariant]:
    """A fresh set, for one run."""
    committed: list[Entry] = []
    return [
        ElectionSafety(),
        LeaderAppendOnly(),
        LogMatching(),
        StateMachineSafety(committed),
        SnapshotSafety(committed),
        SessionAgreement(),
        LeaderCompleteness(committed),
        LeaseSafety(),
    ]
