"""The runs of a folder in a browser: over loopback only, read-only, and nothing outside the folder.

What keeps it so:

- The socket is bound to 127.0.0.1. A page elsewhere that makes its name resolve to it (DNS rebinding) is refused by its
  ``Host`` header.
- ``GET`` and ``HEAD`` only; nothing on disk changes.
- An address is split and unquoted once; ``..``, hidden names and anything with a backslash or a NUL are refused. Files
  are opened part by part below the folder without following links.
- Nothing of a response may load from elsewhere (``Content-Security-Policy``), nor be framed or read by other sites. Of
  scripts only those of the templates run, told by their hash: not what somebody put into the files of a run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from ..errors import UsageError
from . import index, violations
from .render import HOME

LOOPBACK = "127.0.0.1"
TYPES = {
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".png": "image/png",
}
"""What is handed out of a run's folder, by the end of its name; its report comes as the page of the run."""
HTML = "text/html; charset=utf-8"
KEPT = 8
"""Reports kept in memory."""
SCRIPTS = (
    '{% include "table.js" %}\n{% include "pointer.js" %}',  # report.html
    '{% include "table.js" %}',  # study.html
    '{% include "index.js" %}',
)
"""What stands between the ``<script>`` tags of the templates."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
Load = Callable[[Path], Any]


@functools.cache
def scripts() -> tuple[bytes, ...]:
    """The scripts of the templates, as they stand in pages."""
    from .render import environment

    return tuple(environment().from_string(text).render().encode() for text in SCRIPTS)


@functools.cache
def policy() -> str:
    """The ``Content-Security-Policy`` of every response."""
    known = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(each).digest()).decode()}'" for each in scripts())
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {known}; img-src 'self' data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


class Refused(Exception):
    """A request that is not answered, with its status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def not_found() -> Refused:
    """The one answer for what is not there, what is hidden, and what leads out of the folder."""
    return Refused(HTTPStatus.NOT_FOUND, "There is no such page. The list of runs is at /")


