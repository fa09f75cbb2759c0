"""Directory-based partitioning: a table says where a key is, so that it can be anywhere, and moved one by one.

What it costs is the table: every look-up asks it, or a copy that may be old. So it has an *epoch*, which rises with
each change, and whoever is asked for what it no longer has can tell the other's copy from a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec


class Directory(msgspec.Struct, frozen=True):
    """Exceptions to a rule.

    Attributes:
        epoch: of this table.
        rule: where keys are that nobody has moved.
        moved: key -> node.
    """

    epoch: int
    rule: Callable[[str], str]
    moved: Mapping[str, str] = {}

    def owner(self, key: str) -> str:
        """Whose the key is."""
        found = self.moved.get(key)
        return self.rule(key) if found is None else found

    def moving(self, key: str, node: str) -> Directory:
        """The next table, in which ``node`` has the key; back to the rule's node it costs no entry."""
        moved = {other: where for other, where in self.moved.items() if other != key}
        if self.rule(key) != node:
            moved[key] = node
        return Directory(self.epoch + 1, self.rule, moved)
