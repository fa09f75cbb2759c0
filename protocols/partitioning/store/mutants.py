"""Classic mistakes in moving partitions, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

BUSY = {"move_every_s": 0.03, "catch_up": 0, "chunk": 2}
"""Partitions move all the time, in small parts."""

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="no-fence",
        why="The source goes on serving until it hears that the target has taken over: two owners, and lost writes.",
        file="server",
        edits=(
            (
                "            self._hold(ctx, partition, Holding(FENCED, out.move.epoch - 1, out.move.target))\n",
                "            pass\n",
            ),
        ),
        caught_by=("one_owner", "linearizable"),
        params=BUSY,
    ),
    Mutant(
        name="fence-not-persisted",
        why="A source that crashes after the hand-over forgets the fence, and serves again what is somebody else's.",
        file="server",
        edits=(
            (
                '        ctx.persist(f"holding:{partition}", holding)\n',
                '        if holding.state != FENCED:\n            ctx.persist(f"holding:{partition}", holding)\n',
            ),
        ),
        caught_by=("one_owner", "linearizable"),
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
        file="server",
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
        file="server",
        edits=(
            (
                "        if holding is not None and holding.epoch >= message.epoch:\n            # It was taken before",
                "        if holding is not None and holding.epoch > message.epoch:\n            # It was taken before",
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        params=BUSY,
    ),
    Mutant(
        name="attempts-not-told-apart",
        why="After the target's restart the rest of an attempt is taken for the whole: what came before is missing.",
        file="server",
        edits=(
            (
                "            ctx.send(source, Lost(partition, message.attempt))\n            return\n",
                "            known = self.incoming[partition] = Incoming(message.epoch, message.attempt)\n"
                "            known.number = message.number - 1\n",
            ),
        ),
        caught_by=("nothing_lost", "linearizable"),
        seed=121,
        params={**BUSY, "partitions": 5, "chunk": 1, "pause_s": 0.02},
    ),
    Mutant(
        name="no-sessions",
        why="A write that is asked again, as its answer was lost, is carried out again, over a later one.",
        file="server",
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
        file="server",
        edits=(
            (
                "        if holding is not None and holding.state == SERVES and holding.epoch >= message.epoch:\n",
                "        if holding is not None and self.table[partition].server in (ctx.id, holding.other):\n",
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
                "            known = self.table[partition_of(ask.request.key, self.config.partitions)]\n",
                "            known = self.table[partition_of(ask.request.key, self.config.partitions - 1)]\n",
            ),
        ),
        caught_by=("liveness",),
        seed=3,
    ),
    Mutant(
        name="left-before-taken",
        why="The source forgets the partition as soon as the last part has left; that may be lost, and with it all.",
        file="server",
        edits=(
            (
                '        ctx.send(out.move.target, part)\n\n    @on_timer("part")',
                "        ctx.send(out.move.target, part)\n        if last:\n"
                "            self.taken(ctx, out.move.target, Taken(partition, out.move.epoch))\n"
                '\n    @on_timer("part")',
            ),
        ),
        caught_by=("liveness", "linearizable"),
        seed=26,
        params=BUSY,
    ),
    Mutant(
        name="directory-cached-for-ever",
        why="A client is told who has a partition now and goes on asking whom it asked before.",
        file="client",
        edits=(("        self.table[partition] = owner\n        return True\n", "        return False\n"),),
        caught_by=("liveness",),
        seed=19,
        params={"move_every_s": 0.05},
    ),
)
