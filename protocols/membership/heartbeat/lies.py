"""What a Byzantine server may say instead of its heartbeats (Lamport, Shostak and Pease 1982: it may say anything).

Two lies are about itself, and no signature helps against them. Two are told in another's name, which works where the
network does not say who sends (as over UDP) and heartbeats are not signed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...family import Liar, Lie
from .messages import Heartbeat, Pong, Signed, claim

AHEAD = 1_000_000
"""Periods by which a false number is ahead."""
Said = list[tuple[str, str, Any]]


def _is_sign(message: Any) -> bool:
    return type(message) in (Heartbeat, Pong, Signed)


def counter_ahead(liar: Liar, to: str, message: Any) -> Said:
    """Its own numbers, far ahead."""
    if _is_sign(message):
        number = message.number + AHEAD
        message = msgspec.structs.replace(message, number=number)
        if type(message) is Signed:
            signature = liar.sign(claim(liar.name, message.life, number))
            message = msgspec.structs.replace(message, signature=signature)
    return [(liar.name, to, message)]


def two_faced(liar: Liar, to: str, message: Any) -> Said:
    """Alive to every other server in the order of names, dead to the rest."""
    others = sorted(liar.node.peers)
    if _is_sign(message) and to in others and others.index(to) % 2:
        return []
    return [(liar.name, to, message)]


def _in_the_name_of(liar: Liar, victim: str, number: int) -> Any:
    """A heartbeat that claims to be the victim's; signed, but with the only key that the liar has."""
    life = liar.node.peers[victim].life
    if liar.node.config.signed:
        return Signed(life, number, liar.sign(claim(victim, life, number)))
    return Heartbeat(life, number)


def ghosts(liar: Liar, to: str, message: Any) -> Said:
    """With each of its own, a heartbeat in the name of everybody whom it deems down."""
    said: Said = [(liar.name, to, message)]
    if _is_sign(message) and to in liar.node.peers:
        for victim, peer in liar.node.peers.items():
            if not peer.up and peer.life and victim != to:
                key = (victim, peer.life, to)
                liar.memory[key] = number = max(liar.memory.get(key, 0), peer.number) + 1
                said.append((victim, to, _in_the_name_of(liar, victim, number)))
    return said


def slander(liar: Liar, to: str, message: Any) -> Said:
    """Once to each, in the name of every other, a heartbeat so far ahead that all true ones look late."""
    said: Said = [(liar.name, to, message)]
    if _is_sign(message) and to in liar.node.peers:
        for victim, peer in liar.node.peers.items():
            key = (victim, peer.life, to)
            if peer.life and victim != to and key not in liar.memory:
                liar.memory[key] = True
                said.append((victim, to, _in_the_name_of(liar, victim, peer.number + AHEAD)))
    return said


LIES: tuple[Lie, ...] = (
    Lie(
        "counter-ahead",
        "Its own numbers are a million ahead: honest again, it seems late; Chen's and Bertier's estimates expect "
        "nothing of it for a million periods, so its crash goes unnoticed.",
        counter_ahead,
    ),
    Lie("two-faced", "It is up to every other server and silent to the rest, who cannot agree about it.", two_faced),
    Lie("ghosts", "It sends heartbeats in the name of the dead, who rise again.", ghosts, in_anothers_name=True),
    Lie(
        "slander",
        "In each name it sends one heartbeat a million ahead; true ones look late, and the living are suspected.",
        slander,
        in_anothers_name=True,
    ),
)
