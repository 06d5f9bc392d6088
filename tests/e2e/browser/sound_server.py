"""A sound card without hardware: PulseAudio with a null sink, whose sound can be recorded."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PULSEAUDIO = Path("/usr/bin/pulseaudio")
RATE = 44100
SINK = "test"
STARTING_S = 60  # long, as the machine may be busy


class SoundServer:
    """A running server. Programs with its environment play to it."""

    def __init__(self, socket: Path) -> None:
        self.address = f"unix:{socket}"
        self.environment = {**os.environ, "PULSE_SERVER": self.address}

    def answers(self) -> bool:
        """Whether the sink is there."""
        command = ["pactl", "--server", self.address, "list", "short", "sinks"]
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
        return SINK in listed.stdout

    def record(self, seconds: float) -> NDArray[np.float32]:
        """Record the sink from now on: mono samples at RATE."""
        command = ["parec", "--server", self.address, "--device", f"{SINK}.monitor", "--latency-msec", "50"]
        command += ["--rate", str(RATE), "--channels", "1", "--format", "float32le"]
        wanted = round(seconds * RATE) * 4
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            sound = process.stdout.read(wanted)
            process.terminate()
        assert len(sound) == wanted
        return np.frombuffer(sound, "<f4")


@contextmanager
def running_sound_server(folder: Path) -> Iterator[SoundServer]:
    """A server of its own in a new folder; ends with the test."""
    folder.mkdir()
    server = SoundServer(folder / "socket")
    command = [
        str(PULSEAUDIO),
        "-n",
        "--daemonize=no",
        "--exit-idle-time=-1",
        "--realtime=no",
        "--high-priority=no",
    ]
    command.append(f"--load=module-null-sink sink_name={SINK} rate={RATE}")
    command.append(f"--load=module-native-protocol-unix socket={folder / 'socket'} auth-anonymous=1")
    environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + STARTING_S
            while not server.answers():
                if time.monotonic() > end or process.poll() is not None:
                    raise AssertionError("PulseAudio did not start")
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
