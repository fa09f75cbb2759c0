import socket
import threading
import time
from contextlib import contextmanager, suppress

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


@contextmanager
def listening(*answer):
    """A server that answers what it is sent with some bytes, and its address; without any, with silence."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with suppress(OSError):
                stream, _ = server.accept()
                with stream:
                    stream.recv(1024)
                    for part in answer:
                        stream.sendall(part)
                    stream.recv(1024)

        threading.Thread(target=serve, daemon=True).start()
        yield "127.0.0.1", server.getsockname()[1]


@pytest.mark.parametrize("answer", [(b"\0\0\0\4\0\0\0\0\0",), (b"\0\0", b"\x18\4\0")])
def test_a_service_of_ray(answer):
    with listening(*answer) as (host, port):
        address.probe(f"{host}:{port}")
    with listening(*answer) as (host, port):
        assert address.answers_http2(host, port)


@pytest.mark.parametrize("answer", [(), (b"HTTP/1.1 400 Bad Request\r\n\r\n",)])
def test_something_else_that_listens(answer):
    with listening(*answer) as (host, port), pytest.raises(UsageError, match="does not answer as Ray does"):
        address.probe(f"{host}:{port}", 0.3)
    with listening(*answer) as (host, port):
        assert not address.answers_http2(host, port, 0.3)


def test_encryption_is_left_to_ray(monkeypatch):
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with listening() as (host, port):
        address.probe(f"{host}:{port}", 0.3)


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
