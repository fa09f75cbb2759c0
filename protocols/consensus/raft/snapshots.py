"""Log compaction: snapshots, and how those get one who lack what is gone (chapter 5)."""

from __future__ import annotations

from typing import Any, ClassVar

from ...node import Context, on, on_timer
from .core import AMNESIAC, LEADER, Core, Progress
from .messages import Appended, InstallSnapshot, Position, Snapshot, SnapshotStored


class Snapshots(Core):
    """How a log stays short."""

    messages: ClassVar[Any] = InstallSnapshot | SnapshotStored

    # --- taking one (section 5.1) ------------------------------------------------------------------------------------

    def _snapshot_soon(self, ctx: Context) -> None:
        """In a turn of its own, so that who waits for this one's answers does not wait for the snapshot."""
        ctx.set_timer("snapshot", 0)

    @on_timer("snapshot")
    def take_snapshot(self, ctx: Context, key: Any) -> None:
        """Save what is applied; forget the entries below it, but for the last few, which slow followers still need."""
        log, index = self.log, self.applied
        if index - log.changes[0][0] < self.config.snapshot_entries:
            return
        ctx.mark("snapshot", index=index)
        snapshot = Snapshot(index, log.term(index), log.members_at(index), self.machine.snapshot())
        self._keep(ctx, snapshot, max(log.base, index - self.config.snapshot_trailing))

    def _keep(self, ctx: Context, snapshot: Snapshot, compact_to: int) -> None:
        """Both or neither: a turn is atomic. A snapshot without its cut would do no harm, a cut without it would."""
        self.snapshot = snapshot
        self.log.compact(compact_to, snapshot.index)
        ctx.persist("snapshot", snapshot)
        ctx.persist("base", Position(self.log.base, self.log.base_term))
        ctx.compact_prefix("log", compact_to)

    # --- sending it (section 5.3) ------------------------------------------------------------------------------------

    def _send_snapshot(self, ctx: Context, peer: str, progress: Progress) -> None:
        """One piece at a time. What was sent and not answered is not repeated, but asked after: it may be large."""
        if progress.sending is None:
            assert self.snapshot is not None, "what is gone from the log is in the snapshot"
            ctx.mark("send_snapshot", to=peer, index=self.snapshot.index)
            progress.sending, progress.offset, progress.waiting = self.snapshot, 0, False
            progress.probing = True
        snapshot, start = progress.sending, progress.offset
        # A follower that lost all pieces (it crashed) says so when asked; one that has them all answers by Appended.
        piece = b"" if progress.waiting else snapshot.state[start : start + self.config.snapshot_chunk]
        self._send_piece(ctx, peer, snapshot, start, piece)
        progress.waiting = True

    def _send_piece(self, ctx: Context, peer: str, snapshot: Snapshot, start: int, piece: bytes) -> None:
        done = bool(piece) and start + len(piece) == len(snapshot.state)
        message = InstallSnapshot(
            self.term, snapshot.index, snapshot.term, snapshot.members, start, piece, done, self.round
        )
        ctx.send(peer, message, early=True)

    @on(SnapshotStored)
    def snapshot_stored(self, ctx: Context, source: str, message: SnapshotStored) -> None:
        """Go on where the follower is."""
        if self.role == AMNESIAC:
            return
        self._observe(ctx, message.term)
        if self.role != LEADER or message.term != self.term:
            return
        progress = self._alive(ctx, source, message.round)
        if progress is None or progress.sending is None or progress.sending.index != message.index:
            return
        progress.offset, progress.waiting = message.offset, False
        self._send_snapshot(ctx, source, progress)

    # --- receiving it ------------------------------------------------------------------------------------------------

    @on(InstallSnapshot)
    def install_snapshot(self, ctx: Context, source: str, message: InstallSnapshot) -> None:
        """Collect the pieces, in order; with the last one, take the state over (figure 5.3)."""
        if self.role == AMNESIAC:
            return
        if message.term < self.term:
            ctx.send(source, Appended(self.term, False, message.index, 0, 0, message.round))
            return
        self._heard(ctx, source, message.term)
        if message.index <= self.commit:  # we have all that by now
            ctx.send(source, Appended(self.term, True, message.index, message.index, 0, message.round))
            return
        last = self.incoming
        if last is None or (last.index, last.last_term) != (message.index, message.last_term):
            self.pieces = []
        self.incoming = message
        have = sum(map(len, self.pieces))
        if message.data and message.offset == have:
            self.pieces.append(message.data)
            have += len(message.data)
            if message.done:
                self._install(ctx, message, b"".join(self.pieces))
                ctx.send(source, Appended(self.term, True, message.index, message.index, 0, message.round))
                return
        ctx.send(source, SnapshotStored(self.term, message.index, have, message.round))

    def _install(self, ctx: Context, message: InstallSnapshot, state: bytes) -> None:
        """Keep the entries that follow it, if ours agree with it at its end: they may be acknowledged (figure 5.3)."""
        ctx.mark("installed", index=message.index)
        self.pieces, self.incoming = [], None
        log, snapshot = self.log, Snapshot(message.index, message.last_term, message.members, state)
        if message.index <= log.last and log.term(message.index) == message.last_term:
            self._keep(ctx, snapshot, message.index)
        else:
            self.snapshot = snapshot
            log.restart(message.index, message.last_term, message.members, ctx.turn)
            ctx.install_snapshot("snapshot", snapshot, "log", message.index)
            ctx.persist("base", Position(message.index, message.last_term))
        self.machine.restore(state)
        self.commit = self.applied = message.index
        self._serve_parked(ctx)
