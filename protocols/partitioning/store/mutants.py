"""Classic mistakes in moving partitions, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

BUSY = {"move_every_s": 0.03, "catch_up": 0, "chunk": 2}
"""Partitions move all the time, in small parts."""
SHAPED = {"placement": "range", "report_s": 0.05, "reshape_every_s": 0.05, "move_every_s": 0.15}
"""They are split and merged all the time, too."""

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="no-fence",
        why="The source goes on serving until it hears that the target has taken over: two owners, and lost writes.",
        file="moves",
        edits=(
            (
                "            self._hold(ctx, partition, fenced)\n",
                "            pass\n",
            ),
        ),
        caught_by=("one_owner", "linearizable"),
        params=BUSY,
    ),
    Mutant(
        name="fence-not-persisted",
        why="A source that crashes after the hand-over forgets the fence, and serves again what is somebody else's.",
        file="core",
        edits=(
            (
                '        ctx.persist(f"holding:{partition}", holding)\n',
                '        if holding.state != FENCED:\n            ctx.persist(f"holding:{partition}", holding)\n',
            ),
        ),
        caught_by=("one_owner", "linearizable"),
        seed=2,
        params=BUSY,
    ),
    Mutant(
        name="no-catch-up",
        why="What is written while a partition is copied stays behind.",
        file="moving",
        edits=(("            self.keys.add(key)\n", "            pass\n"),),
        caught_by=("nothing_lost", "linearizable"),
        params=BUSY,
    ),
    Mutant(
        name="sessions-stay-behind",
        why="The new owner does not know which commands were carried out, and carries out repeated ones once more.",
        file="moves",
        edits=(
            (
                "        for session, sequence, found in message.sessions:\n",
                "        for session, sequence, found in message.sessions[:0]:\n",
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        params=BUSY,
    ),
    Mutant(
        name="old-part-overwrites",
        why="A late part of a move that is over is stored over what has been written since: no check of its epoch.",
        file="moves",
        edits=(
            (
                "        if holding is not None and holding.epoch >= message.epoch:\n            # It was taken before",
                "        if holding is not None and holding.epoch > message.epoch:\n            # It was taken before",
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        seed=76,
        params=BUSY,
    ),
    Mutant(
        name="attempts-not-told-apart",
        why="After the target's restart the rest of an attempt is taken for the whole: what came before is missing.",
        file="moves",
        edits=(
            (
                "            ctx.send(source, Lost(partition, message.attempt))\n            return\n",
                "            known = self.incoming[partition] = Incoming(message.epoch, message.attempt)\n"
                "            known.number = message.number - 1\n",
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        params={**BUSY, "partitions": 5, "chunk": 1, "pause_s": 0.02},
    ),
    Mutant(
        name="no-sessions",
        why="A write that is asked again, as its answer was lost, is carried out again, over a later one.",
        file="core",
        edits=(
            (
                "        if known is not None and message.sequence <= known[1]:\n",
                "        if known is not None and message.sequence < known[1]:\n",
            ),
        ),
        caught_by=("linearizable",),
    ),
    Mutant(
        name="served-by-the-table",
        why="A server serves what its table says is its own, without asking whether it has been handed over.",
        file="core",
        edits=(
            (
                "        if holding is not None and holding.state == SERVES and (partition, holding.epoch) >= asked:\n",
                "        if holding is not None and known.server in (ctx.id, holding.other):\n",
            ),
        ),
        caught_by=("linearizable",),
        params=BUSY,
    ),
    Mutant(
        name="routed-by-another-hash",
        why="Clients and servers disagree on the partition of a key: they take the remainder by different numbers.",
        file="client",
        edits=(
            (
                "position(ask.request.key, config.placement, config.partitions))\n",
                "position(ask.request.key, config.placement, config.partitions - 1))\n",
            ),
        ),
        caught_by=("liveness",),
        seed=13,
    ),
    Mutant(
        name="left-before-taken",
        why="The source forgets the partition as soon as the last part has left; that may be lost, and with it all.",
        file="moves",
        edits=(
            (
                '        ctx.send(out.move.target, part)\n\n    @on_timer("part")',
                "        ctx.send(out.move.target, part)\n        if last:\n"
                "            self.taken(ctx, out.move.target, Taken(partition, out.move.epoch))\n"
                '\n    @on_timer("part")',
            ),
        ),
        caught_by=("liveness", "linearizable"),
        seed=2,
        params=BUSY,
    ),
    Mutant(
        name="directory-cached-for-ever",
        why="A client is told who has a partition now and goes on asking whom it asked before.",
        file="client",
        edits=(("        return self.table.learn(entry)\n", "        return False\n"),),
        caught_by=("liveness",),
        seed=66,
        params={"move_every_s": 0.05},
    ),
    Mutant(
        name="last-part-not-stored",
        why="The part that ends a move is taken for a mere end: what was written while the rest was copied is lost.",
        file="moves",
        edits=(
            (
                "            self._store(ctx, message)\n",
                "            if not message.last:\n                self._store(ctx, message)\n",
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        params=BUSY,
    ),
    Mutant(
        name="split-drops-the-boundary",
        why="The key at which a partition is split is in neither half: above the boundary, not from it on.",
        file="shapes",
        edits=(
            (
                "within(self._position(key), low, high)}\n",
                'low < self._position(key) < (high or "~")}\n',
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        params=SHAPED,
    ),
    Mutant(
        name="split-forgets-sessions",
        why="Commands that come again after a split, as their answer was lost, are carried out again.",
        file="shapes",
        edits=(
            (
                '            self._found(ctx, number, Holding(SERVES, 1, "", low, high), mine, sessions)\n',
                '            self._found(ctx, number, Holding(SERVES, 1, "", low, high), mine, {})\n',
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        params=SHAPED,
    ),
    Mutant(
        name="end-not-persisted",
        why="A server that crashes after a split serves the whole again beside its halves, which may be elsewhere.",
        file="core",
        edits=(
            (
                '        ctx.persist(f"holding:{partition}", holding)\n',
                '        if holding.state != "ended":\n            ctx.persist(f"holding:{partition}", holding)\n',
            ),
        ),
        caught_by=("one_owner", "linearizable"),
        params=SHAPED,
    ),
    Mutant(
        name="merge-loses-the-tail",
        why="Of the upper half the merged partition has all but what was written there last.",
        file="shapes",
        edits=(
            (
                "pairs | more_pairs, both)\n",
                "pairs | dict([*more_pairs.items()][:-1]), both)\n",
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        params=SHAPED,
    ),
    Mutant(
        name="merge-with-an-older-session",
        why="Of a session in both halves the lower one's counts: a command of the upper one is carried out again.",
        file="shapes",
        edits=(
            (
                "            if name not in both or both[name][1] < known[1]:\n",
                "            if name not in both:\n",
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        params=SHAPED,
    ),
)
