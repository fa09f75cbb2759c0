"""A consistent-hash ring with virtual nodes (Karger et al. 1997; DeCandia et al. 2007, "Dynamo", 4.2, 4.3).

Every node has some *tokens* on a ring of 2^64; a key belongs to the node of the first token at or after the key's own.
Its *preference list* is the distinct nodes met from there on: the first n of them are its replicas, who comes after
stands in for one that is down. With zones, replicas are spread: no zone gets a second one while another has none.

The ring is plain data in plain Python; :mod:`bench.theory.placement` places many keys at once by the same tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from hashlib import blake2b

SPACE = 1 << 64


def token(text: str) -> int:
    """The place of a key, or of a virtual node, on the ring: 64 bits that look random.

    >>> token("k1") == token("k1") != token("k2")
    True
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def natural(name: str) -> tuple[str, int, str]:
    """Sorts ``n2`` before ``n10``.

    >>> sorted(["n10", "n2"], key=natural)
    ['n2', 'n10']
    """
    head = name.rstrip("0123456789")
    digits = name[len(head) :]
    return head, int(digits) if digits else -1, name


class Ring:
    """Who is responsible for what. Immutable: a change of membership makes another ring.

    Attributes:
        nodes: names, sorted.
        vnodes: tokens of a node of weight 1.
        weights: of nodes that are not of weight 1.
        zones: zone of each node; empty for a single one.
        tokens, owners: the ring: ascending tokens, and whose each is.
    """

    __slots__ = ("_orders", "nodes", "owners", "tokens", "vnodes", "weights", "zones")

    def __init__(
        self,
        nodes: Iterable[str],
        vnodes: int = 16,
        weights: Mapping[str, float] | None = None,
        zones: Mapping[str, str] | None = None,
    ) -> None:
        """Place the nodes.

        Raises:
            ValueError: no node, a node twice, fewer than one virtual node, or a weight that leaves a node none.
        """
        self.nodes = tuple(sorted(nodes))
        self.vnodes = vnodes
        self.weights = dict(weights or {})
        self.zones = dict(zones or {})
        if not self.nodes or len(set(self.nodes)) != len(self.nodes):
            raise ValueError("a ring needs nodes, each once")
        points = []
        for node in self.nodes:
            count = round(vnodes * self.weights.get(node, 1.0))
            if count < 1:
                raise ValueError(f"{node} would have no virtual node: raise vnodes {vnodes} or its weight")
            points += [(token(f"{node}#{number}"), node) for number in range(count)]
        points.sort()
        self.tokens = [point for point, _ in points]
        self.owners = [node for _, node in points]
        self._orders: dict[int, tuple[str, ...]] = {}

    # --- where a key lives -------------------------------------------------------------------------------------------

    def owner(self, key: str) -> str:
        """The first replica of the key."""
        return self.owners[self.place(key)]

    def place(self, key: str) -> int:
        """The index of the token that the key belongs to."""
        return bisect_left(self.tokens, token(key)) % len(self.tokens)

    def preference(self, key: str) -> tuple[str, ...]:
        """All nodes in the order in which the key prefers them: replicas first, then who stands in for one."""
        return self.order(self.place(key))

    def replicas(self, key: str, n: int) -> tuple[str, ...]:
        """The n nodes that keep the key; all, if there are fewer."""
        return self.order(self.place(key))[:n]

    def order(self, place: int) -> tuple[str, ...]:
        """The preference list of the keys of one token; remembered."""
        known = self._orders.get(place)
        if known is None:
            known = self._orders[place] = self._spread(self._walk(place))
        return known

    def _walk(self, place: int) -> list[str]:
        """Distinct nodes around the ring, from a token on."""
        met: dict[str, None] = {}
        for step in range(len(self.owners)):
            met.setdefault(self.owners[(place + step) % len(self.owners)])
            if len(met) == len(self.nodes):
                break
        return list(met)

    def _spread(self, walk: list[str]) -> tuple[str, ...]:
        """In rounds, each of which takes the next node of every zone: the first of all zones come first."""
        if not self.zones:
            return tuple(walk)
        queues: dict[str, list[str]] = {}
        for node in walk:
            queues.setdefault(self.zones.get(node, ""), []).append(node)
        most = max(len(queue) for queue in queues.values())
        return tuple(queue[turn] for turn in range(most) for queue in queues.values() if turn < len(queue))

    # --- the ring as a whole -----------------------------------------------------------------------------------------

    def ranges(self) -> list[tuple[int, int, str]]:
        """(after, up to, owner) of each token: whose keys have tokens in (after, up to]; the first range wraps."""
        return [(self.tokens[at - 1], self.tokens[at], self.owners[at]) for at in range(len(self.tokens))]

    def share(self, n: int = 1) -> dict[str, float]:
        """The part of the key space of which each node is one of n replicas; the parts sum to n (or the nodes)."""
        parts = dict.fromkeys(self.nodes, 0.0)
        for at, (after, upto, _) in enumerate(self.ranges()):
            width = ((upto - after) % SPACE or SPACE) / SPACE  # a single token has it all
            for node in self.order(at)[:n]:
                parts[node] += width
        return parts

    def adding(self, node: str, weight: float = 1.0, zone: str = "") -> Ring:
        """The ring with one node more.

        Raises:
            ValueError: it is there already.
        """
        weights = self.weights if weight == 1.0 else {**self.weights, node: weight}
        zones = {**self.zones, node: zone} if zone else self.zones
        return Ring((*self.nodes, node), self.vnodes, weights, zones)

    def removing(self, node: str) -> Ring:
        """The ring with one node less.

        Raises:
            ValueError: it is not there, or the last.
        """
        if node not in self.nodes:
            raise ValueError(f"{node} is not on the ring")
        return Ring((each for each in self.nodes if each != node), self.vnodes, self.weights, self.zones)

    def moved(self, other: Ring, n: int = 1) -> float:
        """The part of the key space that gains a replica, each gained one counted, where ``other`` takes over."""
        cuts = sorted({*self.tokens, *other.tokens})
        total = 0
        for at, upto in enumerate(cuts):
            width = (upto - cuts[at - 1]) % SPACE or SPACE
            mine = self.order(bisect_left(self.tokens, upto) % len(self.tokens))[:n]
            theirs = other.order(bisect_left(other.tokens, upto) % len(other.tokens))[:n]
            total += width * sum(node not in mine for node in theirs)
        return total / SPACE
