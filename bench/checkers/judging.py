"""Any history against any model: brought into the shape that the checks of the model take, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import msgspec
import numpy as np

from ..errors import UsageError
from ..history.history import History
from ..history.operations import MISSING, Operation
from ..history.readers import Read
from ..history.readers.columns import columns_of, operations_of
from ..history.readers.events import refuse, shown
from ..history.readers.micro import are_micro_operations, transactions_of, transactions_of_registers
from ..history.transactions import APPEND, LIST, Transactions
from .registry import Model, checks_for, model_named
from .shapes import SESSIONS, refuse_misshapen
from .verdict import Verdict

_MANY = 1000
"""Operations on registers from which on it pays to turn them into columns first."""

DEFAULT: Any = msgspec.UNSET
"""Chosen by the format the history was read from."""


@dataclass(frozen=True)
class Options:
    """What a model is told beside its name; None or DEFAULT where the model, or the format, is to choose.

    Attributes:
        initial: value in the beginning. Default: 0 for Jepsen's JSON and EDN, as Knossos has it, else nil.
        nil_reads: whether a read of nil saw nil, or lost what it saw. Default: ``unknown`` for JSON and EDN, else
            ``value``.
        failed_cas: whether a failed compare-and-set that does not say what it saw surely saw another value than it
            expected. Default: ``unknown`` for JSON and EDN, in which a failure says that nothing happened but not why
            (the node may not have led), else ``unequal``.
        lease: seconds after which a lock expires.
        total: of all accounts.
        group_size: keys that are read together.
        level: of isolation.
        stale_s, stale_k: seconds, and versions, that a read may be stale; without them it is only measured.
        quiescence: seconds after the last write from which on reads count.
        closed: whether the history of transactions holds every write there was, so that a read of a value nobody wrote
            is a violation, not only an anomaly. Default: not for registers in JSON and EDN, which are often excerpts.
    """

    initial: Any = DEFAULT
    nil_reads: Literal["value", "unknown"] | None = None
    failed_cas: Literal["unequal", "unknown"] | None = None
    lease: float | None = None
    total: int | None = None
    group_size: int | None = None
    level: str | None = None
    stale_s: float | None = None
    stale_k: int | None = None
    quiescence: float | None = None
    closed: bool | None = None

    def of_format(self, format: str) -> Options:
        """With the defaults of a format of :data:`bench.history.readers.FORMATS`."""
        jepsen = format in ("jsonl", "edn")
        return replace(
            self,
            initial=(0 if jepsen else None) if self.initial is DEFAULT else self.initial,
            nil_reads=self.nil_reads or ("unknown" if jepsen else "value"),
            failed_cas=self.failed_cas or ("unknown" if jepsen else "unequal"),
            closed=self.closed if self.closed is not None else None if jepsen else True,
        )


def judge(
    history: Read,
    model: str,
    budget_s: float = 20.0,
    options: Options | None = None,
    *,
    format: str = "parquet",
    path: Path | str = "history",
) -> list[Verdict]:
    """What the checks of a model say.

    Args:
        history: columns, operations or transactions.
        model: one of :data:`.registry.MODELS`.
        budget_s: seconds for each check.
        options: what to tell the model.
        format: which the history was read from; it decides what is not said in the options.
        path: of the file, for messages.

    Returns:
        A verdict a check; their rows index :func:`shaped` ``(history, model)``.

    Raises:
        UsageError: there is no such model, or the history cannot be one of it.
    """
    chosen = model_named(model)
    chosen_options = (options or Options()).of_format(format)
    if chosen.kind == "plug-in":
        history = shaped(history, model, path)
    plain = chosen.name in ("register", "cas-register", "none") or chosen.kind == "plug-in"
    if isinstance(history, History) and plain:
        return [check(history, budget_s) for check in checks_for(chosen.name)]
    return _run(shaped(history, model, path), chosen, budget_s, chosen_options)


def shaped(history: Read, model: str, path: Path | str = "history") -> Read:
    """The history as the checks of this model see it: the thing that the rows of their verdicts index.

    Raises:
        UsageError: it cannot be brought into that shape.
    """
    chosen = model_named(model)
    if isinstance(history, History):
        if chosen.name in ("register", "cas-register", "none") or chosen.kind in ("session", "plug-in"):
            return history
        history = operations_of(history)
    if chosen.name == "none":
        return history
    if chosen.kind == "plug-in" and not isinstance(history, Transactions):
        history = _by_key(history)
        refuse_misshapen(history, "register", path)
        return columns_of(history, None, nil_read_is_unknown=False, fail_is_unequal=True)
    if isinstance(history, Transactions):
        if chosen.takes == "operations":
            raise UsageError(f"{path}: model {model} is about single operations, and these are transactions")
        return history
    if chosen.kind in ("session", "level"):
        if history and all(are_micro_operations(each.argument) for each in history):
            return transactions_of(history, path)
        history = _by_key(history)
        refuse_misshapen(history, model, path, SESSIONS)
        return history if chosen.kind == "session" else transactions_of_registers(history)
    if chosen.takes == "transactions":
        return transactions_of(history, path)
    if chosen.name in ("register", "cas-register", "kv"):
        history = _by_key(history)
    if chosen.name == "multi-register":  # some are named after what they do: read [["read", "x", nil]]
        history = [
            msgspec.structs.replace(each, function="txn") if are_micro_operations(each.argument) else each
            for each in history
        ]
    refuse_misshapen(history, model, path)
    return history


def _by_key(operations: Sequence[Operation]) -> Sequence[Operation]:
    """Operations whose values are all ``[key, value]``, as in Jepsen's independent tests, with their keys apart."""
    if not operations:
        return operations
    for operation in operations:
        argument = operation.argument
        inner = operation.function == "cas"
        if operation.key is not None or not isinstance(argument, tuple) or len(argument) != 2:
            return operations
        if inner and not (isinstance(argument[1], tuple) and len(argument[1]) == 2):
            return operations
    found = []
    for operation in operations:
        key, argument = operation.argument
        result = operation.result
        if isinstance(result, tuple) and len(result) == 2 and result[0] == key:
            result = result[1]
        found.append(msgspec.structs.replace(operation, key=key, argument=argument, result=result))
    return found


