"""A consistent-hash ring with virtual nodes (Karger et al. 1997; Dynamo, DeCandia et al., SOSP 2007, 4.2 and 4.3).

Every node has some *tokens* on a ring of 2^64; a key belongs to the node of the first token at or after the key's own.
Its *preference list* is the distinct nodes met from there on: the first n of them are its replicas, who comes after
stands in for one that is down. With zones, replicas are spread: no zone gets a second one while another has none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .hashing import Hashes, Keys, hash_key, hash_keys

SPACE = 1 << 64

Indices = npt.NDArray[np.int64]
"""Nodes, as indices into :attr:`Ring.nodes`."""
Shares = npt.NDArray[np.float64]
Allocate = Callable[[Hashes, Indices, int, int], Hashes]
"""(tokens, owners, nodes so far, tokens wanted) -> the tokens of one node more."""


def token(text: str) -> int:
    """The place of a key on the ring: 64 bits that look random.

    >>> token("k1") == token("k1") != token("k2")
    True
    """
    return hash_key(text, "blake2b")


def tokens_of(keys: Keys) -> Hashes:
    """The places of many keys on the ring."""
    return hash_keys(keys, "blake2b")


def natural(name: str) -> tuple[str, int, str]:
    """Sorts ``n2`` before ``n10``.

    >>> sorted(["n10", "n2"], key=natural)
    ['n2', 'n10']
    """
    head = name.rstrip("0123456789")
    digits = name[len(head) :]
    return head, int(digits) if digits else -1, name


def random_tokens(node: str, count: int) -> Hashes:
    """A node's tokens, drawn from its name: whoever builds the ring, and whenever, finds the same."""
    return tokens_of([f"{node}#{number}" for number in range(count)])


