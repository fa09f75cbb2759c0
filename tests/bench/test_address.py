import socket
import time

import pytest

from bench import address
from bench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "parts"),
    [("127.0.0.1:6379", ("127.0.0.1", 6379)), ("ray://head:10001", ("head", 10001)), ("[::1]:80", ("::1", 80))],
)
def test_forms(text, parts):
    assert address.split_address(text) == parts


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":6379", "host:port", "host:0", "host:99999", "http://h:1", "a b:1"]
)
def test_malformed(text):
    with pytest.raises(UsageError, match="is malformed: write HOST:PORT"):
        address.probe(text)


def test_something_that_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address.probe(f"127.0.0.1:{server.getsockname()[1]}")


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(
        UsageError, match=f"no cluster answers at 127.0.0.1:{port} .*: start one with 'ray start --head'"
    ):
        address.probe(f"127.0.0.1:{port}")


def test_silence_ends_after_the_timeout(monkeypatch):
    def silent(where, timeout):
        assert timeout == 0.2
        time.sleep(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(address.socket, "create_connection", silent)
    with pytest.raises(UsageError, match=r"no cluster answers at 10\.0\.0\.1:6379 within 0\.2 s"):
        address.probe("10.0.0.1:6379", 0.2)


def test_auto_is_left_to_ray(monkeypatch):
    monkeypatch.setattr(address.socket, "create_connection", None)
    address.probe("auto")