def _run(history: Any, model: Model, budget_s: float, options: Options) -> list[Verdict]:
    match model.kind:
        case "object":
            return [_linearizable(history, model.name, budget_s, options)]
        case "workload":
            return [_workload(history, model.name, budget_s, options)]
        case "isolation":
            return [_isolated(history, model.name, budget_s, options.level, options)]
        case "level":
            return [_isolated(history, _kind(history), budget_s, model.name, options)]
        case "session":
            if isinstance(history, Transactions) and _kind(history) == "list-append":
                if model.name == "read-committed":
                    return [_isolated(history, "list-append", budget_s, model.name, options)]
                raise UsageError(f"model {model.name} is about registers, and these transactions append to lists")
            return [_session(_from_nothing(history, options.initial), model.name, budget_s, options)]
    return []


def _session(history: Any, name: str, budget_s: float, options: Options) -> Verdict:
    from . import weak
    from .weak import lattice, quiescence, staleness

    match name:
        case "models":
            return lattice.which_models(history, budget_s)
        case "bounded-staleness":
            return staleness.check(history, budget_s, t_s=options.stale_s, k=options.stale_k)
        case "convergence":
            return quiescence.check(history, budget_s, quiescence_s=options.quiescence or 0.0)
        case _:
            return weak.MODELS[name](history, budget_s)


def _isolated(transactions: Transactions, kind: str, budget_s: float, level: str | None, options: Options) -> Verdict:
    from .transactions import check

    return check(transactions, budget_s, kind=kind, level=level, closed=options.closed)


def _kind(transactions: Transactions) -> str:
    lists = bool((transactions.kind == APPEND).any() or (transactions.value == LIST).any())
    return "list-append" if lists else "rw-register"


def _from_nothing(history: Any, initial: Any) -> Any:
    """Reads of the initial value as reads of nil, on keys to which nobody wrote it."""
    if initial is None or isinstance(history, (History, Transactions)):
        return history
    written = {
        each.key
        for each in history
        if (each.function in ("write", "put") and each.argument == initial)
        or (each.function == "cas" and each.argument[1] == initial)
    }

    def old(operation: Operation) -> Operation:
        if operation.key in written:
            return operation
        if operation.function == "cas" and operation.argument[0] == initial:
            operation = msgspec.structs.replace(operation, argument=(None, operation.argument[1]))
        if operation.result is not MISSING and operation.result == initial:
            operation = msgspec.structs.replace(operation, result=None)
        return operation

    return [old(operation) for operation in history]


