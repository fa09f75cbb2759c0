"""Classic mistakes in keeping an index, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

LOCAL, SYNC, ASYNC = ({"index": kind} for kind in ("local", "sync", "async"))

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="old-local-entry-stays",
        why="An update of a record adds its new entry and leaves the old one: queries return what no longer matches.",
        file="server",
        edits=(("                    self._entry(ctx, old, key, present=False)\n", "                    pass\n"),),
        caught_by=("nothing_left_over", "convergence"),
        params=LOCAL,
    ),
    Mutant(
        name="old-global-entry-stays",
        why="The same of a global index: nobody tells the old attribute's partition that the record has left it.",
        file="server",
        edits=(
            (
                "                    self._tell(ctx, Update(old, key, False, ctx.wall()))\n",
                "                    pass\n",
            ),
        ),
        caught_by=("nothing_left_over", "convergence"),
        params=SYNC,
    ),
    Mutant(
        name="queue-in-memory",
        why="Updates that wait are not on disk: a crash loses them, and the index never hears of these records.",
        file="server",
        edits=(('        ctx.append("outbox:" + target, (update,))\n', ""),),
        caught_by=("nothing_missing", "nothing_left_over", "convergence", "liveness"),
        params=ASYNC,
    ),
    Mutant(
        name="forgotten-when-sent",
        why="An update is forgotten as soon as it is sent, not when it is acknowledged: the network loses it.",
        file="server",
        edits=(
            (
                "            ctx.send(target, Updates(box.first, part))\n",
                "            ctx.send(target, Updates(box.first, part))\n"
                "            del box.updates[: len(part)]\n"
                "            box.first += len(part)\n",
            ),
        ),
        caught_by=("nothing_missing", "nothing_left_over", "convergence", "liveness"),
        params=ASYNC,
    ),
    Mutant(
        name="late-update-applied",
        why="A repeated message is applied again, over newer updates: no check of its number.",
        file="server",
        edits=(
            (
                "            if number != applied + 1:\n                continue\n",
                "            if number > applied + 1:\n                continue\n",
            ),
            ("            applied = number\n", "            applied = max(applied, number)\n"),
        ),
        caught_by=("nothing_missing", "nothing_left_over", "convergence"),
        seed=12,
        params={**ASYNC, "attributes": 2},
    ),
    Mutant(
        name="newest-first",
        why="Updates of one message are applied in the opposite order: of two for one entry the older one wins.",
        file="server",
        edits=(
            (
                "            self._entry(ctx, update.attribute, update.key, present=update.present)\n",
                "            update = message.updates[message.first - 1 - number]\n"
                "            self._entry(ctx, update.attribute, update.key, present=update.present)\n",
            ),
        ),
        caught_by=("nothing_missing", "nothing_left_over", "convergence"),
        params={**ASYNC, "attributes": 2, "flush_s": 0.05},
    ),
    Mutant(
        name="applied-not-persisted",
        why="What was applied is on disk, how far is not: after a restart the sender's next update is never the next.",
        file="server",
        edits=(('        ctx.persist("applied:" + source, applied)\n', ""),),
        caught_by=("nothing_missing", "nothing_left_over", "convergence", "liveness"),
    ),
    Mutant(
        name="record-before-entry",
        why="The record changes, and is acknowledged, before its entry is in the index: the next look-up misses it.",
        file="server",
        edits=(
            (
                '        ctx.persist("change:" + request.key, self.changes[request.key])\n',
                "        self._commit(ctx, self.changes.pop(request.key).ask)\n",
            ),
        ),
        caught_by=("nothing_missing",),
        params=SYNC,
    ),
    Mutant(
        name="intent-in-memory",
        why="That a record is about to change is not on disk: a crash leaves an entry that no record ever matches.",
        file="server",
        edits=(('        ctx.persist("change:" + request.key, self.changes[request.key])\n', ""),),
        caught_by=("nothing_left_over", "convergence"),
        params=SYNC,
    ),
    Mutant(
        name="changes-overlap",
        why="A second change of a record begins while the entry of the first is on its way, and forgets the first.",
        file="server",
        edits=(("        if under_way is None:\n", "        if under_way is None or under_way.ask != message:\n"),),
        caught_by=("nothing_missing", "nothing_left_over", "linearizable", "convergence", "liveness"),
        params=SYNC,
    ),
    Mutant(
        name="late-answer-stops-the-timer",
        why="An answer to an earlier, shorter message is taken for the last one: the rest, if lost, never comes again.",
        file="server",
        edits=(
            (
                "        if box.sent >= box.first:\n            return  # an answer",
                "        if box.sent >= box.first:\n"
                '            ctx.cancel_timer("push", source)\n'
                "            return  # an answer",
            ),
        ),
        caught_by=("convergence", "liveness"),
        seed=29,
        params={**ASYNC, "attributes": 2, "retry_s": 0.05},
    ),
    Mutant(
        name="scatter-forgets-a-server",
        why="A query of a local index is sent to all servers but one: what only that one has is never found.",
        file="client",
        edits=(("        everybody = self.placing.servers\n", "        everybody = self.placing.servers[:-1]\n"),),
        caught_by=("linearizable", "liveness"),
        params=LOCAL,
    ),
    Mutant(
        name="first-answer-is-all",
        why="A query of a local index ends with the first answer: the other partitions' records are not in it.",
        file="client",
        edits=(("        del state.waiting[source]\n", "        state.waiting = {}\n"),),
        caught_by=("linearizable", "liveness"),
        params=LOCAL,
    ),
    Mutant(
        name="no-sessions",
        why="A write that is asked again, as its answer was lost, is carried out again, over a later one.",
        file="server",
        edits=(
            (
                "        if known is not None and message.sequence <= known.sequence:\n",
                "        if known is not None and message.sequence < known.sequence:\n",
            ),
        ),
        caught_by=("linearizable",),
    ),
)
