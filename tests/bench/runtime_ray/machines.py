"""Machines on this one: each with a network of its own (namespace, address, firewall) and clocks of its own.

Linux's network and time namespaces are what containers are made of; nothing in them is shared but the kernel, the files
and the processors. Needs root, ``ip`` (iproute2), ``nft`` (nftables) and ``unshare`` (util-linux).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from .raylets import Raylets

PORTS = "20000-20099"
"""Of nodes' processes, as docs/cluster.md says to fix them."""
RAY = [
    "--node-manager-port=7001",
    "--object-manager-port=7002",
    "--min-worker-port=10000",
    "--max-worker-port=10199",
]
FIREWALL = f"""
table inet machine {{
  chain input {{
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iif lo accept
    ip saddr NETWORK tcp dport {{ 6379, 7001, 7002, 10000-10199, {PORTS} }} accept
    ip saddr NETWORK udp dport {PORTS} accept
    meta l4proto {{ tcp, udp }} counter comment "dropped"
  }}
}}
"""
AHEAD_S = 1000
"""By how much the clock of each machine is ahead of the one before."""


def missing() -> str:
    """Why there can be no machines here; empty if there can."""
    if os.geteuid() != 0:
        return "network and time namespaces need root"
    absent = [tool for tool in ("ip", "nft", "unshare") if shutil.which(tool) is None]
    if absent:
        return f"{', '.join(absent)} not found: install iproute2, nftables and util-linux"
    tried = subprocess.run(["unshare", "-n", "-T", "--monotonic", "1", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"this kernel has no namespaces to offer: {tried.stderr.decode().strip()}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10, capture_output=True)


class Machines(Raylets):
    """A cluster of them, on one switch."""

    def __init__(self, python: Path, folder: Path, count: int, **environment: str) -> None:
        super().__init__(python, folder, QUORUMBENCH_PORTS=PORTS, **environment)
        self.options = RAY
        self.name = f"qb{secrets.token_hex(3)}"
        network = f"10.83.{secrets.randbelow(256)}"
        self.addresses = [f"{network}.{number}" for number in range(1, count + 1)]
        _ip("netns", "add", f"{self.name}s")
        try:
            self._wire(network)
        except BaseException:
            self.stop()
            raise

    def _wire(self, network: str) -> None:
        switch = f"{self.name}s"
        _ip("-n", switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", switch, "link", "set", "switch", "up")
        for number, address in enumerate(self.addresses):
            machine = f"{self.name}{number}"
            _ip("netns", "add", machine)
            ends = ["eth0", "netns", machine, "type", "veth", "peer", "name", f"port{number}", "netns", switch]
            _ip("link", "add", *ends)
            _ip("-n", switch, "link", "set", f"port{number}", "master", "switch", "up")
            _ip("-n", machine, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", machine, "link", "set", device, "up")
            rules = FIREWALL.replace("NETWORK", f"{network}.0/24").encode()
            subprocess.run(["ip", "netns", "exec", machine, "nft", "-f", "-"], input=rules, check=True, timeout=10)

    def inside(self, ip: str) -> list[str]:
        """What to put before a command that is to run on the machine: its network, its clocks, its folder of disks."""
        number = self.addresses.index(ip)
        disk = self.folder / f"disk{number}"
        disk.mkdir(exist_ok=True)
        clocks = ["unshare", "-m", "-T", "--monotonic", str(AHEAD_S * number), "--boottime", str(AHEAD_S * number)]
        mount = f'mount --bind {disk} /var/tmp && export TMPDIR=/var/tmp && exec "$@"'
        return ["ip", "netns", "exec", f"{self.name}{number}", *clocks, "sh", "-c", mount, "sh"]

    def dropped(self) -> int:
        """Packets that a firewall refused so far."""
        total = 0
        for number in range(len(self.addresses)):
            command = ["ip", "netns", "exec", f"{self.name}{number}", "nft", "list", "ruleset"]
            rules = subprocess.run(command, check=True, timeout=10, capture_output=True, text=True).stdout
            line = next(line for line in rules.splitlines() if "counter" in line)
            total += int(line.split("packets ")[1].split()[0])
        return total

    def stop(self) -> None:
        """All processes, then all networks."""
        super().stop()
        for name in [f"{self.name}{number}" for number in range(len(self.addresses))] + [f"{self.name}s"]:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "del", name)
