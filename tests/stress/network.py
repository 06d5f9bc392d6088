"""A small network of machines: each is a network namespace whose cable can be pulled. Needs Linux and root."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_PAUSE_S = 1.0  # before a machine whose program has ended starts it again
STOP_S = 60.0


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@dataclass
class Machine:
    """A program in a namespace of its own, with one network interface."""

    namespace: str
    cable: str
    address: str
    folder: Path
    command: Sequence[str | Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    down_until: float = 0.0
    """Time, as of `time.monotonic`, before which the program stays down."""

    @property
    def log(self) -> Path:
        """Output of the program."""
        return self.folder / "log"

    def start(self) -> None:
        """Start the program."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *self.command],
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def keep_running(self) -> None:
        """Start the program again if it has ended, as a supervisor does."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self.process, self.down_until = None, max(self.down_until, now + START_PAUSE_S)
        if self.process is None and now >= self.down_until:
            self.start()

    def kill(self, down_s: float = 0.0) -> None:
        """Kill all processes of the machine (SIGKILL). They stay down for `down_s` seconds."""
        self.down_until = time.monotonic() + down_s
        while pids := self.pids():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.process is not None:
                self.process.wait()
            time.sleep(0.01)

    def stop(self) -> int:
        """Ask the program to end (SIGTERM), and return its exit code."""
        process = self.process
        assert process is not None
        process.terminate()
        return process.wait(STOP_S)

    def pull_the_cable(self) -> None:
        """Cut the machine off: packets get lost, and connections stay open."""
        _ip("link", "set", self.cable, "down")

    def plug_in(self) -> None:
        """Connect the machine again."""
        _ip("link", "set", self.cable, "up")

    def pids(self) -> list[int]:
        """Ids of the processes on the machine."""
        return [int(pid) for pid in _ip("netns", "pids", self.namespace).split()]


class Network:
    """A switch, with this process at the first address."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._tag = folder, f"u{random.SystemRandom().randrange(16**4):04x}"
        self._net = f"10.213.{random.SystemRandom().randrange(256)}"
        self.machines: list[Machine] = []
        _ip("link", "add", self._tag, "type", "bridge")
        _ip("address", "add", f"{self._net}.1/24", "dev", self._tag)
        _ip("link", "set", self._tag, "up")

    @property
    def range(self) -> str:
        """All addresses."""
        return f"{self._net}.0/24"

    def add(self, name: str) -> Machine:
        """Connect a new machine."""
        number = len(self.machines) + 10
        namespace, cable = f"{self._tag}-{name}", f"{self._tag}v{number}"
        machine = Machine(namespace, cable, f"{self._net}.{number}", self._folder / name)
        self.machines.append(machine)
        inside = ("-n", namespace)
        _ip("netns", "add", namespace)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("link", "set", cable, "master", self._tag, "up")
        _ip(*inside, "address", "add", f"{machine.address}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        _ip(*inside, "link", "set", "lo", "up")
        return machine

    def remove(self) -> None:
        """Kill all programs, and remove the machines and the switch."""
        for machine in self.machines:
            with suppress(subprocess.CalledProcessError):
                machine.kill()
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", machine.namespace)
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._tag)


@contextmanager
def network(folder: Path) -> Iterator[Network]:
    """Provide a network. Skips the test without root's rights or the program `ip`."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the program ip (sudo apt install iproute2)")
    try:
        made = Network(folder)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces can't be made here: {error.stderr}")
    try:
        yield made
    finally:
        made.remove()
