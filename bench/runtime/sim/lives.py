"""The machines of a simulated world and their lives: boots, crashes, pauses, and handlers that raise."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence

from protocols.family import Invariant
from protocols.node import Node

from ...network.spec import Network
from ..engine import DiskFull, Engine
from .machine import NEVER, WORK, Machine
from .wires import Wires


class Lives(Wires):
    """The part of a world that starts and stops machines.

    Attributes:
        servers, clients: in the order in which they were added.
        lives: of servers: (when, who, booted or died).
        handler_crashes: what handlers raised, a sentence each.
        on_crash: told of each machine that died.
    """

    def __init__(
        self, seed: int, network: Network, invariants: Sequence[Invariant], hashing: bool, tracing: bool, codec: bool
    ) -> None:
        super().__init__(seed, network, invariants, hashing, tracing, codec)
        self.servers: list[Machine] = []
        self.clients: list[Machine] = []
        self._servers: list[str] = []  # their names, sorted
        self._bootstrap: tuple[str, ...] | None = ()
        self.lives: list[tuple[int, str, bool]] = []
        self.handler_crashes: list[str] = []
        self.on_crash: Callable[[Machine], None] | None = None

    # --- setting up --------------------------------------------------------------------------------------------------

    def add(self, name: str, make: Callable[[], Node], *, server: bool) -> Machine:
        """A machine that will run ``make()`` afresh in each life."""
        machine = Machine(name, len(self.machines), server, make, f"{self.seed}/machine/{name}")
        self.machines[name] = machine
        (self.servers if server else self.clients).append(machine)
        if server:
            insort(self._servers, name)
            self._bootstrap = None
        return machine

    @property
    def bootstrap(self) -> tuple[str, ...]:
        """The servers' names, sorted; one tuple for all machines that boot."""
        if self._bootstrap is None:
            self._bootstrap = tuple(self._servers)
        return self._bootstrap

    # --- lives -------------------------------------------------------------------------------------------------------

    def boot(self, machine: Machine) -> None:
        """Start a life of the machine, with what its disk holds."""
        if machine.engine is not None or machine.down_for_good:
            return
        machine.incarnation += 1
        machine.busy_until = self.now
        machine.syncing = False
        machine.deadlines.clear()
        machine.armed.clear()
        machine.inbox.clear()
        engine = machine.engine = Engine(
            self,
            machine.name,
            machine.incarnation,
            machine.make(),
            self.bootstrap,
            f"{self.seed}/node/{machine.name}/{machine.incarnation}",
            machine.disk.synced.copy(),
            machine.disk.write,
        )
        if machine.is_server:
            self.lives.append((self.now, machine.name, True))
        engine.host = machine
        engine.disk_full = machine.disk.full > 0
        self.note("boot", machine.name, "", "boot", detail=f"life {machine.incarnation}")
        torn, machine.torn = machine.torn, 0
        for invariant in self.invariants if machine.is_server else ():
            invariant.restarted(machine.name)
        try:
            engine.boot(lost=machine.disk.lost, torn=torn, corrupt=machine.disk.corrupt)
        except Exception as error:
            self._failed(machine, error)
            return
        self.after_turn(machine, WORK, "boot", None)
        self._finish(machine, 1)

    def crash(self, machine: Machine) -> None:
        """The process dies; unsynced writes are lost, torn or reordered."""
        if machine.engine is None:
            return
        machine.engine = None
        machine.crashes += 1
        if machine.is_server:
            self.lives.append((self.now, machine.name, False))
        machine.inbox.clear()
        machine.deadlines.clear()
        machine.armed.clear()
        machine.syncing = machine.scheduled = False
        machine.stall = 0
        machine.paused = 0  # a stopped process dies as any other, and the next one runs
        machine.torn = machine.disk.crash(machine.rng.get())
        self.views.pop(machine.name, None)
        self.note("crash", machine.name, "", "crash")
        if self.on_crash is not None:
            self.on_crash(machine)

    def pause(self, machine: Machine) -> int:
        """SIGSTOP. Returns what :meth:`resume` needs to know which life was stopped."""
        if machine.engine is not None:
            machine.paused += 1
            machine.busy_until = NEVER
        return machine.incarnation if machine.engine is not None else -1

    def resume(self, machine: Machine, incarnation: int) -> None:
        """SIGCONT, if that life is still stopped: everything that waited is one batch."""
        if machine.incarnation != incarnation or machine.engine is None or not machine.paused:
            return
        machine.paused -= 1
        if machine.paused:
            return
        machine.busy_until = self.now
        if machine.engine is not None and machine.inbox:
            self._schedule(machine)
        if machine.engine is not None and machine.engine.unsynced and not machine.syncing:
            self._sync(machine, self.now)

    def _failed(self, machine: Machine, error: Exception) -> None:
        """A handler raised: the node crashes; unless its disk was full, that is the protocol's fault."""
        if not isinstance(error, DiskFull):
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else "?"
            text = f"{machine.name}: {type(error).__name__}: {error} (in {where})"
            self.handler_crashes.append(text)
            self.note("violation", machine.name, "", "handler crash", detail=text)
        self.crash(machine)

    # --- of the world, whose loop this is ----------------------------------------------------------------------------

    _schedule: Callable[[Machine], None]
    """Have what waits be handled as soon as the machine can."""
    _finish: Callable[[Machine, int], None]
    """End a batch of so many turns."""
    _sync: Callable[[Machine, int], None]
    """Begin a sync at that time."""
