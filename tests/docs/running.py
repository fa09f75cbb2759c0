"""Runs a page of documentation: its files are written, its commands are run, and what it shows is looked for."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

import bench
from bench import plugins
from bench.cli import main
from protocols.registry import MODULES

ROOT = Path(bench.__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAVED = re.compile(r"[Ss]ave this as\s+`([^`]+)`:\s*$")
_CODE = re.compile(r"# exits with (\d+)\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the file it is to be saved as, and its first line in the page."""

    language: str
    text: str
    saved: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All of a page."""
    source = page.read_text()
    found = []
    for match in _BLOCK.finditer(source):
        saved = _SAVED.search(source[: match.start()].rstrip() + "\n".rstrip())
        found.append(Block(match[1], match[2], saved[1] if saved else "", source[: match.start()].count("\n") + 1))
    return found


def install(folder: Path, into: Path) -> None:
    """What an installer leaves of the project in a folder: a link to it, and what its distribution says of itself."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = into / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def run_page(page: Path, folder: Path) -> str:
    """Run everything in a folder, in order; what was printed. Fails at the first thing that is not as the page says."""
    with _at_home(folder):
        return _run(page, folder)


@contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    """In the folder, with what is installed there on the path, and nothing of it left behind."""
    modules, protocols, path, here = dict(sys.modules), dict(MODULES), list(sys.path), Path.cwd()
    sys.path[:0] = [str(folder / ".site"), str(folder)]
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        sys.path[:] = path
        for name in set(sys.modules) - set(modules):
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
        for name in set(MODULES) - set(protocols):
            del MODULES[name]
        plugins._found.cache_clear()


def _invoke(command: str, folder: Path, env: dict[str, str]) -> tuple[int, str]:
    """The command's exit code and what it printed; ``bench`` runs in this process, for its start takes a second."""
    words = shlex.split(command, comments=True)
    if words[0] == "bench" and not set(command) & set("*$|"):
        plugins._found.cache_clear()
        ended = CliRunner().invoke(main, words[1:])
        return ended.exit_code, ended.output
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _run(page: Path, folder: Path) -> str:
    site = folder / ".site"
    bin_ = folder / ".bin"
    bin_.mkdir()
    for name in ("python", "bench"):
        module = "" if name == "python" else " -m bench"
        (bin_ / name).write_text(f'#!/bin/sh\nexec {sys.executable}{module} "$@"\n')
        (bin_ / name).chmod(0o755)
    path = os.pathsep.join(map(str, (site, folder, ROOT)))
    env = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path, "COLUMNS": "100"}
    printed = recent = ""
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.saved:
            (folder / block.saved).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.saved).write_text(block.text)
        elif block.language == "sh":
            recent = ""
            for command in re.sub(r"\\\n\s*", "", block.text).splitlines():
                if not command.strip() or command.startswith("#"):
                    continue
                if command.startswith("pip install"):
                    install(folder, site)  # as pip would, without a build
                    continue
                wanted = _CODE.search(command)
                code, output = _invoke(command, folder, env)
                recent += output
                assert code == int(wanted[1] if wanted else 0), f"{where}: {command}\n{recent[-3000:]}"
            printed += recent
        elif block.language == "text":
            for line in block.text.splitlines():
                assert " ".join(line.split()) in " ".join(recent.split()), f"{where}: {line}\n{recent[-3000:]}"
    return printed
