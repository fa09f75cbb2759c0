"""One partition on its way out of a server: snapshot, catch-up, fence, hand-over.

While it is copied the source serves it, and notes what changes. When little is left, it *fences* the partition: from
then on it answers nothing for it, not even after a crash, as the fence is on disk before the last part leaves. The
target serves once the last part is on its disk. So at no time do two servers, and in no epoch does more than one.
"""

from __future__ import annotations

from .messages import Chunk, Holding, Move, Pair, Session


class Outgoing:
    """An attempt to move a partition. Memory only: after a crash of either end there is another attempt.

    Attributes:
        number: of the part that is under way.
        keys, sessions: still to be sent; changes meanwhile come back in.
        under_way: the part that is not yet acknowledged.
        sent, total: pairs that were sent, repeated ones too; and that there were at the beginning.
    """

    def __init__(self, move: Move, holding: Holding, attempt: int, keys: set[str], sessions: set[str]) -> None:
        self.move = move
        self.low, self.high = holding.low, holding.high
        self.attempt = attempt
        self.number = 0
        self.keys = keys
        self.sessions = sessions
        self.sent, self.total = 0, len(keys)
        self.under_way: Chunk | None = None

    def little_is_left(self, catch_up: int) -> bool:
        """Whether to fence: at most ``catch_up`` pairs are left, or there never will be so few.

        The busier a partition, the slower its server, and the more changes while a part is under way. Who has sent
        twice what there was does not get ahead of them, and sends what is left at once. (As live migration of machines
        ends its copying: Clark et al., NSDI 2005, section 3.2.)
        """
        return len(self.keys) <= catch_up or self.sent >= 2 * self.total

    def changed(self, session: str, key: str | None) -> None:
        """What has been sent of it is out of date; None: of a key that was never written, there is nothing to send."""
        self.sessions.add(session)
        if key is not None:
            self.keys.add(key)

    def cut(self, chunk: int, pairs: dict[str, bytes], sessions: dict[str, Session], *, last: bool) -> Chunk:
        """The next part: some of what is left, or all of it if it is the last."""
        keys = sorted(self.keys) if last else sorted(self.keys)[:chunk]
        names = sorted(self.sessions) if last else sorted(self.sessions)[:chunk]
        self.keys.difference_update(keys)
        self.sessions.difference_update(names)
        self.number += 1
        self.sent += len(keys)
        values: tuple[Pair, ...] = tuple((key, pairs[key]) for key in keys)
        self.under_way = Chunk(
            self.move.partition,
            self.move.epoch,
            self.low,
            self.high,
            self.attempt,
            self.number,
            values,
            tuple(sessions[name] for name in names),
            last,
        )
        return self.under_way


class Incoming:
    """What a target has stored of an attempt. Memory only, as the source's side; the data itself is on disk."""

    __slots__ = ("attempt", "epoch", "number")

    def __init__(self, epoch: int, attempt: int) -> None:
        self.epoch = epoch
        self.attempt = attempt
        self.number = 0
