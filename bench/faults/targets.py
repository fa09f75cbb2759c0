"""Whom a fault hits: from the target's word to node names, and from a partition's shape to the links it cuts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random

from ..errors import UsageError, unknown_name
from ..network.spec import Network

WORDS = ("leader", "follower", "random", "minority", "majority", "servers", "clients", "client")
"""Targets that are resolved when the fault fires; beside them a node's name, ``zone:NAME`` and ``host:SERVER``."""
ZONE = "zone:"
HOST = "host:"
"""Before one server's name or word: all nodes of the process that it shares; that one node where it shares none."""
ONE_SERVER = ("leader", "follower", "random")
"""The words that mean one server."""
SHAPES = ("halves", "isolate", "majority-ring", "bridge", "one-way")
"""Of a partition."""


def largest_minority(servers: int) -> int:
    """How many of ``servers`` are the most that leave a majority."""
    return (servers - 1) // 2


def zones_of(network: Network, servers: Sequence[str], clients: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The nodes of each zone: the regions of the network, which place servers first, then clients, and wrap around."""
    if network.regions is None:
        return {}
    names, place = network.regions.names, network.regions.place
    zones: dict[str, list[str]] = {name: [] for name in names}
    for index, node in enumerate((*servers, *clients)):
        zones[names[place[index % len(place)] if place else index % len(names)]].append(node)
    return {name: tuple(nodes) for name, nodes in zones.items()}


def check_target(target: str, servers: Sequence[str], clients: Sequence[str], zones: Collection[str] = ()) -> None:
    """Raise :class:`UsageError` unless the word can be resolved in this cluster."""
    if target in WORDS or target in servers or target in clients:
        return
    if target.startswith(HOST):
        if target[len(HOST) :] not in (*ONE_SERVER, *servers):
            raise UsageError(
                f"target {target!r} cannot be: after {HOST} comes one server, by name or as {', '.join(ONE_SERVER)}"
            )
        return
    if target.startswith(ZONE):
        if target[len(ZONE) :] not in zones:
            raise unknown_name("zone", target[len(ZONE) :], zones)
        return
    for nodes, what in ((servers, "servers"), (clients, "clients")):
        if nodes and target[:1] == nodes[0][:1] and target[1:].isdigit():
            extent = f"{nodes[0]} to {nodes[-1]}" if len(nodes) > 1 else nodes[0]
            raise UsageError(f"unknown target {target!r}: the {what} are {extent}")
    raise unknown_name("target", target, (*WORDS, *(servers if len(servers) <= 9 else ())))


def resolve(
    target: str,
    *,
    rng: Random,
    servers: Sequence[str],
    clients: Sequence[str],
    up: Collection[str],
    leader: str | None,
    zones: Mapping[str, Sequence[str]],
    shares: Callable[[str], Sequence[str]] = lambda server: (server,),
) -> tuple[str, ...]:
    """The nodes that ``target`` means now, sorted.

    One server at random (``random``, ``follower``, ``leader`` where there is none) is one that is up, if any is.
    ``minority`` is the largest one, so it is empty below three servers; ``majority`` the smallest. Both are random. A
    zone means its servers.

    Args:
        target: a word of ``WORDS``, a node's name, ``zone:NAME``, or ``host:SERVER``.
        rng: draws where there is a choice; what it draws depends on the arguments' contents only.
        servers, clients: all of them.
        up: the nodes that are running.
        leader: the server that leads, as far as is known.
        zones: the nodes of each zone.
        shares: the nodes that run in one process with a server, itself included.

    Raises:
        UsageError: no such node or zone.
    """
    if target.startswith(HOST):
        check_target(target, servers, clients, zones)
        (server,) = resolve(
            target[len(HOST) :], rng=rng, servers=servers, clients=clients, up=up, leader=leader, zones=zones
        )
        return tuple(sorted(shares(server)))
    names = sorted(servers)
    alive = [name for name in names if name in up] or names
    match target:
        case "servers":
            return tuple(names)
        case "clients":
            return tuple(sorted(clients))
        case "client":
            return (rng.choice(sorted(clients)),) if clients else ()
        case "random":
            return (rng.choice(alive),)
        case "leader":
            return (rng.choice(alive) if leader is None else leader,)
        case "follower":
            return (rng.choice([name for name in alive if name != leader] or alive),)
        case "minority":
            return tuple(sorted(rng.sample(names, largest_minority(len(names)))))
        case "majority":
            return tuple(sorted(rng.sample(names, len(names) // 2 + 1)))
    check_target(target, servers, clients, zones)
    if target.startswith(ZONE):
        return tuple(name for name in names if name in zones[target[len(ZONE) :]])
    return (target,)


# --- partitions -----------------------------------------------------------------------------------------------------

Pairs = frozenset[tuple[str, str]]
"""Directed links (source, destination) on which nothing arrives."""


def partition_groups(
    shape: str, target: Sequence[str], servers: Sequence[str], clients: Sequence[str], rng: Random
) -> Pairs:
    """The directed links that a partition cuts.

    Clients fall on random sides: some stay with the side that is cut off, and see what it still answers. Clients do not
    talk to each other, so no link between two is listed.

    Args:
        shape: see :class:`bench.faults.spec.Partition`.
        target: nodes the partition turns on. ``halves`` puts them, filled up at random, in the smaller half (of an even
            number neither half is a majority); ``isolate`` and ``one-way`` keep the links among them; ``bridge`` takes
            its first server for the bridge; ``majority-ring`` has no use for it.
        servers, clients: all of them.
        rng: draws sides.
    """
    names, others = sorted(servers), sorted(clients)
    chosen = [name for name in names if name in target]
    cut = [name for name in (*names, *others) if name in target]
    match shape:
        case "halves":
            rest = [name for name in names if name not in chosen]
            fill = rng.sample(rest, max(0, min(len(rest), len(names) // 2 - len(chosen))))
            side = {*chosen, *fill, *_coin(others, rng)}
            return _cut(names, others, lambda a, b: (a in side) == (b in side))
        case "isolate":
            # clients stay with an isolated server, if there is one to stay with
            side = {*cut, *(_coin(others, rng) if chosen else ())}
            return _cut(names, others, lambda a, b: (a in side) == (b in side))
        case "one-way":
            heard = {*cut, *(_coin(others, rng) if chosen else ())}
            return _cut(names, others, lambda a, b: b not in cut or a in heard)
        case "majority-ring":
            return _majority_ring(names, others, rng)
        case "bridge":
            return _bridge(names, others, chosen, rng)
    raise unknown_name("partition", shape, SHAPES)


def _coin(nodes: Sequence[str], rng: Random) -> list[str]:
    return [name for name in nodes if rng.random() < 0.5]


def _cut(servers: Sequence[str], clients: Sequence[str], passes: Callable[[str, str], bool]) -> Pairs:
    """Every link but those between two clients, unless it passes."""
    links = [(a, b) for a in servers for b in (*servers, *clients) if a != b]
    links += [(a, b) for a in clients for b in servers]
    return frozenset((a, b) for a, b in links if not passes(a, b))


def _majority_ring(servers: list[str], clients: list[str], rng: Random) -> Pairs:
    """Each server hears the majority around it on a random ring; a client talks to whom one random server hears."""
    count = len(servers)
    majority = count // 2 + 1
    ring = rng.sample(servers, count)
    before = (majority - 1) // 2
    hears = {
        name: {ring[(place - before + step) % count] for step in range(majority)} for place, name in enumerate(ring)
    }
    sees = {name: hears[rng.choice(ring)] for name in clients}

    def passes(a: str, b: str) -> bool:
        if a in sees:
            return b in sees[a]
        return a in (sees[b] if b in sees else hears[b])

    return _cut(servers, clients, passes)


def _bridge(servers: list[str], clients: list[str], chosen: list[str], rng: Random) -> Pairs:
    """Two random halves that both see one server, but not each other."""
    middle = chosen[0] if chosen else rng.choice(servers)
    rest = rng.sample([name for name in servers if name != middle], len(servers) - 1)
    side = {*rest[: len(rest) // 2], *_coin(clients, rng)}
    return _cut(servers, clients, lambda a, b: middle in (a, b) or (a in side) == (b in side))
