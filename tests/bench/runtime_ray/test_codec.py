"""Frames: what is sent is what arrives, and nothing else gets through."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.runtime.child import Scoped
from bench.runtime.ray.codec import (
    CHECKED_AT,
    GONE,
    HEADER,
    PLAIN,
    SCOPED,
    BadFrame,
    Decoder,
    Hello,
    Sealed,
    checksum_key,
    encode_entries,
    encode_gone,
    frame,
    hello_frame,
    intact,
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


def test_text_that_is_not_utf8_and_nesting_without_end_are_garbage_too() -> None:
    text = hello_frame(Hello(b"t", "h1", 1, "m"))[HEADER.size :].replace(b"h1", b"\xff\xfe")
    with pytest.raises(BadFrame):
        read_hello(text)
    kind, body = encode_entries([(0, 1, Open("desk"))])
    with pytest.raises(BadFrame):
        Decoder(Office).entries(kind, body.replace(b"desk", b"\xff\xfe\xff\xfe"))
    with pytest.raises(BadFrame):
        Decoder(Desk).entries(SCOPED, b"\x91\x94\x00\x01\xa1d" + b"\x91" * 100_000)


def test_frames_carry_life_sequence_and_time() -> None:
    data = frame(7, GONE, 3, 2**40, 123_456_789, encode_gone([4, 5]))
    _, length, kind, life, sequence, stamp = HEADER.unpack_from(data)
    assert (length, kind, life, sequence, stamp) == (len(data) - HEADER.size, GONE, 3, 2**40, 123_456_789)
    assert Decoder(Server).gone(data[HEADER.size :]) == [4, 5]


def test_a_frame_with_any_bit_flipped_or_of_another_trial_is_not_intact() -> None:
    key = checksum_key(b"one trial")
    data = frame(key, PLAIN, 3, 9, 5, b"content")

    def whole(damaged: bytes, key: int = key) -> bool:
        return intact(key, damaged[CHECKED_AT:], HEADER.unpack_from(damaged)[0])

    assert whole(data)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not whole(bytes(damaged)), bit
    assert not whole(data, checksum_key(b"another"))


def test_a_hello_is_read_back() -> None:
    hello = Hello(b"secret", "h1", 2, "machine")
    assert read_hello(hello_frame(hello)[HEADER.size :]) == hello
