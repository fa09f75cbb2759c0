"""A load on a real system, with faults, recorded so that our checkers can judge it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray

from ..checkers.judging import Options, judge
from ..checkers.verdict import Verdict
from ..errors import HarnessError, UsageError
from ..faults.spec import Crash, Fault, Pause
from ..history.history import FAIL, INFO, NEVER, OK
from ..history.operations import MISSING, Operation
from ..workload.spec import Workload
from .interface import Client, Group, Refused, System, Unsure

SECOND = 1_000_000_000
FUNCTIONS = ("read", "write", "cas")


@dataclass
class Driven:
    """What came of a load.

    Attributes:
        history: every operation; times in ns since the load began.
        duration_s: how long it lasted.
        faults: (when in ns, what, whom).
        cpu_s: CPU time of each member that ran throughout.
        driver_cpu_s: CPU time of this process meanwhile.
    """

    history: list[Operation] = field(default_factory=list)
    duration_s: float = 0.0
    faults: list[tuple[int, str, str]] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)
    driver_cpu_s: float = 0.0

    def latencies_s(self) -> NDArray[np.float64]:
        """Of what was done, in seconds."""
        return np.array([(o.completed - o.invoked) / SECOND for o in self.history if o.outcome == OK])

    def throughput_ops_s(self) -> float:
        """Operations done a second."""
        return len(self.latencies_s()) / self.duration_s

    def back_s(self) -> float | None:
        """Seconds from the first fault to the end of the first write that began after it; None: there is none."""
        if not self.faults:
            return None
        at = self.faults[0][0]
        ends = [o.completed for o in self.history if o.outcome == OK and o.function != "read" and o.invoked >= at]
        return (min(ends) - at) / SECOND if ends else None

    def verdicts(self, system: System, budget_s: float = 20.0) -> list[Verdict]:
        """What the checks of what the system promises say of the history."""
        return judge(self.history, system.promises, budget_s, Options(initial=None))


class _Load:
    """The clients of one run."""

    def __init__(self, group: Group, workload: Workload, seed: int) -> None:
        self.group = group
        self.workload = workload
        self.rng = Random(seed)
        self.names = [name for name, _ in workload.mix]
        self.weights = [share for _, share in workload.mix]
        self.values = 0
        self.processes = 0
        self.start = 0
        self.until = 0
        self.out = Driven()

    async def one(self, number: int) -> None:
        """A client that asks for an operation after the other."""
        client = await self.group.client(number)
        process = self._process()
        known: dict[str, int] = {}
        while (now := time.monotonic_ns() - self.start) < self.until:
            key = f"k{self.rng.randrange(self.workload.keys)}"
            (function,) = self.rng.choices(self.names, self.weights)
            if function == "cas" and key not in known:
                function = "read"  # there is nothing it could expect
            self.values += 1
            operation = await self._do(client, process, function, key, self.values, known, now)
            self.out.history.append(operation)
            if operation.outcome == INFO:
                process = self._process()
            if operation.outcome != OK and operation.function != "cas":
                await asyncio.sleep(0.001)  # whoever refuses at once must not have the whole CPU
        await client.close()

    def _process(self) -> int:
        self.processes += 1
        return self.processes - 1

    async def _do(
        self, client: Client, process: int, function: str, key: str, value: int, known: dict[str, int], now: int
    ) -> Operation:
        argument: object = None
        result: object = MISSING
        outcome = OK
        try:
            if function == "read":
                result = await client.read(key)
                if isinstance(result, int):
                    known[key] = result
            elif function == "write":
                argument = value
                await client.write(key, value)
                known[key] = value
            else:
                argument = (known[key], value)
                if await client.cas(key, known[key], value):
                    known[key] = value
                else:
                    outcome = FAIL
                    del known[key]
        except Refused:
            outcome = FAIL
        except Unsure:
            outcome = INFO
            known.pop(key, None)
        ended = NEVER if outcome == INFO else time.monotonic_ns() - self.start
        return Operation(
            process=process,
            function=function,
            key=key,
            argument=argument,
            result=result,
            invoked=now,
            completed=ended,
            outcome=outcome,
        )

    async def fault(self, each: Crash | Pause) -> None:
        """One fault, at its time, and its end."""
        await asyncio.sleep(each.at / SECOND)
        target = await self._target(each.target)
        self.out.faults.append(
            (time.monotonic_ns() - self.start, "crash" if isinstance(each, Crash) else "pause", target)
        )
        if isinstance(each, Pause):
            self.group.pause(target)
            await asyncio.sleep(each.length / SECOND)
            self.group.resume(target)
            return
        self.group.kill(target)
        if each.down is not None:
            await asyncio.sleep(each.down / SECOND)
            await self.group.restart(target)

    async def _target(self, word: str) -> str:
        if word in self.group.members:
            return word
        leader = await self.group.leader()
        patience = 40
        while word == "leader" and leader is None and patience:  # between two leaders: whoever is next
            patience -= 1
            await asyncio.sleep(0.05)
            leader = await self.group.leader()
        if word == "leader":
            if leader is None:
                raise HarnessError(f"no member of {', '.join(self.group.members)} leads, so no leader can be hit")
            return leader
        others = [member for member in self.group.members if word == "random" or member != leader]
        return self.rng.choice(others)


async def drive(
    system: System,
    nodes: int,
    workload: Workload,
    duration_s: float,
    *,
    settings: Mapping[str, float] | None = None,
    faults: Sequence[Fault] = (),
    seed: int = 1,
) -> Driven:
    """Start a group, load it in a closed loop, hurt it, end it.

    Raises:
        UsageError: the workload or a fault is none that real systems are given: reads, writes and compare-and-set in a
            closed loop; crashes and pauses of a member, ``leader``, ``follower`` or ``random``.
        HarnessError: the system did not start.
    """
    checked = [check_fault(each, nodes) for each in faults]
    if workload.rate:
        raise UsageError("a real system is loaded in a closed loop: give clients, no rate")
    for name, _ in workload.mix:
        if name not in FUNCTIONS:
            raise UsageError(f"operation {name!r} cannot be asked of a real system: there are {', '.join(FUNCTIONS)}")
    group = await system.start(nodes, settings or {})
    try:
        load = _Load(group, workload, seed)
        before, own = group.cpu_s(), time.process_time()
        load.until = round(duration_s * SECOND)
        load.start = time.monotonic_ns()
        hurt = [asyncio.create_task(load.fault(each)) for each in checked]
        await asyncio.gather(*(load.one(number) for number in range(workload.clients)))
        load.out.duration_s = duration_s
        load.out.driver_cpu_s = time.process_time() - own
        after = group.cpu_s()
        load.out.cpu_s = {name: after[name] - before[name] for name in before if name in after}
        await asyncio.gather(*hurt)
        return load.out
    finally:
        await group.close()


def check_fault(fault: Fault, nodes: int) -> Crash | Pause:
    """The fault, if a real system can be given it.

    Raises:
        UsageError: it cannot.
    """
    words = ("leader", "follower", "random", *(f"n{i + 1}" for i in range(nodes)))
    if not isinstance(fault, Crash | Pause):
        raise UsageError(f"a real system can be given crashes and pauses, not {type(fault).__name__.lower()}")
    if fault.target not in words:
        raise UsageError(f"target {fault.target!r} of a fault is none of {', '.join(words)}")
    return fault
