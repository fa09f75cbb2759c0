"""``bench serve``: the runs of a folder in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from .options import option, verb

HELP = """Show the runs of FOLDER (default: runs) in a browser: a list of all, and the report of each.

It listens on this machine only (127.0.0.1), changes nothing, and reaches nothing outside FOLDER. Reports that were not
written yet are made as they are opened, and those of a sweep that still runs show what there is. Ctrl-C ends it.

\b
Examples:
  bench serve
  bench serve /data/runs --port 0        any free port
"""


@verb("serve", HELP)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@option("Options", "--port", type=int, default=8750, show_default=True, help="Of loopback; 0: any that is free.")
def command(folder: Path | None, port: int) -> int:
    """Bind, say where, serve until Ctrl-C."""
    from ..errors import UsageError
    from ..report.index import is_run
    from ..report.serving import Server, Site
    from . import store
    from .command import command_of
    from .report import load

    root = store.RUNS if folder is None else folder
    if not root.is_dir():
        made = "'bench run' and 'bench sweep' make it" if folder is None else "give a folder with runs in it"
        raise UsageError(f"there is no folder {root}: {made}")
    if is_run(root):
        raise UsageError(f"{root} is one run: give the folder it is in, {root.resolve().parent.name}")
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port} is out of range: 0 to 65535")
    with Server(Site(root, load, command_of), port) as server:
        click.echo(f"{root} at {server.address} (Ctrl-C ends)")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            click.echo()
    return 0
