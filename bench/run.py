"""Runs one trial in its world and judges it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocols.family import Family

from .assess import assess
from .errors import UsageError
from .faults.lying import check_lie
from .faults.notation import format_fault
from .faults.spec import Membership
from .mutation import find_mutant, load_family
from .params import build_configs
from .provenance import provenance
from .runtime.record import RunRecord
from .trial import Floor, Result, Trial

if TYPE_CHECKING:
    from .runtime.ray.session import RaySession


def prepare(trial: Trial) -> tuple[Family, Any, Any]:
    """The protocol (mutated if the trial says so) and its validated parameters.

    Raises:
        UsageError: the trial cannot be; nothing has been started or written.
    """
    trial.validate()
    family = load_family(trial.protocol, trial.mutant)
    params = dict(trial.params)
    if trial.mutant is not None:
        params = {**find_mutant(load_family(trial.protocol), trial.mutant).params, **params}
    server_config, client_config = build_configs(family, params, trial.nodes)
    for fault in trial.faults:
        check_lie(fault, family, trial.runtime)
        if isinstance(fault, Membership) and not family.reconfigures:
            raise UsageError(
                f"fault '{format_fault(fault)}': servers of {family.name} cannot be added or removed while it runs"
            )
    return family, server_config, client_config


def open_session(address: str | None = None, besides: Collection[str] = ()) -> RaySession:
    """A context manager that keeps node actors between live trials; pass it to :func:`run_trial`.

    Args:
        address: of a running cluster; None starts an embedded local one.
        besides: Ray nodes of that cluster that are left to other sessions.
    """
    from .runtime.ray.session import RaySession

    return RaySession(address, besides=besides)


def find_cluster(address: str) -> str:
    """The address itself, or what ``auto`` means, once a cluster answers there and lets this process in.

    Raises:
        UsageError: none does, within seconds; Ray itself would try for much longer.
    """
    from .address import probe
    from .runtime.ray import access

    if address != access.AUTO:
        probe(address)
    found = access.find(address)
    access.check(found)
    return found


def session_alive(session: RaySession) -> bool:
    """Whether the Ray of a session is still there: without it, every further trial would fail."""
    return session.cluster.alive()


def floor_of(session: RaySession, trial: Trial) -> Floor:
    """What the session's cluster does without a protocol, for the client count and the link of a trial.

    It is measured once a session, in about 4 s, and 2 s more for links by actor calls.
    """
    from .runtime.ray.floor import with_ray_null

    floor = session.floor(trial.workload.clients)
    return with_ray_null(session, floor) if trial.link == "ray" else floor


def run_trial(
    trial: Trial,
    *,
    address: str | None = None,
    progress: Callable[[str], None] | None = None,
    session: RaySession | None = None,
    history: Path | None = None,
) -> tuple[Result, RunRecord]:
    """Run a trial and judge it.

    Args:
        trial: what to run.
        address: (ray) of a running cluster; None starts an embedded local one.
        progress: called with a few words whenever the run enters another phase.
        session: (ray) keeps actors between trials; None makes one for this trial.
        history: (ray) what clients see is streamed to this path + ``.unfinished`` while the trial runs.

    Raises:
        UsageError: the trial cannot be.
        HarnessError: the harness failed.
    """
    family, server_config, client_config = prepare(trial)
    if trial.runtime == "sim":
        from .runtime.sim.run import simulate

        record = simulate(trial, family, server_config, client_config)
    elif session is not None:
        record = session.run(trial, progress, history=history)
        # a session's floors know TCP links only: who wants one for another link asks floor_of
        record.floor = session.known_floor(trial.workload.clients) if trial.link == "tcp" else None
    else:
        from .runtime.ray.session import RaySession

        with RaySession(address) as own:
            record = own.run(trial, progress, history=history)
            record.floor = floor_of(own, trial)
    where = {"workers": record.workers} if record.workers else {}
    return assess(trial, record, family, provenance() | where), record
