"""What servers and clients say about the duty."""

from __future__ import annotations

import msgspec


class Claim(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """May I have the duty? ``attempt`` is drawn anew each time, so that no late answer counts for another attempt.

    With leases also the renewal: ``attempt`` stays, ``number`` rises.
    """

    epoch: int
    attempt: int
    number: int


class Consent(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """You may: I have not got it, and what I had gathered for myself is void. Or: my grant is yours for a term."""

    attempt: int
    number: int


class Refuse(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """You may not: I have it, or claim it before you, or another has my grant."""

    attempt: int
    epoch: int


class Release(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I have given this attempt up: your grant is free."""

    attempt: int


class Reign(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I have the duty since ``epoch`` began, and these are the members."""

    epoch: int
    members: tuple[str, ...]


class Do(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Do what only the server with the duty does."""

    operation: int


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It is done."""

    operation: int


class NotMine(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I have not got the duty. ``holder``: who has, as far as I know; empty: unknown."""

    operation: int
    holder: str
