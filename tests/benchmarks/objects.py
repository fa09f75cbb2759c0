"""Long correct histories of objects other than registers, for measuring."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any

from bench.history.history import INFO, NEVER, OK
from bench.history.operations import MISSING, Operation

Ask = Callable[[Random, int], tuple[str, Any]]
Do = Callable[[list[Any], str, Any], Any]


def history(
    ask: Ask, do: Do, operations: int, clients: int = 10, *, unanswered: float = 0.0, seed: int = 0
) -> list[Operation]:
    """What closed-loop clients of one object would see.

    Args:
        ask: (generator, number of the operation) -> function and argument.
        do: (what the object holds, function, argument) -> result; at one instant within the operation.
        operations: how many.
        clients: how many.
        unanswered: share of operations that took effect and were not answered.
        seed: of it all.
    """
    rng = Random(seed)
    free = [(rng.randrange(1000), client) for client in range(clients)]
    heapify(free)
    effects = []
    for number in range(operations):
        start, client = heappop(free)
        effect = start + rng.randrange(1, 1_000_000)
        end = effect + rng.randrange(1, 1_000_000)
        effects.append((effect, number, client, *ask(rng, number), start, end))
        heappush(free, (end + rng.randrange(1, 1000), client))
    held: list[Any] = []
    done = []
    for _, number, client, function, argument, start, end in sorted(effects):
        result = do(held, function, argument)
        silent = rng.random() < unanswered
        done.append(
            Operation(
                process=operations + number if silent else client,
                function=function,
                argument=argument,
                result=MISSING if silent else result,
                invoked=start,
                completed=NEVER if silent else end,
                outcome=INFO if silent else OK,
            )
        )
    return sorted(done, key=lambda each: each.invoked)


def ask_queue(rng: Random, number: int) -> tuple[str, Any]:
    return ("enqueue", number + 1) if rng.random() < 0.52 else ("dequeue", None)


def do_queue(held: list[Any], function: str, argument: Any) -> Any:
    if function == "enqueue":
        held.append(argument)
        return MISSING
    return held.pop(0) if held else None


def ask_stack(rng: Random, number: int) -> tuple[str, Any]:
    return ("push", number + 1) if rng.random() < 0.52 else ("pop", None)


def do_stack(held: list[Any], function: str, argument: Any) -> Any:
    if function == "push":
        held.append(argument)
        return MISSING
    return held.pop() if held else None


def ask_set(rng: Random, number: int) -> tuple[str, Any]:
    return ("read", None) if number % 1000 == 999 else ("add", number)


def do_set(held: list[Any], function: str, argument: Any) -> Any:
    if function == "add":
        held.append(argument)
        return MISSING
    return tuple(held)


def ask_counter(rng: Random, number: int) -> tuple[str, Any]:
    return ("add", 1) if rng.random() < 0.5 else ("read", None)


def do_counter(held: list[Any], function: str, argument: Any) -> Any:
    if function == "add":
        held.append(1)
        return MISSING
    return len(held)


def ask_store(rng: Random, number: int) -> tuple[str, Any]:
    draw = rng.random()
    return ("append", f"<{number}>") if draw < 0.2 else ("put", f"{number}") if draw < 0.4 else ("get", None)


def do_store(held: list[Any], function: str, argument: Any) -> Any:
    before = held[-1] if held else ""
    if function == "get":
        return before
    held[:] = [argument if function == "put" else before + argument]
    return MISSING
