"""``bench serve``: what it shows, and all the ways out of its folder that are shut."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from bench.cli.command import command_of
from bench.cli.report import load
from bench.errors import UsageError
from bench.report import index
from bench.report.serving import Server, Site
from bench.sweep import RunFolder
from bench.trial import Trial

from ..sweep.fake import result
from .test_render import conclusion, description, rows, text

SECRET = "the secret beside the runs"


@dataclass
class Answer:
    status: int
    body: str
    headers: dict[str, str]


@dataclass
class Client:
    port: int
    root: Path

    def ask(self, path: str, method: str = "GET", host: str | None = None, **headers: str) -> Answer:
        """One request, its path sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", f"127.0.0.1:{self.port}" if host is None else host)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace")
        connection.close()
        return Answer(answer.status, body, dict(answer.getheaders()))

    def raw(self, data: bytes) -> bytes:
        """Bytes as they are, and all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module", name="client")
def fixture_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    base = tmp_path_factory.mktemp("served")
    root = base / "runs"
    single = root / "20260101T000000-raft-1234"
    single.mkdir(parents=True)
    (single / "result.json").write_bytes(msgspec.json.encode(result(Trial(protocol="raft"))))
    (single / ".hidden.json").write_text(SECRET)
    (single / "notes.txt").write_text(SECRET)
    os.mkfifo(single / "pipe.json")
    files = RunFolder(root / "a sweep")
    files.create()
    files.describe(description())
    files.append(rows())
    (base / "secret.json").write_text(SECRET)
    (base / "other" / "raft").mkdir(parents=True)
    (base / "other" / "raft" / "result.json").write_bytes(
        msgspec.json.encode(result(Trial(protocol="raft", seed=4242), error=SECRET))
    )
    (root / "linked-run").symlink_to(base / "other" / "raft")
    (root / "file-link.json").symlink_to(base / "secret.json")
    inner = root / "inner-link"
    inner.mkdir()
    (inner / "result.json").symlink_to(base / "other" / "raft" / "result.json")
    deep = root / "deep-link"
    deep.mkdir()
    (deep / "result.json").write_bytes(msgspec.json.encode(result(Trial(protocol="raft", seed=3))))
    (deep / "figures").symlink_to(base)
    (root / "not-a-run").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "result.json").write_text("{")
    server = Server(Site(root, load, command_of), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Client(int(server.server_address[1]), root)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_index_lists_every_run_and_what_came_out(client: Client) -> None:
    words = text(client.ask("/").body)
    for part in (
        "Which is &lt;better&gt;?",
        "44 trials",
        "1 violation",
        "raft, 3 nodes, seed 1",
        "served 101 operations a second",
        "It cannot be shown",
    ):
        assert part in words, part
    assert "not-a-run" not in words
    assert "linked-run" not in words
    assert client.ask("/").body.count('href="/') == 2  # neither the broken nor the linked ones


def test_a_report_that_was_not_written_is_made_and_nothing_is_written(client: Client) -> None:
    before = sorted(str(path) for path in client.root.rglob("*"))
    sweep = client.ask("/a%20sweep/")
    assert sweep.status == 200
    assert "Violations" in text(sweep.body)
    assert '<a href="/">all runs</a>' in sweep.body
    single = client.ask("/20260101T000000-raft-1234/")
    assert "served 101 operations a second" in text(single.body)
    assert client.ask("/20260101T000000-raft-1234/report.html").body == single.body
    assert sorted(str(path) for path in client.root.rglob("*")) == before


def test_a_sweep_that_goes_on_is_shown_as_it_is_now(client: Client) -> None:
    files = RunFolder(client.root / "running")
    files.create()
    files.describe(description(finished=False, notes=()))
    files.append(rows()[:3])
    assert "3 simulated trials" in text(client.ask("/running/").body)
    files.append(rows()[3:9])
    assert "9 simulated trials" in text(client.ask("/running/").body)


def test_files_of_a_run_can_be_fetched(client: Client) -> None:
    answer = client.ask("/20260101T000000-raft-1234/result.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert '"protocol":"raft"' in answer.body
    part = next((client.root / "a sweep" / "trials").glob("*.parquet"))
    assert client.ask(f"/a%20sweep/trials/{part.name}").status == 200


def test_head_is_get_without_its_body(client: Client) -> None:
    got, asked = client.ask("/"), client.ask("/", method="HEAD")
    assert asked.status == 200
    assert asked.body == ""
    assert asked.headers["Content-Length"] == got.headers["Content-Length"]


RUN = "20260101T000000-raft-1234"
OUT = [
    "/../secret.json",
    "/..%2fsecret.json",
    "/%2e%2e/secret.json",
    "/%2e%2e%2fsecret.json",
    "/%252e%252e%252fsecret.json",
    "/..%5csecret.json",
    "/..%c0%afsecret.json",
    "/%c0%ae%c0%ae/secret.json",
    f"/{RUN}/../../secret.json",
    f"/{RUN}/%2e%2e/%2e%2e/secret.json",
    f"/{RUN}/..",
    f"/{RUN}/../",
    f"/{RUN}//result.json",
    f"/{RUN}/./result.json",
    "//etc/passwd",
    "/etc/passwd",
    "/%2fetc%2fpasswd",
    "/file-link.json",
    "/linked-run/",
    "/linked-run",
    "/linked-run/result.json",
    "/inner-link/",
    "/inner-link/result.json",
    "/deep-link/",
    "/deep-link/figures/secret.json",
    f"/{RUN}/.hidden.json",
    f"/{RUN}/notes.txt",
    f"/{RUN}/pipe.json",
    f"/{RUN}/result.json/",
    f"/{RUN}/result.json%00.json",
    f"/{RUN}/result.json/x.json",
    f"/{RUN}/nothing.json",
    "/not-a-run/",
    "/nothing/",
    "/" + "a" * 300 + ".json",
    "/" + "a/" * 200 + "b.json",
    "*",
    "secret.json",
    "file:///etc/passwd",
    "http://example.com/",
]


@pytest.mark.parametrize("path", OUT)
def test_nothing_outside_the_folder_is_reached(client: Client, path: str) -> None:
    answer = client.ask(path)
    assert answer.status in (301, 400, 404), answer.body
    if answer.status == 301:
        to = answer.headers["Location"]
        assert to.startswith("/")
        assert not to.startswith("//")
        assert client.ask(to).status == 404
    assert SECRET not in answer.body
    assert "root:" not in answer.body
    assert "4242" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_are_refused_and_change_nothing(client: Client, method: str) -> None:
    before = (client.root / RUN / "result.json").read_bytes()
    answer = client.ask(f"/{RUN}/result.json", method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert (client.root / RUN / "result.json").read_bytes() == before


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil", ""])
def test_a_name_that_is_not_ours_is_refused(client: Client, host: str) -> None:
    """DNS rebinding: a page elsewhere makes its own name resolve to this machine."""
    answer = client.ask("/", host=host)
    assert answer.status == 421
    assert "raft" not in answer.body


def test_localhost_is_ours(client: Client) -> None:
    assert client.ask("/", host=f"localhost:{client.port}").status == 200
    assert client.ask("/", host=f"LOCALHOST:{client.port}").status == 200


def test_two_hosts_or_none_are_refused(client: Client) -> None:
    ours = f"Host: 127.0.0.1:{client.port}\r\n".encode()
    for hosts in (b"", ours + b"Host: evil.example\r\n"):
        answer = client.raw(b"GET / HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 421")


def test_garbage_is_answered_and_does_no_harm(client: Client) -> None:
    for data in (
        b"\x00\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ):
        client.raw(data)
    assert client.ask("/").status == 200


def test_pages_load_nothing_and_nobody_frames_them(client: Client) -> None:
    for path in ("/", f"/{RUN}/", f"/{RUN}/result.json", "/nothing/"):
        headers = client.ask(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "script-src 'sha256-" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Python" not in headers["Server"]


def test_it_listens_on_loopback_only(client: Client) -> None:
    with pytest.raises(OSError), socket.create_connection((_own_address(), client.port), timeout=2):
        pass


def _own_address() -> str:
    """An address of this machine that is not loopback; one that nobody has where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return "192.0.2.1"


def test_a_taken_port_says_so(client: Client) -> None:
    with pytest.raises(UsageError, match=rf"port {client.port} is taken: give another with --port, or 0"):
        Server(Site(client.root, load), client.port)


def test_the_index_as_a_file_links_only_what_was_written(tmp_path: Path) -> None:
    from bench.report import render

    root = tmp_path / "runs"
    for name in ("one", "t#o"):
        (root / name).mkdir(parents=True)
        (root / name / "result.json").write_bytes(msgspec.json.encode(result(Trial(protocol="raft"))))
    render(root / "t#o", root / "t#o" / "report.html", conclusion())
    html = index.write(root).read_text()
    assert 'href="t%23o/report.html"' in html
    assert "one/report.html" not in html
    assert html.count("<li data-kind") == 2
