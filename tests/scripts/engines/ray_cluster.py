"""A Ray cluster of several nodes on this machine, each made by `ray start`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from checkout import ROOT


@dataclass
class RayCluster:
    """Nodes of one core each, which end with `close`."""

    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    address: str = ""
    client_address: str = ""
    _started: int = 0

    def add(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start one more node; the first is the head."""
        if not self.nodes:
            self.address, self.client_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
        port = self.address.rpartition(":")[2]
        words = ["--address", self.address]
        if not self.nodes:
            words = ["--head", f"--port={port}", "--include-dashboard=false"]
            client_port = self.client_address.rpartition(":")[2]
            words += [f"--ray-client-server-port={client_port}", f"--temp-dir={folder}"]
        words += ["--num-cpus=1", "--num-gpus=0", "--block", "--disable-usage-stats"]
        words += ["--object-store-memory=100000000", f"--node-ip-address={self._own_ip()}"]
        env = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        env |= {"OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}  # no token of the user's
        env |= {"RAY_health_check_period_ms": "500"}  # a lost node is seen early
        said = folder / f"node{time.monotonic_ns()}.log"
        with said.open("wb") as log:
            node = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *words],
                env=env,
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.nodes.append(node)
        deadline = time.monotonic() + 300
        while "Ray runtime started" not in said.read_text():
            assert node.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return node

    def _own_ip(self) -> str:
        """An address of this machine for the next node: the driver then finds the head by its."""
        self._started += 1
        return f"127.0.0.{self._started}"

    def remove(self, node: subprocess.Popen[bytes]) -> None:
        """Kill a node with all that it runs, as when a machine is lost."""
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        self.nodes.remove(node)

    def close(self) -> None:
        """End every node, the head last; Ray itself would take half a minute."""
        for node in [*reversed(self.nodes)]:
            self.remove(node)


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def ray_cluster(nodes: int) -> Iterator[RayCluster]:
    """A cluster of so many nodes; sockets of Unix have short names, so its folder has one."""
    cluster = RayCluster()
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        try:
            for _ in range(nodes):
                cluster.add(Path(folder))
            yield cluster
        finally:
            cluster.close()
