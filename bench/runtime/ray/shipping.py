"""Brings this very code to the machines of a cluster, which need its dependencies but not quorumbench itself.

Each machine is looked at once. Where it would import the same code, nothing is sent. Elsewhere the sources travel
through Ray's object store and are unpacked into a folder named after their contents; hosts there are created by a small
class, sent by value, that imports the real one from that folder. This costs no runtime environment, which would slow
every process; and every host says in its greeting which code it runs.
"""

from __future__ import annotations

import functools
import inspect
import io
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...address import answers_http2
from ...errors import HarnessError, UsageError
from ...provenance import ROOT
from . import bootstrap

ZONE = "zone:"
"""A custom resource of this name and a zone's makes a machine part of the zone."""
PACKAGES = ("cryptography", "msgspec", "numpy", "xxhash")
"""What a host imports beside the standard library and Ray."""
LOOK_S = 60.0
"""Seconds that machines may take to answer; most of it is the start of a Python process."""
REMOVE_S = 5.0
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Place(NamedTuple):
    """Where host processes can be: one raylet of the cluster, usually a machine.

    Attributes:
        node: Ray's number of it; empty for an embedded Ray.
        ip, port: where its raylet listens.
        zones: that it is part of.
        code: the folder with the code that was brought there; empty if it has the same code itself.
        disk: the folder for temporary files there, on a disk.
        machine: see :func:`.bootstrap.machine_id`.
    """

    node: str = ""
    ip: str = ""
    port: int = 0
    zones: frozenset[str] = frozenset()
    code: str = ""
    disk: str = ""
    machine: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.ip} (Ray node {self.node[:8]})"


def pack(root: Path = ROOT) -> tuple[str, bytes]:
    """(fingerprint, archive) of the packages in ``root``; the same sources give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in bootstrap.SOURCES:
            for path in sorted((root / package).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".so"):
                    name = path.relative_to(root).as_posix()
                    archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return bootstrap.fingerprint(str(root)), content.getvalue()


def survey(known: Mapping[str, Place], lost: Collection[str] = ()) -> dict[str, Place]:
    """The machines of the connected cluster that can run hosts, in order of their addresses, with the code there.

    Args:
        known: those that have been looked at already.
        lost: Ray nodes that are gone, which Ray itself only notices later.

    Raises:
        UsageError: no machine has a CPU, or one lacks packages.
        HarnessError: a machine does not answer, or the code cannot be unpacked there.
    """
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    alive = {
        node["NodeID"]: node
        for node in nodes
        if node["Alive"] and node["NodeID"] not in lost and node["Resources"].get("CPU", 0) > 0
    }
    if not alive:
        raise UsageError("no machine of the cluster has a CPU: start one with 'ray start --address=HOST:PORT'")
    fresh = [node for node in alive if node not in known]
    names = {node: f"{alive[node]['NodeManagerAddress']} (Ray node {node[:8]})" for node in alive}
    for node in fresh:
        if not answers_http2(alive[node]["NodeManagerAddress"], alive[node]["NodeManagerPort"]):
            port = alive[node]["NodeManagerPort"]
            raise HarnessError(f"the machine {names[node]} does not answer at port {port}: it is gone, or cut off")
    looks = _everywhere(bootstrap.look, fresh, names, (PACKAGES,), "to describe itself")
    for node, seen in looks.items():
        if seen["missing"]:
            lacking = ", ".join(seen["missing"])
            raise UsageError(f"the machine {names[node]} lacks {lacking}: install there what constraints.txt lists")
        if seen["problem"]:
            raise UsageError(f"the machine {names[node]} cannot keep state: {seen['problem']}")
    brought: dict[str, str] = {}
    if fresh:
        code, archive = pack()
        strange = [node for node in fresh if looks[node]["code"] != code]
        if strange:
            brought = _everywhere(bootstrap.unpack, strange, names, (ray.put(archive), code), "to unpack the code")
    places = dict(known)
    for node in fresh:
        seen = looks[node]
        places[node] = Place(
            node=node,
            ip=alive[node]["NodeManagerAddress"],
            port=alive[node]["NodeManagerPort"],
            zones=frozenset(each[len(ZONE) :] for each in alive[node]["Resources"] if each.startswith(ZONE)),
            code=brought.get(node, ""),
            disk=seen["disk"],
            machine=seen["machine"],
        )
    return {place.node: place for place in sorted(places.values(), key=_order) if place.node in alive}


def _order(place: Place) -> tuple[Any, ...]:
    parts = place.ip.split(".")
    return (*(int(part) if part.isdigit() else 0 for part in parts), place.ip, place.node)


def remove_folders(folders: Mapping[str, str]) -> None:
    """Remove a folder on each of these Ray nodes; best effort, within some seconds."""
    import ray

    refs = [_on(bootstrap.remove, node).remote(folder) for node, folder in folders.items()]
    if refs:
        ray.wait(refs, num_returns=len(refs), timeout=REMOVE_S)


def _on(function: Callable[..., Any], node: str) -> Any:
    """The function as a Ray task for one machine, sent by value."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    _by_value()
    options: dict[str, Any] = {"num_cpus": 0, "max_retries": 0}
    options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node, soft=False)
    task: Any = ray.remote(**options)
    return task(function)


def _by_value() -> None:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(bootstrap)  # type: ignore[no-untyped-call]


def _everywhere(
    function: Callable[..., Any], nodes: Iterable[str], names: Mapping[str, str], arguments: tuple[Any, ...], what: str
) -> dict[str, Any]:
    from .seat import answers

    refs = {f"the machine {names[node]}": (node, _on(function, node).remote(*arguments)) for node in nodes}
    found = answers({name: ref for name, (_, ref) in refs.items()}, LOOK_S, what)
    return {refs[name][0]: answer for name, answer in found.items()}


# --- hosts from that code ---------------------------------------------------------------------------------------------


@functools.cache
def shell() -> type[Any]:
    """A class that can be sent by value, and becomes the host of the code in a folder."""
    from .host import Host

    _by_value()
    orders = [name for name, method in vars(Host).items() if inspect.iscoroutinefunction(method) and name[0] != "_"]
    return bootstrap.make_shell(orders)


# --- who goes where ---------------------------------------------------------------------------------------------------


def spread(places: Collection[Place], zones: Iterable[str | None]) -> list[str]:
    """A Ray node for each process, as evenly as can be; ``zones``: the zone that each is meant for, or None.

    Where the cluster has machines in some of these zones, a process goes to one of its zone. Where it has none in any,
    zones are only simulated, and do not decide.

    Raises:
        UsageError: some of the zones have machines, but one of them has not.
    """
    wanted = list(zones)
    offered = {zone for place in places for zone in place.zones}
    real = any(zone in offered for zone in wanted)
    load = dict.fromkeys((place.node for place in places), 0)
    chosen = []
    for zone in wanted:
        able = [place.node for place in places if not real or zone is None or zone in place.zones]
        if not able:
            listing = ", ".join(sorted(offered))
            raise UsageError(
                f"zone {zone!r} has no machine in this cluster, which has {listing}: "
                f"start one with ray start --resources '{{\"{ZONE}{zone}\": 100}}'"
            )
        node = min(able, key=lambda node: load[node])
        load[node] += 1
        chosen.append(node)
    return chosen


def same_code(theirs: str, ours: str, where: str) -> None:
    """Raise :class:`HarnessError` unless a host runs the code of this process."""
    if theirs != ours:
        raise HarnessError(
            f"the worker at {where} runs code {theirs or 'of its own'} and this process {ours}: "
            "one of them was edited meanwhile, so start again"
        )
