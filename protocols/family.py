"""What a protocol offers to whoever measures it: its roles, parameters, invariants, and classic mistakes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from .node import Node

if TYPE_CHECKING:
    from random import Random


class Invariant(Protocol):
    """A safety property of global state, checked in the simulator after each turn.

    It keeps what it has seen so far, so that each step costs about the same however long the run. One that also
    measures has a method ``figures() -> dict[str, float]``, asked once at the end.
    """

    name: str

    def step(self, node: str, view: Any, views: Mapping[str, Any]) -> str | None:
        """Judge the state after a turn of ``node``.

        Args:
            node: who moved, or was just restarted.
            view: its :meth:`Node.inspect`.
            views: the latest view of every server that is up, by name.

        Returns:
            a sentence describing the violation, or None.
        """
        ...

    def restarted(self, node: str) -> None:
        """The node lost its volatile state: what its view says next may be older than what it said last."""
        ...


@dataclass(frozen=True)
class Mutant:
    """A classic mistake, as the smallest edit of the real source that makes it.

    Attributes:
        name: in kebab case, as on the command line.
        why: one sentence: what goes wrong, and the paper's section that forbids it.
        file: the module of the family that is edited (``server``).
        edits: (old, new) pairs; each old text occurs exactly once. At most 5 lines change in all.
        caught_by: checks that may be expected to find it.
        seed: of a torture trial that a search found to catch it: where to look first. It goes stale with any change
            of the protocol, the simulator or the nemesis; ``python -m bench.campaign`` finds another.
        params: parameters under which the mistake matters, where the defaults do not show it.
    """

    name: str
    why: str
    file: str
    edits: tuple[tuple[str, str], ...]
    caught_by: tuple[str, ...]
    seed: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Liar:
    """Who lies: the adversary around a correct server.

    Attributes:
        node: the correct server within; what it knows, the adversary knows.
        name: its own; rng: seeded.
        sign: its own signature of a payload; of nobody else's has it the key.
        memory: the adversary's own, for as long as it lies.
    """

    node: Any
    name: str
    rng: Random
    sign: Callable[[bytes], bytes]
    memory: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lie:
    """One way in which a Byzantine server of this protocol lies.

    Attributes:
        name: in kebab case, as in ``byzantine n2 as slander``.
        about: one sentence: what it says, and what that does to whoever believes it.
        says: (the liar, to whom, the message that the correct server would send) -> (in whose name, to whom, what) of
            each message that leaves instead; nothing, for silence.
        in_anothers_name: whether it sends messages that claim to come from somebody else, which only a network lets
            pass that does not authenticate its senders.
    """

    name: str
    about: str
    says: Callable[[Liar, str, Any], list[tuple[str, str, Any]]]
    in_anothers_name: bool = False


class Glance(msgspec.Struct, frozen=True, array_like=True):
    """What of a server's view is drawn when a run is played back.

    Attributes:
        role: a word; servers of the same role have the same colour.
        term: what is written beside it (a term, ballot, view, epoch), a few characters.
        log: the last entries as (index, what tells them apart by colour: their term); empty without a log.
        commit: entries up to this index are final.
        facts: further (name, value) pairs, for people.
    """

    role: str
    term: str
    log: tuple[tuple[int, int], ...] = ()
    commit: int = 0
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Opinions:
    """How servers show whom they deem down; what they say is judged against who was down.

    Whenever a server's opinion of another changes, it marks ``deemed_down`` or ``deemed_up`` with the ``subject``; a
    server that has just booted deems everybody up.

    Attributes:
        down: names that a server's view deems down.
        settles: (server config, servers) -> seconds without faults after which every server deems rightly.
    """

    down: Callable[[Any], Collection[str]]
    settles: Callable[[Any, int], float]


@dataclass(frozen=True)
class Family:
    """A protocol as the bench sees it.

    Attributes:
        name: on the command line.
        summary: one line.
        paper: the source it follows.
        server, client: node classes. Clients receive the workload's operations.
        server_config, client_config: frozen Structs with a default for every field and a ``validate(nodes)`` method
            that raises ``ValueError`` with one sentence. Their field names are the protocol's parameters.
        invariants: makes a fresh set of checks for one run.
        mutants: classic mistakes.
        model: what every history satisfies: the name of a model of :mod:`bench.checkers.registry` (``register``: read,
            write, cas on each key, linearizable), or ``none``; where that depends on the parameters, a function of the
            server's and the client's configuration and the number of servers to the names of all that they promise.
        functions: what the client understands (``read``, ``write``, ``cas``).
        leader: whether a server's view says that it leads; None for protocols without one.
        recovery: names of the marks that end the parts of an outage: (detect, elect, commit).
        tolerates: how many of n servers may be down with the rest still live.
        lives_partitioned: whether, with these server parameters, the protocol promises to serve while a majority is
            connected although one server is cut off, wholly or one way.
        timescale: the shortest timeout, in seconds, of servers with these parameters: on a network whose delays come
            near it the protocol promises safety only.
        glance: what is drawn of a server's view when a run is played back; None: its plain fields, as text.
        reconfigures: whether the operator can add and remove servers while it runs.
        converged: why servers differ that should not, from their views, in a few words; empty if they do not. None for
            protocols whose servers need not become equal.
        converges: whether servers with these parameters become equal, all up and connected, without another operation.
        opinions: for protocols whose servers deem each other up or down.
        lies: what a Byzantine server may do; empty for protocols that nobody has thought about in this way.
        variants: parameters that a torture run picks from, one set a seed, so that rare paths are common somewhere.
    """

    name: str
    summary: str
    paper: str
    server: type[Node]
    client: type[Node]
    server_config: type[msgspec.Struct]
    client_config: type[msgspec.Struct]
    invariants: Callable[[], list[Invariant]]
    mutants: tuple[Mutant, ...] = ()
    model: str | Callable[[Any, Any, int], tuple[str, ...]] = "register"
    functions: tuple[str, ...] = ("read", "write", "cas")
    leader: Callable[[Any], bool] | None = None
    recovery: tuple[str, str, str] = ("suspected", "elected", "committed")
    tolerates: Callable[[int], int] = lambda n: (n - 1) // 2
    lives_partitioned: Callable[[Any], bool] = lambda config: True
    timescale: Callable[[Any], float] = lambda config: 0.15
    glance: Callable[[Any], Glance] | None = None
    reconfigures: bool = False
    converged: Callable[[Mapping[str, Any]], str] | None = None
    converges: Callable[[Any], bool] = lambda config: True
    opinions: Opinions | None = None
    lies: tuple[Lie, ...] = ()
    variants: tuple[Mapping[str, Any], ...] = ({},)

    def models(self, server_config: Any, client_config: Any, nodes: int) -> tuple[str, ...]:
        """What every history satisfies with these parameters: names of models; none for ``none``."""
        if callable(self.model):
            return self.model(server_config, client_config, nodes)
        return () if self.model == "none" else (self.model,)


def find_lie(family: Family, name: str) -> Lie:
    """The lie of that name.

    Raises:
        KeyError: this protocol has none.
    """
    for lie in family.lies:
        if lie.name == name:
            return lie
    raise KeyError(name)