def even_tokens(tokens: Hashes, owners: Indices, nodes: int, count: int) -> Hashes:
    """Few tokens, well chosen: each takes from the node that owns most, out of its largest range.

    After Cassandra's ``NoReplicationTokenAllocator`` (CASSANDRA-13701, CASSANDRA-15600): a newcomer wants 1/(n + 1) of
    the ring, and takes it in ``count`` parts, never more from a node than leaves it with its own due. What it does not
    look at is who else replicates a range.
    """
    if not len(tokens):
        step = SPACE // count
        return np.array([step * number for number in range(count)], np.uint64)
    due = SPACE // (nodes + 1)
    points = tokens.tolist()
    whose = owners.tolist()
    ranges: dict[int, list[tuple[int, int]]] = {}  # owner -> (width, last token)
    owned: dict[int, int] = {}
    for at, point in enumerate(points):
        width = (point - points[at - 1]) % SPACE or SPACE
        ranges.setdefault(whose[at], []).append((width, point))
        owned[whose[at]] = owned.get(whose[at], 0) + width
    wanted, found = due, []
    for left in range(count, 0, -1):
        richest = max(owned, key=lambda node: (owned[node], node))
        part = min(max(1, wanted // left), max(1, owned[richest] - due))
        width, last = max(ranges[richest])
        part = min(part, width - 1)
        first = (last - width + part) % SPACE  # the newcomer's token ends the part that it takes
        ranges[richest].remove((width, last))
        ranges[richest].append((width - part, last))
        owned[richest] -= part
        wanted -= part
        found.append(first)
    return np.array(found, np.uint64)


class Ring:
    """Who is responsible for what. Immutable: a change of membership makes another ring.

    Attributes:
        nodes: names, in the order of their numbers.
        vnodes: tokens of a node of weight 1.
        weights: of nodes that are not of weight 1.
        zones: zone of each node; empty for a single one.
        tokens, owners: the ring: ascending tokens, and the index of the node that each is of.
    """

    __slots__ = (
        "_known",
        "_points",
        "_shift",
        "_starts",
        "allocate",
        "nodes",
        "owners",
        "tokens",
        "vnodes",
        "weights",
        "zones",
    )

    def __init__(
        self,
        nodes: Iterable[str],
        vnodes: int = 16,
        weights: Mapping[str, float] | None = None,
        zones: Mapping[str, str] | None = None,
        allocate: Allocate | None = None,
    ) -> None:
        """Place the nodes.

        Args:
            nodes, vnodes, weights, zones: see the attributes.
            allocate: chooses the tokens of each node in turn, knowing those before it (:func:`even_tokens`); None draws
                them from its name.

        Raises:
            ValueError: no node, a node twice, fewer than one virtual node, or a weight that leaves a node none.
        """
        names = tuple(sorted(nodes, key=natural))
        if not names or len(set(names)) != len(names):
            raise ValueError("a ring needs nodes, each once")
        self.nodes, self.vnodes, self.allocate = names, vnodes, allocate
        self.weights = dict(weights or {})
        self.zones = dict(zones or {})
        self._set(np.empty(0, np.uint64), np.empty(0, np.int64))
        if allocate is None:
            counts = [self._count(node) for node in names]
            tokens = np.concatenate([random_tokens(node, count) for node, count in zip(names, counts, strict=True)])
            self._set(*_sorted(tokens, np.repeat(np.arange(len(names)), counts)))
            return
        for index, node in enumerate(names):
            chosen = allocate(self.tokens, self.owners, index, self._count(node))
            self._set(*_inserted(self.tokens, self.owners, chosen, index))

    def _count(self, node: str) -> int:
        count = round(self.vnodes * self.weights.get(node, 1.0))
        if count < 1:
            raise ValueError(f"{node} would have no virtual node: raise vnodes {self.vnodes} or its weight")
        return count

    def _set(self, tokens: Hashes, owners: Indices) -> None:
        self.tokens, self.owners = tokens, owners
        self._points: list[int] | None = None
        self._starts: Indices | None = None
        self._shift = np.uint64(63)
        self._known: dict[int, tuple[str, ...]] = {}

    # --- where a key lives -------------------------------------------------------------------------------------------

    def owner(self, key: str) -> str:
        """The first replica of the key."""
        return self.nodes[int(self.owners[self.place(key)])]

    def place(self, key: str) -> int:
        """The index of the token that the key belongs to."""
        return self.place_of(token(key))

    def place_of(self, where: int) -> int:
        """The index of the token that this place of the ring belongs to."""
        if self._points is None:
            self._points = self.tokens.tolist()  # for one key at a time, a list is searched faster than an array
        at = bisect_left(self._points, where)
        return at if at < len(self._points) else 0

    def preference(self, key: str) -> tuple[str, ...]:
        """All nodes in the order in which the key prefers them: replicas first, then who stands in for one."""
        return self.order(self.place(key))

    def replicas(self, key: str, n: int) -> tuple[str, ...]:
        """The n nodes that keep the key; all, if there are fewer."""
        return self.order(self.place(key))[:n]

    def order(self, place: int) -> tuple[str, ...]:
        """The preference list of the keys of one token; remembered."""
        known = self._known.get(place)
        if known is None:
            walk = np.concatenate([self.owners[place:], self.owners[:place]])
            _, first = np.unique(walk, return_index=True)
            names = [self.nodes[index] for index in walk[np.sort(first)].tolist()]
            known = self._known[place] = self._spread(names)
        return known

    def _spread(self, walk: list[str]) -> tuple[str, ...]:
        """In rounds, each of which takes the next node of every zone: the first of all zones come first."""
        if not self.zones:
            return tuple(walk)
        queues: dict[str, list[str]] = {}
        for node in walk:
            queues.setdefault(self.zones.get(node, ""), []).append(node)
        most = max(len(queue) for queue in queues.values())
        return tuple(queue[turn] for turn in range(most) for queue in queues.values() if turn < len(queue))

    # --- many keys at once -------------------------------------------------------------------------------------------

    def owners_of(self, hashes: Hashes) -> Indices:
        """The first replica of each key, by the keys' hashes."""
        return self.owners[self.places_of(hashes)]

    def replicas_of(self, hashes: Hashes, n: int) -> Indices:
        """The n replicas of each key, in the order of its preference list: (keys, n).

        Raises:
            ValueError: there are fewer nodes.
        """
        return self.replica_table(n)[self.places_of(hashes)]

    def places_of(self, hashes: Hashes) -> Indices:
        """The index of the token that each key belongs to.

        The leading bits of a hash say where to begin: about one token shares them, so a step or two finds the place,
        where a binary search over a large ring would miss the cache at each of its eighteen.
        """
        if self._starts is None:
            bits = min(22, max(1, len(self.tokens).bit_length()))
            self._shift = np.uint64(64 - bits)
            edges = np.arange(1 << bits, dtype=np.uint64) << self._shift
            self._starts = np.searchsorted(self.tokens, edges, side="left")
        places: Indices = self._starts[(hashes >> self._shift).astype(np.int64)]
        going = np.arange(len(hashes))
        while len(going):
            at = places[going]
            short = at < len(self.tokens)
            short[short] = self.tokens[at[short]] < hashes[going[short]]
            going = going[short]
            places[going] += 1
        places[places == len(self.tokens)] = 0  # beyond the last token the ring begins again
        return places

    def replica_table(self, n: int) -> Indices:
        """The first n nodes of the preference list of each token: (tokens, n).

        Raises:
            ValueError: there are fewer nodes.
        """
        if not 1 <= n <= len(self.nodes):
            raise ValueError(f"replicas {n} is out of range: 1 to the number of nodes, {len(self.nodes)}")
        names = sorted({self.zones.get(node, "") for node in self.nodes})
        if 1 < len(names) < n:  # some zone has a second replica: rare, and said once, in _spread
            numbers = {node: index for index, node in enumerate(self.nodes)}
            rows = [[numbers[each] for each in self.order(at)[:n]] for at in range(len(self.tokens))]
            return np.array(rows, np.int64)
        zone = np.array([names.index(self.zones.get(node, "")) for node in self.nodes])
        kind = zone if len(names) > 1 else np.arange(len(self.nodes))  # what a replica may have no second of
        found = np.empty((len(self.tokens), n), np.int64)
        found[:, 0] = self.owners
        cursor = np.arange(len(self.tokens))
        for number in range(1, n):
            looking = np.arange(len(self.tokens))
            while len(looking):
                cursor[looking] = (cursor[looking] + 1) % len(self.tokens)
                met = kind[self.owners[cursor[looking]]]
                looking = looking[(kind[found[looking, :number]] == met[:, None]).any(axis=1)]
            found[:, number] = self.owners[cursor]
        return found

    # --- the ring as a whole -----------------------------------------------------------------------------------------

    def ranges(self) -> list[tuple[int, int, str]]:
        """(after, up to, owner) of each token: whose keys have tokens in (after, up to]; the first range wraps."""
        points = self.tokens.tolist()
        return [(points[at - 1], points[at], self.nodes[owner]) for at, owner in enumerate(self.owners.tolist())]

    def widths(self) -> Shares:
        """The part of the ring that belongs to each token."""
        if len(self.tokens) == 1:
            return np.ones(1)
        with np.errstate(over="ignore"):  # the first range wraps, as unsigned numbers do
            return np.diff(self.tokens, prepend=self.tokens[-1:]).astype(np.float64) / SPACE

    def shares(self, n: int = 1) -> Shares:
        """The part of the key space of which each node is one of n replicas; they sum to n (or to all nodes)."""
        table = self.replica_table(min(n, len(self.nodes)))
        return np.bincount(
            table.ravel(), weights=np.repeat(self.widths(), table.shape[1]), minlength=len(self.nodes)
        ).astype(np.float64)

    def share(self, n: int = 1) -> dict[str, float]:
        """:meth:`shares` by name."""
        return dict(zip(self.nodes, self.shares(n).tolist(), strict=True))

    def adding(self, node: str, weight: float = 1.0, zone: str = "") -> Ring:
        """The ring with one node more.

        Raises:
            ValueError: it is there already, or would get no token.
        """
        if node in self.nodes:
            raise ValueError(f"{node} is on the ring already")
        weights = self.weights if weight == 1.0 else {**self.weights, node: weight}
        zones = {**self.zones, node: zone} if zone else self.zones
        ring = self._like((*self.nodes, node), weights, zones)
        moved = np.array([ring.nodes.index(each) for each in self.nodes], np.int64)
        count = ring._count(node)
        chosen = (
            random_tokens(node, count)
            if self.allocate is None
            else self.allocate(self.tokens, self.owners, len(self.nodes), count)
        )
        ring._set(*_inserted(self.tokens, moved[self.owners], chosen, ring.nodes.index(node)))
        return ring

    def removing(self, node: str) -> Ring:
        """The ring with one node less.

        Raises:
            ValueError: it is not there, or the last.
        """
        if node not in self.nodes:
            raise ValueError(f"{node} is not on the ring")
        if len(self.nodes) == 1:
            raise ValueError("a ring needs nodes, each once")
        gone = self.nodes.index(node)
        left = tuple(each for each in self.nodes if each != node)
        ring = self._like(left, self.weights, self.zones)
        kept = self.owners != gone
        owners = self.owners[kept]
        ring._set(self.tokens[kept], owners - (owners > gone))
        return ring

    def _like(self, nodes: Sequence[str], weights: Mapping[str, float], zones: Mapping[str, str]) -> Ring:
        """A ring of these nodes without a token yet."""
        ring = object.__new__(Ring)
        ring.nodes = tuple(sorted(nodes, key=natural))
        ring.vnodes, ring.allocate = self.vnodes, self.allocate
        ring.weights, ring.zones = dict(weights), dict(zones)
        return ring

    def moved(self, other: Ring, n: int = 1) -> float:
        """The part of the key space that gains a replica, each gained one counted, where ``other`` takes over."""
        cuts = np.union1d(self.tokens, other.tokens)
        with np.errstate(over="ignore"):
            widths = np.diff(cuts, prepend=cuts[-1:]).astype(np.float64) / SPACE if len(cuts) > 1 else np.ones(1)
        names = sorted({*self.nodes, *other.nodes})
        number = {name: index for index, name in enumerate(names)}

        def where(ring: Ring) -> Indices:
            numbers = np.array([number[node] for node in ring.nodes], np.int64)
            return numbers[ring.replicas_of(cuts, min(n, len(ring.nodes)))]

        mine, theirs = where(self), where(other)
        gained = (theirs[:, :, None] != mine[:, None, :]).all(axis=2).sum(axis=1)
        return float((widths * gained).sum())


def _sorted(tokens: Hashes, owners: Indices) -> tuple[Hashes, Indices]:
    order = np.argsort(tokens, kind="stable")
    return tokens[order], owners[order]


def _inserted(tokens: Hashes, owners: Indices, chosen: Hashes, owner: int) -> tuple[Hashes, Indices]:
    """The ring with a newcomer's tokens: a merge, since all others are in order already."""
    fresh = np.sort(chosen)
    at = np.searchsorted(tokens, fresh)
    return np.insert(tokens, at, fresh), np.insert(owners, at, owner)
