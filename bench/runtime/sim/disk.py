"""A node's disk in the simulator: what is synced, what is only written, and what a crash leaves of the latter.

The write-ahead log is a sequence of framed, checksummed records, one a turn. A crash may keep any subset of the
unsynced records (the kernel writes pages in any order) and tear any of them in half. Recovery reads up to the first
record that is missing or fails its checksum and cuts the rest off; so what survives is the synced part and some prefix
of the unsynced records, and ``torn`` counts what was cut off although bytes of it had reached the disk.
"""

from __future__ import annotations

from random import Random

from ..image import PUT, Image, Write


class SimDisk:
    """Durable state of one node over all its lives."""

    __slots__ = ("corrupt", "ever_written", "fsyncs", "full", "kept", "lost", "synced", "unsynced")

    def __init__(self) -> None:
        self.synced = Image()
        self.unsynced: list[tuple[int, list[Write]]] = []
        self.ever_written = False
        self.lost = False
        self.corrupt = 0
        self.fsyncs = 0
        self.full = 0  # how many faults fill it
        self.kept = 0  # unsynced records that survived the last crash

    def write(self, turn: int, writes: list[Write]) -> None:
        """A turn's record: written, not yet synced."""
        self.ever_written = True
        self.unsynced.append((turn, writes))

    def holds_key(self, turn: int) -> bool:
        """Whether the records up to ``turn`` that wait for a sync store a key."""
        return any(write[0] == PUT for number, writes in self.unsynced if number <= turn for write in writes)

    def sync(self, turn: int) -> None:
        """A sync that began after ``turn`` has ended: records up to it are safe."""
        self.fsyncs += 1
        unsynced = self.unsynced
        if unsynced and unsynced[-1][0] <= turn:  # as a rule nothing was written since the sync began
            self.unsynced = []
            self._holds_again()
            for _, writes in unsynced:
                self.synced.apply(writes)
            return
        done = 0
        for number, writes in unsynced:
            if number > turn:
                break
            self.synced.apply(writes)
            done += 1
        if done:
            self._holds_again()
        del unsynced[:done]

    def crash(self, rng: Random) -> int:
        """The process dies: each unsynced record is whole, torn or missing. Returns the number cut off."""
        torn = self.kept = 0
        survived = True
        for _, writes in self.unsynced:
            fate = rng.random()
            if survived and fate < 0.4:
                self._holds_again()
                self.synced.apply(writes)
                self.kept += 1
            else:
                survived = False
                torn += fate < 0.7  # some bytes of it are there, after a hole or without a valid checksum
        self.unsynced = []
        return torn

    def _holds_again(self) -> None:
        """From the first record on after a loss, a boot finds a disk that is in order, and no trace of the loss.

        Whoever must not forget it has to write it down, as on a real disk.
        """
        self.lost, self.corrupt = False, 0

    def lose(self, *, corrupt: bool = False) -> None:
        """The disk is replaced by an empty one; or, with ``corrupt``, its first record is damaged, and all is cut."""
        self.synced = Image()
        self.unsynced = []
        if corrupt:
            self.corrupt = int(self.ever_written)
        else:
            self.lost = self.ever_written