def _linearizable(operations: Sequence[Operation], name: str, budget_s: float, options: Options) -> Verdict:
    from . import models, sequential, zones

    unequal, unknown = options.failed_cas == "unequal", options.nil_reads == "unknown"
    match name:
        case "register" | "cas-register":
            model = sequential.cas_register(options.initial, nil_read_is_unknown=unknown, fail_is_unequal=unequal)
        case "multi-register":
            model = sequential.multi_register(options.initial)
        case "kv":
            initial = options.initial if isinstance(options.initial, str) else None
            model = sequential.kv(initial, fail_is_unequal=unequal)
        case "counter":
            model = sequential.counter(int(options.initial or 0))
        case "mutex":
            model = sequential.mutex(options.lease)
        case _:
            model = models.model(name)
    if name not in ("register", "cas-register") or len(operations) < _MANY:
        return models.check(operations, model, budget_s)
    # Keys whose values all differ are decided all at once, the others by the model, in the words of the source.
    began = perf_counter()
    columns = columns_of(operations, options.initial, nil_read_is_unknown=unknown, fail_is_unequal=unequal)
    try:
        rows = np.flatnonzero(np.isin(columns.key, zones.undecided(columns))).tolist()
    except ValueError:  # an operation ended before it began: the model says which
        rows = list(range(len(operations)))
    verdict = models.check([operations[row] for row in rows], model, budget_s)
    shown_by = tuple(rows[row] for row in verdict.rows if row >= 0)
    return msgspec.structs.replace(verdict, rows=shown_by, took_s=perf_counter() - began)


def _workload(history: Any, name: str, budget_s: float, options: Options) -> Verdict:
    from . import jepsen
    from .transactions import bank, longfork

    match name:
        case "set-full":
            return jepsen.check_set_full(history, budget_s)
        case "set-final":
            return jepsen.check_set(history, budget_s)
        case "counter-bounds":
            return jepsen.check_counter(history, budget_s)
        case "bank":
            return bank.check(history, budget_s, total=options.total)
        case _:
            return longfork.check(history, budget_s, group_size=options.group_size)


# --- which model ----------------------------------------------------------------------------------------------------

_BY_FUNCTIONS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"acquire", "release"}), "mutex"),
    (frozenset({"enqueue", "dequeue"}), "queue"),
    (frozenset({"push", "pop"}), "stack"),
    (frozenset({"read", "write"}), "register"),
    (frozenset({"read", "write", "cas"}), "cas-register"),
    (frozenset({"get", "put", "append", "delete", "cas"}), "kv"),
    (frozenset({"read", "write", "put", "get", "append", "delete", "cas"}), "kv"),
    (frozenset({"add", "remove", "contains"}), "set"),
    (frozenset({"add", "fetch-add"}), "counter"),
)


def model_of(history: Read, path: Path | str = "history") -> str:
    """The model that a history is plainly one of.

    Raises:
        UsageError: it could be of several, or of none.
    """
    if isinstance(history, History):
        return "register"
    if isinstance(history, Transactions):
        return "rw-register"
    functions = {operation.function for operation in history}
    if functions <= {"txn", "read", "write"} and any(are_micro_operations(each.argument) for each in history):
        return _model_of_micro(history, functions, path)
    if "transfer" in functions or any(_is_balance(each.result) for each in history):
        return "bank"
    if functions <= {"add", "remove", "contains", "read", "fetch-add"} and "add" in functions:
        reads = [each.result for each in history if each.function == "read" and each.outcome == 0]
        if any(isinstance(result, tuple) for result in reads) or functions & {"remove", "contains"}:
            return "set"
        amounts = [each.argument for each in history if each.function == "add"]
        if "fetch-add" in functions or any(isinstance(each, int) for each in reads) or len(set(amounts)) < len(amounts):
            return "counter"
    for known, name in _BY_FUNCTIONS:
        if functions and functions <= known:
            return name
    strange = next((each for each in history if not any(each.function in known for known, _ in _BY_FUNCTIONS)), None)
    if strange is not None:
        refuse(path, strange.line, f"unknown function {shown(strange.function)!r}; give --model")
    what = ", ".join(sorted(functions)) or "none at all"
    raise UsageError(f"{path}: the model cannot be told from its functions ({what}): give --model")


def _model_of_micro(operations: Sequence[Operation], functions: set[str], path: Path | str) -> str:
    arguments = [each.argument for each in operations if are_micro_operations(each.argument)]
    names = {mop[0].removeprefix(":") for argument in arguments for mop in argument}
    if names & {"read", "write"}:
        return "multi-register"
    if functions & {"read", "write"}:
        return "long-fork"
    if "append" in names:
        return "list-append"
    if "w" in names:
        return "rw-register"
    raise UsageError(f"{path}: transactions that only read do not tell their model: give --model")


def _is_balance(result: Any) -> bool:
    return isinstance(result, tuple) and bool(result) and all(
        isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str) for each in result
    )  # fmt: skip
