"""What sequential objects do, as pure step functions.

A model is a function (state, operation) -> the state after it, or None if in that state the operation cannot have ended
as it was recorded. A result that is :data:`MISSING` suits every state. How operations are written down:

======================  ============================================================================================
register, cas-register  ``read`` (result), ``write`` (argument), ``cas`` (argument ``(expected, new)``). An ok ``cas``
                        without a result swapped; with one it saw that value, and swapped iff it is the expected one. A
                        failed ``cas`` saw another value than the expected one: its result, if it has one.
multi-register          ``read`` and ``write`` of a key; ``txn`` with argument and result ``((f, key, value), ...)``, f
                        being ``r``/``read`` or ``w``/``write``. A nil read says nothing.
kv                      ``get`` (result), ``put``, ``append`` (argument), ``delete``, ``cas`` as above. None and
                        the empty string are one: nothing there, as in the beginning and after a ``delete``.
set                     ``add``, ``remove`` (argument), ``contains`` (result: boolean), ``read`` (result: the members).
counter                 ``add`` (argument, 1 if None; blind), ``fetch-add`` (result: the value before), ``read``
                        (None says nothing).
queue                   ``enqueue`` (argument), ``dequeue`` (result; None if it found nothing). First in, first out.
stack                   ``push`` (argument), ``pop`` (result; None if it found nothing).
mutex                   ``acquire``, ``release``. The owner is the process, or the argument if there is one.
======================  ============================================================================================

Operations that failed did not happen and are left out, but for a ``cas``. Each key is an object of its own, but for
``multi-register``. See :mod:`.linearizability` for what linearizable means, and for ties.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import UsageError
from ..history.history import FAIL, INFO
from ..history.operations import MISSING, Operation
from .jit import StepFunction
from .lookahead import Seen, of_queue, of_stack, of_store


def _nothing(operation: Operation) -> bool:
    return False


def _everything(operation: Operation) -> Hashable:
    return (
        operation.function,
        operation.process,
        operation.key,
        operation.argument,
        operation.result,
        operation.outcome,
    )


@dataclass(frozen=True)
class Model:
    """A sequential object.

    Attributes:
        name: for people.
        initial: its state before all operations; hashable, like every state, and not None.
        step: (state, operation) -> state after it, or None; pure.
        functions: the operations it knows; empty: any.
        observes: whether an operation changes no state whatever, or nothing is lost if it is taken not to. Saying so
            of more operations makes the search quicker; saying it wrongly makes it wrong.
        failures: whether a *failed* operation tells something nonetheless; :attr:`step` then sees it, and it must
            change nothing.
        kind: operations of equal kinds have the same outcome in every state.
        keyed: each key is an object of its own.
        shortcut: the name of the algorithm that decides some histories of this model faster than the search.
        lookahead: makes, of all operations on one object, a function that maps states to fewer that serve as well, or
            to None if no linearization goes through them (:mod:`.lookahead`).
        start: the initial value, where the shortcut must know it.
        nil_read_is_unknown: for registers: a read of None says nothing.
        lease_ns: for locks: how long a hold lasts at most; None: until it is released.
    """

    name: str
    initial: Hashable
    step: StepFunction
    functions: frozenset[str] = frozenset()
    observes: Callable[[Operation], bool] = _nothing
    failures: Callable[[Operation], bool] = _nothing
    kind: Callable[[Operation], Hashable] = _everything
    keyed: bool = True
    shortcut: str = ""
    lookahead: Callable[[Sequence[Operation]], Seen] | None = None
    start: Any = None
    nil_read_is_unknown: bool = False
    lease_ns: int | None = None


# --- what each operation does ---------------------------------------------------------------------------------------


def _kind(operation: Operation) -> Hashable:
    """For models to which it is all one who did it, and when."""
    return operation.function, operation.argument, operation.result, operation.outcome == FAIL


def _failed_swap(operation: Operation) -> bool:
    return operation.function == "cas"


def _witnessed_failure(operation: Operation) -> bool:
    return operation.function == "cas" and operation.result is not MISSING


def _swap(value: Any, expected: Any, told: Any, outcome: int) -> tuple[bool, bool]:
    """A compare-and-set of an object holding ``value``: could it have ended as it did, and did it swap."""
    met = value == expected
    if outcome == INFO:
        return True, met
    if outcome == FAIL:
        return not met and (told is MISSING or told == value), False
    return (met if told is MISSING else told == value), met


def _register_step(state: tuple[Any], operation: Operation, nil_is_unknown: bool) -> tuple[Any] | None:
    (value,) = state
    if operation.function == "write":
        return (operation.argument,)
    if operation.function == "read":
        told = operation.result
        return state if told is MISSING or told == value or (told is None and nil_is_unknown) else None
    expected, new = operation.argument
    possible, swapped = _swap(value, expected, operation.result, operation.outcome)
    if not possible:
        return None
    return (new,) if swapped else state


def _register_observes(operation: Operation) -> bool:
    """A read; or a compare-and-set of which is known that it swapped nothing, or the value for itself."""
    if operation.function == "read" or operation.outcome == FAIL:
        return True
    if operation.function != "cas":
        return False
    expected, new = operation.argument
    if expected == new:
        return True
    return operation.outcome != INFO and operation.result is not MISSING and operation.result != expected


def register(
    initial: Any = None,
    *,
    nil_read_is_unknown: bool = False,
    fail_is_unequal: bool = True,
    name: str = "register",
) -> Model:
    """A register.

    Args:
        initial: its value in the beginning.
        nil_read_is_unknown: a read of None says nothing, as in histories that lost the value.
        fail_is_unequal: a failed compare-and-set that does not tell what it saw saw another value than the expected
            one. To be turned off where it can fail for other reasons (a node that is not the leader), as Knossos does.
        name: of the model.
    """
    return Model(
        name=name,
        initial=(initial,),
        step=partial(_register_step, nil_is_unknown=nil_read_is_unknown),
        functions=frozenset({"read", "write"} | ({"cas"} if name != "register" else set())),
        observes=_register_observes,
        failures=_failed_swap if fail_is_unequal else _witnessed_failure,
        kind=_kind,
        shortcut="register",
        start=initial,
        nil_read_is_unknown=nil_read_is_unknown,
    )


def cas_register(initial: Any = None, *, nil_read_is_unknown: bool = False, fail_is_unequal: bool = True) -> Model:
    """A register with compare-and-set; see :func:`register`."""
    return register(
        initial, nil_read_is_unknown=nil_read_is_unknown, fail_is_unequal=fail_is_unequal, name="cas-register"
    )


_Registers = frozenset[tuple[Hashable, Any]]


def _multi_step(state: _Registers, operation: Operation, initial: Any) -> _Registers | None:
    if operation.function == "txn":
        told = operation.result if operation.outcome != INFO and operation.result is not MISSING else None
        steps = operation.argument
        results: Sequence[Any] = [None if told is None else each[2] for each in told or steps]
    else:
        steps = ((operation.function, operation.key, operation.argument),)
        results = [None if operation.result is MISSING or operation.outcome == INFO else operation.result]
    held = dict(state)
    changed = False
    for (function, key, argument), result in zip(steps, results, strict=True):
        if function.removeprefix(":") in ("w", "write"):
            held[key] = argument
            changed = True
        elif result is not None and held.get(key, initial) != result:
            return None
    return frozenset(held.items()) if changed else state


def _multi_observes(operation: Operation) -> bool:
    if operation.function != "txn":
        return operation.function == "read"
    return all(each[0].removeprefix(":") in ("r", "read") for each in operation.argument)


def multi_register(initial: Any = None, values: dict[Hashable, Any] | None = None) -> Model:
    """Several registers that one operation may read and write: ``values`` in the beginning, others ``initial``."""
    return Model(
        name="multi-register",
        initial=frozenset((values or {}).items()),
        step=partial(_multi_step, initial=initial),
        functions=frozenset({"read", "write", "txn"}),
        observes=_multi_observes,
        kind=lambda operation: (operation.key, _kind(operation)),
        keyed=False,
    )


def filled(value: Any) -> Any:
    """The value of a key in a store, to which None and the empty string are one: nothing there."""
    return "" if value is None else value


def _kv_step(state: tuple[Any], operation: Operation) -> tuple[Any] | None:
    (value,) = state
    match operation.function:
        case "get" | "read":
            return state if operation.result is MISSING or filled(operation.result) == value else None
        case "put" | "write":
            return (filled(operation.argument),)
        case "append":
            return (operation.argument if value == "" else value + operation.argument,)
        case "delete":
            return ("",)
        case _:
            expected, new = map(filled, operation.argument)
            told = operation.result if operation.result is MISSING else filled(operation.result)
            possible, swapped = _swap(value, expected, told, operation.outcome)
            if not possible:
                return None
            return (new,) if swapped else state


def _kv_observes(operation: Operation) -> bool:
    if operation.function in ("get", "read") or operation.outcome == FAIL:
        return True
    if operation.function != "cas":
        return False
    expected, new = map(filled, operation.argument)
    if expected == new:
        return True
    return operation.outcome != INFO and operation.result is not MISSING and filled(operation.result) != expected


def _kv_kind(operation: Operation) -> Hashable:
    if operation.function in ("append", "delete", "put", "write"):
        return operation.function, operation.argument
    return _kind(operation)


def kv(initial: Any = None, *, fail_is_unequal: bool = True) -> Model:
    """A key-value store; ``fail_is_unequal`` as in :func:`register`."""
    return Model(
        name="kv",
        initial=(filled(initial),),
        step=_kv_step,
        functions=frozenset({"get", "read", "put", "write", "append", "delete", "cas"}),
        observes=_kv_observes,
        failures=_failed_swap if fail_is_unequal else _witnessed_failure,
        kind=_kv_kind,
        lookahead=of_store,
        shortcut="kv",
        start=filled(initial),
    )


def _set_step(state: frozenset[Hashable], operation: Operation) -> frozenset[Hashable] | None:
    match operation.function:
        case "add":
            return state if operation.argument in state else state | {operation.argument}
        case "remove":
            return state - {operation.argument} if operation.argument in state else state
        case "contains":
            told = operation.result
            return state if told is MISSING or bool(told) == (operation.argument in state) else None
        case _:
            told = operation.result
            return state if told is MISSING or frozenset(told or ()) == state else None


def _blind_kind(*functions: str) -> Callable[[Operation], Hashable]:
    """Kinds for a model in which the result of these functions says nothing."""

    def kind(operation: Operation) -> Hashable:
        if operation.function in functions:
            return operation.function, operation.argument
        return _kind(operation)

    return kind


def set_(initial: Sequence[Hashable] = ()) -> Model:
    """A set."""
    return Model(
        name="set",
        initial=frozenset(initial),
        step=_set_step,
        functions=frozenset({"add", "remove", "contains", "read"}),
        observes=lambda operation: operation.function in ("contains", "read"),
        kind=_blind_kind("add", "remove"),
        shortcut="set",
    )


def _counter_step(state: int, operation: Operation) -> int | None:
    told = operation.result
    if operation.function == "read":
        return state if told is MISSING or told is None or told == state else None
    if operation.function == "fetch-add" and told is not MISSING and told != state:
        return None
    return state + (1 if operation.argument is None else int(operation.argument))


def counter(initial: int = 0) -> Model:
    """A counter."""
    return Model(
        name="counter",
        initial=initial,
        step=_counter_step,
        functions=frozenset({"add", "fetch-add", "read"}),
        observes=lambda operation: operation.function == "read",
        kind=_blind_kind("add"),
    )


def _queue_step(state: tuple[Any, ...], operation: Operation) -> tuple[Any, ...] | None:
    if operation.function == "enqueue":
        return (*state, operation.argument)
    told = operation.result
    if not state:
        return state if told is MISSING or told is None else None
    return state[1:] if told is MISSING or told == state[0] else None


def _stack_step(state: tuple[Any, ...], operation: Operation) -> tuple[Any, ...] | None:
    if operation.function == "push":
        return (*state, operation.argument)
    told = operation.result
    if not state:
        return state if told is MISSING or told is None else None
    return state[:-1] if told is MISSING or told == state[-1] else None


def queue() -> Model:
    """A FIFO queue. None cannot be in it: that is what an empty one gives."""
    return Model(
        name="queue",
        initial=(),
        step=_queue_step,
        functions=frozenset({"enqueue", "dequeue"}),
        kind=_blind_kind("enqueue"),
        lookahead=of_queue,
        shortcut="queue",
    )


def stack() -> Model:
    """A stack. None cannot be in it: that is what an empty one gives."""
    return Model(
        name="stack",
        initial=(),
        step=_stack_step,
        functions=frozenset({"push", "pop"}),
        kind=_blind_kind("push"),
        lookahead=of_stack,
        shortcut="stack",
    )


def owner(operation: Operation) -> Hashable:
    """Who acquires or releases."""
    return operation.process if operation.argument is None else operation.argument


def _mutex_step(state: tuple[Hashable, ...], operation: Operation) -> tuple[Hashable, ...] | None:
    if operation.function == "acquire":
        return None if state else (owner(operation),)
    return () if state == (owner(operation),) else None


def mutex(lease_s: float | None = None) -> Model:
    """A lock that one owner holds, and only the owner can release, or that expires ``lease_s`` after it was granted."""
    return Model(
        name="mutex",
        initial=(),
        step=_mutex_step,
        functions=frozenset({"acquire", "release"}),
        kind=lambda operation: (operation.function, owner(operation)),
        shortcut="mutex",
        lease_ns=None if lease_s is None else round(lease_s * 1e9),
    )


def refuse_unknown(operations: Sequence[Operation], model: Model) -> None:
    """Refuse operations that the model does not know.

    Raises:
        UsageError: naming the operation and what is allowed.
    """
    if not model.functions:
        return
    for index, operation in enumerate(operations):
        if operation.function not in model.functions:
            where = f"line {operation.line}" if operation.line else f"operation {index}"
            raise UsageError(
                f"{where}: the model {model.name} has no function {operation.function!r}"
                f" (allowed: {', '.join(sorted(model.functions))})"
            )
