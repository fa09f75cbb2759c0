"""Frames: what is sent is what arrives, and nothing else gets through."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.runtime.engine import Scoped
from bench.runtime.ray.codec import (
    GONE,
    HEADER,
    PLAIN,
    SCOPED,
    BadFrame,
    Decoder,
    Hello,
    Sealed,
    encode_entries,
    encode_gone,
    frame,
    hello_frame,
    message_decoder,
    read_hello,
)
from protocols.consensus.raft.client import Client
from protocols.consensus.raft.messages import AppendEntries, ClientRequest, Done, Entry, RequestVote, Vote
from protocols.consensus.raft.server import Server
from protocols.requests import Cas, Read, Write
from protocols.statemachine import Command
from tests.toys.office import Desk, Office, Open, Paper

number = st.integers(0, 2**63 - 1)
key = st.text(max_size=8)
request = st.one_of(
    st.builds(Read, key), st.builds(Write, key, st.binary()), st.builds(Cas, key, st.none() | st.binary(), st.binary())
)
command = st.builds(Command, key, number, st.none() | st.builds(Write, key, st.binary()))
message = st.one_of(
    st.builds(RequestVote, number, number, number, st.booleans()),
    st.builds(Vote, number, st.booleans(), st.booleans()),
    st.builds(
        AppendEntries, number, number, number, st.lists(st.builds(Entry, number, command)).map(tuple), number, number
    ),
    st.builds(ClientRequest, number, key, number, request),
)
entries = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), message), min_size=1, max_size=20)


@given(entries)
@settings(deadline=None)
def test_messages_survive_the_wire(sent: list[tuple[int, int, object]]) -> None:
    kind, body = encode_entries(sent)
    assert kind == PLAIN
    assert Decoder(Server).entries(kind, body) == sent


def test_children_are_addressed_by_path_and_decoded_by_their_class() -> None:
    sent = [(0, 1, Open("a")), (0, 1, Scoped("desk-a", Paper(7))), (2, 1, Open("b"))]
    kind, body = encode_entries(sent)
    assert kind == SCOPED
    first, second, third = Decoder(Office).entries(kind, body)
    assert (first, third) == (sent[0], sent[2])
    sealed = second[2]
    assert isinstance(sealed, Sealed) and sealed.path == "desk-a"
    assert message_decoder(Desk).decode(sealed.content) == Paper(7)
    with pytest.raises(msgspec.MsgspecError):
        message_decoder(Server).decode(sealed.content)


def test_a_role_decodes_only_what_it_declares() -> None:
    kind, body = encode_entries([(0, 1, Done(1, b"x"))])
    assert Decoder(Client).entries(kind, body) == [(0, 1, Done(1, b"x"))]
    with pytest.raises(BadFrame):
        Decoder(Server).entries(kind, body)


@given(st.binary(max_size=200), st.integers(0, 255))
@settings(deadline=None)
def test_garbage_is_refused_not_misread(garbage: bytes, kind: int) -> None:
    decoder = Decoder(Server)
    for read in (lambda: decoder.entries(kind, garbage), lambda: decoder.gone(garbage), lambda: read_hello(garbage)):
        try:
            read()
        except BadFrame:
            continue


def test_frames_carry_life_sequence_and_time() -> None:
    data = frame(GONE, 3, 2**40, 123_456_789, encode_gone([4, 5]))
    length, kind, life, sequence, stamp = HEADER.unpack_from(data)
    assert (length, kind, life, sequence, stamp) == (len(data) - HEADER.size, GONE, 3, 2**40, 123_456_789)
    assert Decoder(Server).gone(data[HEADER.size :]) == [4, 5]


def test_a_hello_is_read_back() -> None:
    hello = Hello(b"secret", "h1", 2, "machine")
    assert read_hello(hello_frame(hello)[HEADER.size :]) == hello
