"""What a Byzantine member may say. News are hearsay by design, so it says all of it in its own name."""

from __future__ import annotations

from typing import Any

import msgspec

from ...family import Liar, Lie
from .messages import ALIVE, DEAD, Ack, Gossip, Ping, PingReq, Update

Said = list[tuple[str, str, Any]]


def _with(liar: Liar, to: str, message: Any, update: Update | None) -> Said:
    """The message, with one more piece of news on it."""
    if update is not None and type(message) in (Ping, Ack, PingReq, Gossip):
        message = msgspec.structs.replace(message, updates=(update, *message.updates))
    return [(liar.name, to, message)]


def slander(liar: Liar, to: str, message: Any) -> Said:
    """A random member is dead, says each of its messages."""
    members = liar.node.members
    name = members.name(int(liar.rng.random() * members.size))
    known = members.get(name)
    if known is None or known[1] >= DEAD or name in (liar.name, to):
        return _with(liar, to, message, None)
    return _with(liar, to, message, Update(name, DEAD, known[0], liar.name))


def ghosts(liar: Liar, to: str, message: Any) -> Said:
    """Somebody dead is alive at a higher incarnation, says each of its messages."""
    down = sorted(liar.node.members.down)
    if not down:
        return _with(liar, to, message, None)
    name = down[int(liar.rng.random() * len(down))]
    known = liar.node.members.get(name)
    incarnation = max(liar.memory.get(name, 0), known[0] if known else 0) + 1
    liar.memory[name] = incarnation
    return _with(liar, to, message, Update(name, ALIVE, incarnation, name))


def two_faced(liar: Liar, to: str, message: Any) -> Said:
    """Answers every other member in the order of names, and nobody else."""
    if type(message) is Ack and liar.node.members.size > 2 and int(to[1:] or 0) % 2:
        return []
    return [(liar.name, to, message)]


LIES: tuple[Lie, ...] = (
    Lie("slander", "Each message says that somebody is dead, who has to hear of it and refute it.", slander),
    Lie("ghosts", "Each message says that somebody dead is back, at a higher incarnation.", ghosts),
    Lie("two-faced", "It answers the probes of members with even numbers only; helpers vouch for it.", two_faced),
)
