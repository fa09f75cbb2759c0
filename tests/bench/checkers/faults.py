"""Deliberate faults in the checkers, each an edit of a few lines of source, put in while a test runs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any

from .random_objects import Case


@dataclass(frozen=True)
class Fault:
    """``old`` becomes ``new`` in a module of ``bench.checkers``; ``seen_by`` names the fuzz that has to find it."""

    module: str
    old: str
    new: str
    seen_by: str = "columnar"


FAULTS: dict[str, Fault] = {
    "chains: only neighbours compared": Fault("zones", "np.maximum.accumulate(lifted)", "lifted"),
    "chains: ties are violations": Fault("zones", "first_end[order[1:]] < highest", "first_end[order[1:]] <= highest"),
    "chains: not merged into blocks": Fault("zones", "np.maximum.at(last_start, head, last_start[swaps])", "pass"),
    "chains: two swaps of one value allowed": Fault("zones", "[before] > 1", "[before] > 2"),
    "chains: circles allowed": Fault("zones", "depth[ahead[swaps]] > 0", "depth[ahead[swaps]] < 0"),
    "groups: reads before their write allowed": Fault("zones", "suspect[key_of[first_end < start]] = True", "pass"),
    "zones: backward ones ignored": Fault("zones", "suspect[key_of[backward[inside]]] = True", "pass"),
    "zones: forward ones may overlap": Fault("zones", "begins[1:] < stops[:-1]", "begins[1:] < begins[:-1]"),
    "zones: forward ones may not touch": Fault("zones", "begins[1:] < stops[:-1]", "begins[1:] <= stops[:-1]"),
    "zones: sources of unanswered swaps dropped": Fault("zones", "wanted[names.needed[chance[taken]]] = True", "pass"),
    "zones: failed swaps of unknown witness trusted": Fault("zones", "self.doubt(np.flatnonzero(ok & swaps", "str((ok"),
    "flaws: stale readers in a chain": Fault("unique", "if reader.end < latest.start:", "if False:"),
    "search: starts at an end are not concurrent": Fault("search", "].start <= answer.end", "].start < answer.end"),
    "search: writes hidden that are needed": Fault(
        "search", "(mover.gives, -1) < index", "(mover.gives, -1) <= index + 1"
    ),
    "search: swaps from all values alike": Fault("search", "kind = (need, gives)", "kind = (None, gives)"),
    "steps: dropped although a failed swap shows it": Fault(
        "steps", "if any(step.avoid is not None for step in steps):\n        return list(steps)", "pass"
    ),
    "jit: starts at an end are not concurrent": Fault("jit", "].start <= last.end", "].start < last.end", "stack"),
    "jit: an optional one stands for an answered one": Fault(
        "jit", "(tried if call.optional else tried_answered)", "tried", "stack"
    ),
    "jit: more used is better": Fault("jit", "not other & ~used", "not used & ~other", "multi-register"),
    "jit: what changes nothing is refused": Fault(
        "jit", "(call.optional and reached == state)", "reached == state", "set"
    ),
    "queue: touching values cover": Fault("queues", "begins[1:] >= ends[:-1]", "begins[1:] > ends[:-1]", "queue"),
    "queue: never dequeued means at once": Fault(
        "pairs",
        "if row >= 0 else NEVER for row in out]),\n        left",
        "if row >= 0 else 0 for row in out]),\n        left",
        "queue",
    ),
    "queue: enqueues at one instant are in order": Fault(
        "queues", 'values.enter, side="left"', 'values.enter, side="right"', "queue"
    ),
    "queue: an empty dequeue constrains nothing": Fault(
        "queues", "_not_empty(operations, values, empty, describe) or", "", "queue"
    ),
    "queue: unanswered dequeues take any number": Fault("queues", "<= np.arange(len(due))", "< 1", "lines of a queue"),
    "queue: an empty dequeue waits for no left-over value": Fault(
        "queues", 'free &= np.searchsorted(entered, instants, side="left") <=', "free &= 0 <=", "lines of a queue"
    ),
    "stack: touching values overlap": Fault(
        "stacks", "begins[1:] >= np.max", "begins[1:] > np.max", "lines of a stack"
    ),
    "stack: a bottom may be pushed late": Fault(
        "stacks", "(values.enter[alive] <= values.entered[alive][heads][part]) &", "", "lines of a stack"
    ),
    "stack: a bottom may be popped early": Fault(
        "stacks", "stays = left < latest", "stays = left < 0", "lines of a stack"
    ),
    "stack: a pop that finds nothing is always right": Fault(
        "stacks", "if found is None:\n        stuck", "if True:\n        stuck", "lines of a stack"
    ),
    "stack: unanswered pops take any number": Fault(
        "stacks", "> np.arange(len(due))).all()", "> np.arange(len(due)) * 0).all()", "lines of a stack"
    ),
    "locks: held until the release is answered": Fault(
        "locks", "operations[release].invoked if", "operations[release].completed if", "mutex"
    ),
    "locks: holds may not touch": Fault("locks", "two[0] < one[1]", "two[0] <= one[1]", "mutex"),
    "locks: held from the call of acquire": Fault(
        "locks", "begin = operations[held].completed", "begin = operations[held].invoked", "mutex"
    ),
    "sets: incomparable reads allowed": Fault("sets", "if not smaller <= greater:", "if False:", "add-only set"),
    "sets: ties are violations": Fault("sets", "each.end < latest.start", "each.end <= latest.start", "add-only set"),
    "sets: places of equal sets in order": Fault("sets", "if each.place != place:", "if True:", "add-only set"),
    "sets: elements alone suffice": Fault("objects", "and not sets.has_whole_reads(self.operations, rows)", "", "set"),
    "cells: a failed swap says nothing": Fault(
        "cells", "(None, expected) if told is MISSING", "(None, None) if told is MISSING", "register"
    ),
    "cells: a failed swap that met its value is fine": Fault(
        "cells", "return told is not MISSING and", "return False and", "register"
    ),
}


@contextmanager
def broken(fault: Fault) -> Iterator[dict[str, Any]]:
    """The checkers with that fault; yields what was replaced: name -> (what was, what is)."""
    module = import_module(f"bench.checkers.{fault.module}")
    source = inspect.getsource(module)
    assert source.count(fault.old) == 1, f"{fault.old!r} is {source.count(fault.old)} times in {fault.module}"
    wrong: dict[str, Any] = {key: vars(module)[key] for key in ("__name__", "__package__", "__file__", "__spec__")}
    exec(compile(source.replace(fault.old, fault.new), module.__file__ or "", "exec"), wrong)
    swapped = {
        name: (value, wrong[name])
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and name in wrong
    }
    users = [each for name, each in sys.modules.items() if name.startswith(("bench.checkers", "tests.bench.checkers"))]
    undo = []
    for user in users:
        for name, (was, now) in swapped.items():
            if vars(user).get(name) is was:
                undo.append((user, name, was))
                setattr(user, name, now)
    try:
        yield swapped
    finally:
        for user, name, was in undo:
            setattr(user, name, was)


def with_fault(case: Case, swapped: dict[str, Any]) -> Case:
    """The case with a model whose functions are the broken ones."""
    changes = {
        field.name: now
        for field in fields(case.model)
        for was, now in swapped.values()
        if getattr(case.model, field.name) is was
    }
    return replace(case, model=replace(case.model, **changes))