def parts_of(target: str) -> tuple[list[str], bool]:
    """The names in the path of a request, unquoted once, and whether it ends in a slash.

    Raises:
        Refused: it is no path below the folder.
    """
    if not target.startswith("/"):
        raise Refused(HTTPStatus.BAD_REQUEST, "The address must begin with a slash.")
    try:
        path = unquote_to_bytes(target.partition("?")[0].partition("#")[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(HTTPStatus.BAD_REQUEST, "The address is not UTF-8.") from None
    parts = path[1:].split("/")
    folder = parts[-1] == ""
    names = parts[:-1] if folder else parts
    if any(not name or name.startswith(".") or "\\" in name or "\0" in name for name in names):
        raise not_found()
    return names, folder


def read_below(root: Path, names: list[str]) -> bytes:
    """The bytes of a regular file below ``root``, opened name by name without following a link.

    Raises:
        Refused: there is none.
    """
    opened = []
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
        for name in names[:-1]:
            opened.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
        # without O_NONBLOCK, opening a pipe would wait for its writer
        opened.append(os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1]))
        if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
            raise not_found()
        with os.fdopen(opened.pop(), "rb") as file:
            return file.read()
    except (OSError, ValueError):
        raise not_found() from None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def state_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of every file in a run's folder but its report.

    Raises:
        UsageError: one of them is a link.
    """
    found = []
    for where, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            path = Path(where) / name
            seen = path.lstat()
            if stat.S_ISLNK(seen.st_mode):
                raise UsageError(f"{path.relative_to(folder)} is a link, which may lead out of the folder")
            if stat.S_ISREG(seen.st_mode) and name != "report.html":
                found.append((str(path.relative_to(folder)), seen.st_mtime_ns, seen.st_size))
    return tuple(found)


class Site:
    """What is shown: the index, and a report a run. Reports are rendered as they are asked for, and kept for a while.

    Args:
        root: the folder of the runs.
        load: reads a run's folder into a :class:`~bench.sweep.SweepResult`.
        again: makes the command that runs a trial again.
    """

    def __init__(self, root: Path, load: Load, again: violations.Again | None = None) -> None:
        self.root = root
        self._load = load
        self._again = again
        self._one_at_a_time = threading.Lock()  # matplotlib is not made for threads
        self._kept: OrderedDict[str, tuple[object, bytes]] = OrderedDict()

    def index(self) -> bytes:
        """The list of runs."""
        listed = [
            each if each.trouble else replace(each, report=f"/{quote(each.name)}/") for each in index.entries(self.root)
        ]
        return index.page(self.root, listed).encode()

    def report(self, name: str) -> bytes:
        """The report of a run: the one in its folder if it is newer than all else and of this version, or a new one.

        Raises:
            Refused: there is no such run, or it cannot be shown.
        """
        folder = self.root / name
        if folder.is_symlink() or not folder.is_dir() or not index.is_run(folder):
            raise not_found()
        try:
            state = state_of(folder)
            with self._one_at_a_time:
                kept = self._kept.get(name)
                if kept is None or kept[0] != state:
                    kept = state, self._written(folder, state) or self._rendered(folder)
                    self._kept[name] = kept
                self._kept.move_to_end(name)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        except UsageError as error:
            raise Refused(HTTPStatus.NOT_FOUND, f"The run cannot be shown: {error}.") from None
        return kept[1].replace(HOME.encode(), b'<a href="/">all runs</a> \xc2\xb7 ', 1)

    @staticmethod
    def _written(folder: Path, state: tuple[tuple[str, int, int], ...]) -> bytes | None:
        file = folder / "report.html"
        newest = max((changed for name, changed, _ in state if not name.startswith("violations/")), default=0)
        if not file.is_file() or file.stat().st_mtime_ns < newest:
            return None
        html = file.read_bytes()
        # one of another version, whose script would not run
        return html if any(b"<script>" + each + b"</script>" in html for each in scripts()) else None

    def _rendered(self, folder: Path) -> bytes:
        from .render import kept_in, page

        if (folder / index.STUDY).is_file() and not (folder / index.SWEEP).is_file():
            raise UsageError(f"its report was not written, or is out of date: 'bench report {folder.name}' writes it")

        result = self._load(folder)
        return page(result, kept_in(folder), write=False, again=self._again).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server_version = "quorumbench"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 15
    site: Site

    def do_GET(self) -> None:
        """A page, or a file."""
        self._answer()

    def do_HEAD(self) -> None:
        """The same without its body."""
        self._answer()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # any other method
            return self._refuse_method
        raise AttributeError(name)

    def _refuse_method(self) -> None:
        self.close_connection = True  # its body is not read
        refused = Refused(HTTPStatus.METHOD_NOT_ALLOWED, "This is for reading: GET and HEAD only.")
        self._send(refused.status, "text/plain; charset=utf-8", f"{refused}\n".encode(), {"Allow": "GET, HEAD"})

    def _answer(self) -> None:
        try:
            self._check_host()
            names, folder = parts_of(self.path)
            self._send(HTTPStatus.OK, *self._found(names, folder))
        except _Moved as moved:
            self._send(HTTPStatus.MOVED_PERMANENTLY, HTML, b"", {"Location": moved.to})
        except Refused as refused:
            self._send(refused.status, "text/plain; charset=utf-8", f"{refused}\n".encode())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except (OSError, ValueError):  # a name that no file can have, a file that went away meanwhile
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", f"{not_found()}\n".encode())
        except Exception as error:  # one broken run takes down no other
            text = f"The page could not be made: {type(error).__name__}: {error}\n"
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", text.encode())

    def _check_host(self) -> None:
        address: Any = self.server.server_address
        port = address[1]
        allowed = {f"{name}:{port}" for name in (LOOPBACK, "localhost")}
        allowed |= {LOOPBACK, "localhost"} if port == 80 else set()
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0].strip().lower() not in allowed:
            raise Refused(
                HTTPStatus.MISDIRECTED_REQUEST, f"This server answers to http://{LOOPBACK}:{port} only, from here."
            )

    def _found(self, names: list[str], folder: bool) -> tuple[str, bytes]:
        if not names:
            return HTML, self.site.index()
        if len(names) == 1 and not folder:
            if (self.site.root / names[0]).is_dir():
                raise _Moved(f"/{quote(names[0], safe='')}/")
            raise not_found()
        if len(names) == 1 or names[1:] == ["report.html"]:
            return HTML, self.site.report(names[0])
        kind = TYPES.get(os.path.splitext(names[-1])[1])
        if folder or kind is None:
            raise not_found()
        return kind, read_below(self.site.root, names)

    def _send(self, status: HTTPStatus, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Security-Policy", policy())
        for name, value in (HEADERS | {"Content-Type": kind, "Content-Length": str(len(body))} | (more or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the reader is at the same machine."""


class _Moved(Exception):
    def __init__(self, to: str) -> None:
        super().__init__(to)
        self.to = to


class Server(ThreadingHTTPServer):
    """Serves a site on loopback."""

    daemon_threads = True

    def __init__(self, site: Site, port: int) -> None:
        """``port``: 0 takes any that is free.

        Raises:
            UsageError: the port is taken, or not for everybody.
        """
        handler = type("SiteHandler", (Handler,), {"site": site})
        try:
            super().__init__((LOOPBACK, port), handler)
        except OSError as error:
            why = (
                "is taken" if isinstance(error, OSError) and error.errno == 98 else f"cannot be used: {error.strerror}"
            )
            raise UsageError(f"port {port} {why}: give another with --port, or 0 for any that is free") from None

    @property
    def address(self) -> str:
        """For the browser."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"
