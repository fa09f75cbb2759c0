"""Which checks judge a history, by the name of its model (``Family.model``, ``bench check --model``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from .. import plugins
from ..errors import HarnessError, unknown_name
from ..history.history import History
from . import linearizability
from .clocks import in_every_clock
from .verdict import Verdict

Check = Callable[[History, float], Verdict]
"""(history, seconds it may take) -> verdict. It never changes the history, and never raises for what is in one."""

Takes = Literal["operations", "transactions", "either"]
Kind = Literal["object", "session", "workload", "isolation", "level", "plug-in", ""]

_COLUMNS: dict[str, tuple[Check, ...]] = {
    "register": (linearizability.check,),
    "cas-register": (linearizability.check,),
    "none": (),
}
"""What judges columns as they are, without a detour."""


@dataclass(frozen=True)
class Model:
    """What a history can be held to.

    Attributes:
        name: of the model.
        about: one line of help.
        kind: what sort of claim it is: a sequential object to be linearizable to, a guarantee to sessions, a workload
            with a test of its own, transactions of one kind, an isolation level of transactions of any kind.
        takes: what its checks work on.
        options: those of :class:`.judging.Options` that say something to it.
    """

    name: str
    about: str
    kind: Kind
    takes: Takes
    options: tuple[str, ...] = ()


_REGISTER = ("initial", "nil_reads", "failed_cas")

_MODELS = (
    Model("register", "linearizable: read, write (and cas) of each key", "object", "operations", _REGISTER),
    Model("cas-register", "linearizable: read, write, cas [expected, new]", "object", "operations", _REGISTER),
    Model("multi-register", "linearizable: txn of reads and writes over several registers", "object", "operations",
          ("initial",)),
    Model("kv", "linearizable: get, put, append, cas, delete of each key", "object", "operations",
          ("initial", "failed_cas")),
    Model("set", "linearizable: add, remove, contains, read of all", "object", "operations"),
    Model("counter", "linearizable: add, fetch-add, read", "object", "operations", ("initial",)),
    Model("queue", "linearizable: enqueue, dequeue, first in first out", "object", "operations"),
    Model("stack", "linearizable: push, pop", "object", "operations"),
    Model("mutex", "linearizable: acquire, release, by one owner at a time", "object", "operations", ("lease",)),
    Model("set-full", "Jepsen's: no element that was there is lost", "workload", "operations"),
    Model("set-final", "Jepsen's: the last read has every element added", "workload", "operations"),
    Model("counter-bounds", "Jepsen's: reads are within what additions allow", "workload", "operations"),
    Model("bank", "transfers keep the total; no balance below 0", "workload", "either", ("total",)),
    Model("long-fork", "no two reads see two writes in opposite orders", "workload", "either", ("group_size",)),
    Model("list-append", "transactions that append to lists and read them; see --level", "isolation", "transactions",
          ("level",)),
    Model("rw-register", "transactions that write registers and read them; see --level", "isolation", "transactions",
          ("level",)),
    *(
        Model(name, about, "level", "transactions")
        for name, about in (
            ("strict-serializable", "transactions: one order, in real time"),
            ("serializable", "transactions: one order"),
            ("repeatable-read", "transactions: no item changes under a reader"),
            ("strong-session-snapshot-isolation", "transactions: snapshots that hold what the session did"),
            ("snapshot-isolation", "transactions: snapshots, no lost update"),
            ("parallel-snapshot-isolation", "transactions: snapshots that may fork, no lost update"),
            ("read-uncommitted", "transactions: writes in one order"),
        )
    ),
    *(
        Model(name, about, "session", "either", ("initial",))
        for name, about in (
            ("sequential", "sessions: one order that keeps that of each session"),
            ("causal", "sessions: causal convergence, one order of all writes; AWDIT's causal consistency"),
            ("causal-memory", "sessions: causal memory, an order of its past for each session"),
            ("weak-causal", "sessions: each read is explained by some order of its past"),
            ("pram", "sessions: an order for each session that keeps the order of the others"),
            ("consistent-prefix", "sessions: reads see states of one order"),
            ("read-atomic", "sessions: all of a transaction's writes are seen, or none"),
            ("read-committed", "sessions: only committed writes, and none older after newer in a transaction"),
            ("read-your-writes", "sessions: what a session wrote, it sees"),
            ("monotonic-reads", "sessions: what a session saw, it does not lose sight of"),
            ("monotonic-writes", "sessions: the writes of a session are seen in order"),
            ("writes-follow-reads", "sessions: a write is seen after what its session had seen"),
            ("read-consistency", "sessions: no read of what nobody wrote"),
        )
    ),
    Model("bounded-staleness", "sessions: how stale reads are, and no staler than asked", "session", "either",
          ("initial", "stale_s", "stale_k")),
    Model("convergence", "sessions: after the last write, all reads agree", "session", "either",
          ("initial", "quiescence")),
    Model("models", "sessions: which of these models hold, the strongest", "session", "either", ("initial",)),
    Model("none", "nothing is asked", "", "either"),
)  # fmt: skip

MODELS: Final[dict[str, Model]] = {model.name: model for model in _MODELS}


def model_named(name: str) -> Model:
    """The model of that name.

    Raises:
        UsageError: there is none.
    """
    if name in MODELS:
        return MODELS[name]
    check = plugins.checker(name)
    if check is None:
        raise unknown_name("model", name, (*MODELS, *plugins.names("checkers")))
    about = (check.__doc__ or "").strip().partition("\n")[0]
    return Model(name, about or "a checker that says nothing of itself", "plug-in", "operations")


def _guarded(name: str, check: Check) -> Check:
    """A checker that another distribution brings: what it raises is its own fault, and said to be."""
    whose = f"checker {name!r} of {plugins.origin('checkers', name)}"

    def guarded(history: History, budget_s: float = 20.0) -> Verdict:
        try:
            verdict = check(history, budget_s)
        except Exception as error:
            raise HarnessError(f"{whose} failed: {type(error).__name__}: {error}") from error
        if not isinstance(verdict, Verdict):
            raise HarnessError(f"{whose} returned a {type(verdict).__name__}, not a Verdict")
        return verdict

    return guarded


def checks_for(model: str) -> tuple[Check, ...]:
    """The checks of that model, for columnar histories of one clock or several.

    Raises:
        UsageError: there is no such model.
    """
    chosen = model_named(model)
    if chosen.kind == "plug-in":
        found = plugins.checker(model)
        assert found is not None
        return (in_every_clock(_guarded(model, found)),)
    if model in _COLUMNS:
        return tuple(in_every_clock(check) for check in _COLUMNS[model])

    def check(history: History, budget_s: float = 20.0) -> Verdict:
        from .judging import judge

        (verdict,) = judge(history, chosen.name, budget_s)
        return verdict

    return (in_every_clock(check),)
