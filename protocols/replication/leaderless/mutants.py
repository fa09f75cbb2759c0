"""Classic mistakes, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="acknowledged-before-durable",
        why="A replica acknowledges a write that is not on its disk yet, and a crash loses it (Dynamo, section 4.5).",
        file="replica",
        edits=(
            ("ctx.send(source, Replicated(message.round))", "ctx.send(source, Replicated(message.round), early=True)"),
        ),
        caught_by=("acknowledged_is_kept", "quorums_intersect"),
    ),
    Mutant(
        name="older-over-newer",
        why="A repair, a hint or a late message replaces what is newer, instead of being merged with it (section 4.4).",
        file="replica",
        edits=(
            (
                "        new = items.merge(self.config.conflict, old, item)\n        assert new",
                "        new = item\n        assert new",
            ),
        ),
        caught_by=("versions_rise", "quorums_intersect"),
    ),
    Mutant(
        name="hint-outlives-grace",
        why="A hint is replayed however old: the value of a deleted key returns when its tombstone is gone.",
        file="repair",
        edits=(("            if age > self.config.hint_life:\n", "            if age < -1 << 62:\n"),),
        caught_by=("hints_expire",),
        params={"grace_s": 0.4, "deletes": 0.3, "conflict": "lww", "cart": False},
    ),
    Mutant(
        name="coordinator-counts-itself-twice",
        why="A coordinator that is a replica counts its own copy for two, so W - 1 replicas are enough (section 4.5).",
        file="coordinator",
        edits=(
            (
                "            work.heard.append(ctx.id)\n        for replica in replicas:",
                "            work.heard += [ctx.id, ctx.id]\n        for replica in replicas:",
            ),
        ),
        caught_by=("quorums_are_counted", "quorums_intersect"),
    ),
    Mutant(
        name="stand-in-counted-as-replica",
        why="A sloppy quorum is taken for a strict one: who keeps a hint is asked by no read (section 4.6).",
        file="coordinator",
        edits=(
            (
                "                        work.stand_ins[replica] = source\n",
                "                        work.heard.append(source)\n",
            ),
        ),
        caught_by=("quorums_are_counted", "quorums_intersect", "acknowledged_is_kept"),
        params={"sloppy": True},
    ),
    Mutant(
        name="version-without-writer",
        why="Two writes of one instant have the same version, and each replica keeps the one that came first.",
        file="client",
        edits=(("        return Version(at, self.writer)\n", '        return Version(at, "")\n'),),
        caught_by=("one_value_a_version", "convergence"),
        params={"grain_s": 0.2, "conflict": "lww", "cart": False},
    ),
    Mutant(
        name="lost-disk-answers-reads",
        why="A replica whose disk is gone answers that it knows of nothing, and so quorums do not intersect.",
        file="replica",
        edits=(("        if self.identity.joining:\n            return\n        item =", "        item ="),),
        caught_by=("quorums_intersect",),
        seed=1637,
        params={"read_repair": "none", "hints": False, "anti_entropy_s": 0.0, "digests": False},
    ),
    Mutant(
        name="dot-reused",
        why="A server that lost its disk numbers writes from 1 again under its old name: others' dots (4.4).",
        file="repair",
        edits=(('Identity(f"{ctx.id}.{ctx.rng.getrandbits(64):016x}", True)', "Identity(ctx.id, True)"),),
        caught_by=("one_value_a_version",),
        seed=47,
        params={"conflict": "dvv", "sessions": False, "anti_entropy_s": 0.0},
    ),
    Mutant(
        name="context-covers-everything",
        why="A write removes siblings that its client has not seen: lost updates, as with last write wins.",
        file="items",
        edits=(
            (
                "        kept = [each for each in item.siblings if not covers(context, each.version)]\n",
                "        kept = []\n",
            ),
        ),
        caught_by=("nothing_is_lost",),
        params={"conflict": "dvv", "sessions": False},
    ),
    Mutant(
        name="digest-mismatch-ignored",
        why="A read returns the one full item it has, though another replica's digest says that it has something else.",
        file="coordinator",
        edits=(("        if unlike or not full:\n", "        if not full:\n"),),
        caught_by=("quorums_intersect",),
        params={"digests": True},
    ),
    Mutant(
        name="token-of-writes-only",
        why="A session token is raised by writes, not by reads: reads go back in time (Terry et al. 1994, section 4).",
        file="client",
        edits=(("        self._note(key, items.newest(item))\n", ""),),
        caught_by=("read-your-writes", "monotonic-reads"),
        seed=7,
        params={
            "sessions": True,
            "read_level": "ONE",
            "write_level": "ONE",
            "read_repair": "none",
            "conflict": "lww",
            "cart": False,
            "deletes": 0.0,
            "digests": False,
        },
    ),
    Mutant(
        name="token-of-reads-only",
        why="A session token is raised by reads, not by writes: a client misses its own write (Terry et al. 1994).",
        file="client",
        edits=(("        self._note(put.key, put.written.version)\n", ""),),
        caught_by=("read-your-writes", "monotonic-reads"),
        seed=25,
        params={
            "sessions": True,
            "read_level": "ONE",
            "write_level": "ONE",
            "read_repair": "none",
            "conflict": "lww",
            "cart": False,
            "deletes": 0.0,
            "digests": False,
        },
    ),
)
