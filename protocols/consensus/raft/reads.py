"""Linearizable reads that write nothing: ReadIndex, leases, reads at followers (section 6.4)."""

from __future__ import annotations

from typing import Any, ClassVar

from ...node import Context, on
from .core import AMNESIAC, FOLLOWER, LEADER, Core
from .messages import ClientRequest, Done, ReadAt, ReadIndex, Refused
from .quorum import agreed, lease


class Reads(Core):
    """How reads are answered without going through the log."""

    messages: ClassVar[Any] = ReadIndex | ReadAt

    # --- asking ------------------------------------------------------------------------------------------------------

    def _read(self, ctx: Context, source: str, message: ClientRequest) -> None:
        """Leaders answer by their lease, or queue; followers ask the leader, where they may; others name it."""
        if self.role == LEADER:
            if self._leased(ctx):
                self._answer(ctx, source, message)
            else:
                self.reads.append((self.round + 1, self.commit, source, message))
                ctx.at_batch_end()
        elif self.config.reads == "follower" and self.role == FOLLOWER and self.leader:
            # Under a number that nobody was told yet: reads that come after the question need another.
            self.asking.setdefault(self.batch, []).append((source, message))
            ctx.at_batch_end()
        else:
            ctx.send(source, Refused(message.operation, self.leader))

    def _answer(self, ctx: Context, source: str, message: ClientRequest) -> None:
        ctx.send(source, Done(message.operation, self.machine.data.get(message.request.key)))

    # --- confirming leadership (sections 6.4, 6.4.1) -----------------------------------------------------------------

    def _serve_reads(self, ctx: Context) -> None:
        """Answer reads whose leadership is confirmed.

        A read may be answered once (1) an entry of our term is committed, for until then we do not know the latest
        commit index; (2) a majority has answered a message sent after the read arrived, so nobody else had committed
        anything newer by then; (3) the state machine has applied what was committed at that time.
        """
        confirmed = agreed(self.rounds, self.log.members)
        if self.rounds_sent:
            self._extend_lease(confirmed)
        if not self.term_committed or not self.reads:
            return
        rest = []
        for read in self.reads:
            number, index, source, asked = read
            if number <= confirmed and index <= self.applied:
                if isinstance(asked, ReadIndex):
                    ctx.send(source, ReadAt(asked.number, self.commit))
                else:
                    self._answer(ctx, source, asked)
            else:
                rest.append(read)
        self.reads = rest

    def _extend_lease(self, confirmed: int) -> None:
        """A quorum heard from us after we sent that round: none of it votes for another until its timeout is over.

        Counted from when the round was sent, not from its answers: a voter may have heard it at once.
        """
        sent = self.rounds_sent
        done = 0
        while done < len(sent) and sent[done][0] <= confirmed:
            self.lease_end = sent[done][1] + lease(self.low, self.config.drift_bound_ppm / 1e6)
            done += 1
        del sent[:done]

    def _leased(self, ctx: Context) -> bool:
        """Whether a read may be answered by the lease; if so, it is."""
        held = self.leasable and self.term_committed and ctx.monotonic() < self.lease_end
        self.leased_reads += held
        return held

    # --- at followers (section 6.4, end) -----------------------------------------------------------------------------

    def _ask_leader(self, ctx: Context) -> None:
        """One question for all reads of a batch; they are answered at our own state, once that is recent enough."""
        if self.batch not in self.asking:
            return
        if self.role == FOLLOWER and self.leader:
            ctx.send(self.leader, ReadIndex(self.batch))
        else:
            for source, message in self.asking.pop(self.batch):
                ctx.send(source, Refused(message.operation, self.leader))
        self.batch += 1
        self.asking.pop(self.batch - KEPT, None)  # never answered: its clients have long asked elsewhere

    @on(ReadIndex)
    def read_index(self, ctx: Context, source: str, message: ReadIndex) -> None:
        """Like a read of our own, but that what we answer is an index. Else silence: the clients ask again."""
        if self.role == LEADER:
            self.reads.append((self.round + 1, self.commit, source, message))
            ctx.at_batch_end()

    @on(ReadAt)
    def read_at(self, ctx: Context, source: str, message: ReadAt) -> None:
        """Serve those reads now, or when we have applied that index."""
        if self.role == AMNESIAC:
            return
        for client, request in self.asking.pop(message.number, ()):
            self.parked.append((message.index, client, request))
        self._serve_parked(ctx)

    def _serve_parked(self, ctx: Context) -> None:
        rest = []
        for each in self.parked:
            index, client, request = each
            if index <= self.applied:
                self._answer(ctx, client, request)
            else:
                rest.append(each)
        self.parked = rest


KEPT = 1000
"""Batches of reads that a follower keeps while it waits for the leader's word."""
