"""Random histories of queues and stacks that the quick algorithms have to decide: values differ, many takes unanswered.

Other than :mod:`.random_objects` they repeat no value, have up to half of their operations unanswered, and ties galore.
"""

from __future__ import annotations

from random import Random

import msgspec

from bench.history.history import INFO, NEVER, OK
from bench.history.operations import MISSING, Operation

NAMES = {"queue": ("enqueue", "dequeue", 0), "stack": ("push", "pop", -1)}
"""Model -> what puts in, what takes out, and which end that is."""


def draw(model: str, rng: Random, largest: int = 7) -> list[Operation]:
    """What a queue or a stack told at instants within the operations; then a few lies."""
    into, out, end = NAMES[model]
    horizon = rng.choice((3, 6, 10, 16, 24))
    unanswered = rng.choice((0.0, 0.15, 0.4))
    drawn: list[tuple[float, Operation]] = []
    for number in range(rng.randint(3, largest)):
        start = rng.randrange(horizon)
        stop = start + rng.choice((0, 1, 2, 4, 8))
        effect = rng.uniform(start, stop)
        silent = rng.random() < unanswered
        if silent:
            effect = rng.choice((effect, effect + rng.randrange(10), float("inf")))
        puts = rng.random() < 0.5
        operation = Operation(
            process=number,
            function=into if puts else out,
            argument=number + 1 if puts else None,
            invoked=start,
            completed=NEVER if silent else stop,
            outcome=INFO if silent else OK,
        )
        drawn.append((effect, operation))
    held: list[int] = []
    history: list[Operation] = []
    for effect, operation in sorted(drawn, key=lambda each: each[0]):
        if effect < float("inf") and operation.function == into:
            held.append(operation.argument)
        elif effect < float("inf"):
            took = held.pop(end) if held else None
            if operation.outcome == OK:
                operation = msgspec.structs.replace(operation, result=took)
        history.append(operation)
    for _ in range(rng.choice((0, 1, 1, 2))):
        _falsify(rng, history, into, out)
    rng.shuffle(history)
    return history


def _falsify(rng: Random, history: list[Operation], into: str, out: str) -> None:
    place = rng.randrange(len(history))
    operation = history[place]
    if operation.outcome == INFO:
        return
    if operation.function == out and rng.random() < 0.4:
        values = [None, *(each.argument for each in history if each.function == into)]
        history[place] = msgspec.structs.replace(operation, result=rng.choice(values))
        return
    start = operation.invoked + rng.randint(-6, 6)
    history[place] = msgspec.structs.replace(operation, invoked=start, completed=start + rng.choice((0, 1, 3)))


def long(model: str, operations: int, *, clients: int, puts: float, unanswered: float, seed: int) -> list[Operation]:
    """A long correct history."""
    from tests.benchmarks import objects

    into, out, end = NAMES[model]

    def ask(rng: Random, number: int) -> tuple[str, int | None]:
        return (into, number + 1) if rng.random() < puts else (out, None)

    def do(held: list[int], function: str, argument: int) -> object:
        if function == into:
            held.append(argument)
            return MISSING
        return held.pop(end) if held else None

    return objects.history(ask, do, operations, clients, unanswered=unanswered, seed=seed)
