"""What holds of records and index together, at every step and when all is quiet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...family import Invariant

if TYPE_CHECKING:
    from .server import View


def promised(source: View, target: View, name: str, target_name: str, attribute: int, key: str) -> bool:
    """Whether the key will have its entry once the target has applied all that the source has queued for it."""
    present = key in target.entries[attribute]
    box = source.outboxes.get(target_name)
    if box is not None:
        applied = target.applied.get(name, 0)
        for number, update in enumerate(box.updates, box.first):
            if number > applied and update.attribute == attribute and update.key == key:
                present = update.present
    return present


class _OfChanges:
    """Looks only when something of the server that moved has changed."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}

    def restarted(self, node: str) -> None:
        """Its version counts anew."""
        self.versions.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Judge all servers that are up and still have their disk."""
        if self.versions.get(node) == view.version:
            return None
        self.versions[node] = view.version
        return self.judge({name: each for name, each in views.items() if not each.silent})

    def judge(self, views: Mapping[str, View]) -> str | None:
        """A violation, in words."""
        raise AssertionError("a subclass judges")


class NothingMissing(_OfChanges):
    """Every record has its entry: at any time, of a local or a synchronous index; of an asynchronous one, once what is
    queued for it has been applied.
    """

    name = "nothing_missing"

    def judge(self, views: Mapping[str, View]) -> str | None:
        """Look up every record."""
        for name, view in views.items():
            for key, record in view.records.items():
                attribute = view.placing.attribute(record.value)
                owner = name if view.index == "local" else view.placing.owner_of_term(attribute)
                target = views.get(owner)
                if target is None:
                    continue
                if view.index == "async":
                    there = promised(view, target, name, owner, attribute, key)
                else:
                    there = key in target.entries[attribute]
                if not there:
                    return f"{name} has {key} with attribute {attribute}, and the index at {owner} does not know it"
        return None


class NothingLeftOver(_OfChanges):
    """An entry that does not match its record is about to go, or its record is about to match: none remains for good.

    A local index never has one.
    """

    name = "nothing_left_over"

    def judge(self, views: Mapping[str, View]) -> str | None:
        """Compare every entry with its record."""
        for owner, target in views.items():
            for attribute, keys in target.entries.items():
                for key in keys:
                    name = target.placing.owner(key)
                    source = views.get(name)
                    if source is None:
                        continue
                    record = source.records.get(key)
                    if record is not None and source.placing.attribute(record.value) == attribute:
                        continue
                    change = source.changes.get(key)
                    if change is not None and source.placing.attribute(change.ask.request.value) == attribute:
                        continue
                    if promised(source, target, name, owner, attribute, key):
                        return (
                            f"the index at {owner} has {key} under attribute {attribute}, and {name}, whose record "
                            f"has another, will not take that back"
                        )
        return None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    return [NothingMissing(), NothingLeftOver()]


def differing(views: Mapping[str, View]) -> str:
    """Why the index is not exactly what the records say, in a few words; empty if it is."""
    records: dict[tuple[int, str], str] = {}
    entries: dict[tuple[int, str], str] = {}
    for name, view in views.items():
        if view.silent:
            return ""  # nobody knows what it had
        for key, record in view.records.items():
            records[view.placing.attribute(record.value), key] = name
        for attribute, keys in view.entries.items():
            entries.update({(attribute, key): name for key in keys})
    for attribute, key in sorted(records.keys() - entries.keys()):
        return f"{records[attribute, key]} has {key} with attribute {attribute}, and no index knows it"
    for attribute, key in sorted(entries.keys() - records.keys()):
        return f"the index at {entries[attribute, key]} has {key} under attribute {attribute}, which no record has"
    return ""
