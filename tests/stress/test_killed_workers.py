"""Workers and the server are killed at random moments: no song is lost, and nothing is left behind.

Each song is separated twice with `lite`: first undisturbed, then while a worker, the web process, or all processes at
once are killed (SIGKILL) after random pauses. The server is started again each time, and clients repeat their calls as
the page does. Every second client deletes its session at the end, so that some kills interrupt a deletion.

The short form kills three times. The long form (`./test -m stress tests/stress/test_killed_workers.py`) kills 50 times;
STRESS_JOBS, STRESS_KILLS, STRESS_WORKERS, STRESS_SONG_S and STRESS_SEED change it. Needs Linux.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from benchmarks.songs import write_song
from tests.stress.local_server import EXIT_CODE, STOP_S, LocalServer, files_in
from tests.stress.retrying_client import Job, length_of, transfer
from tests.stress.run_options import SEED, option

WEIGHTS = {"worker": 5, "server": 3, "all": 2}  # of ten kills
CONCURRENT_JOBS = 4
SWEEP_S = 20.0  # for the sweep at a start
HOUR_S = 3700.0  # after which the sweeper deletes interrupted uploads and deletions
AT_REST = {"unbraid.db", "unbraid.db-shm", "unbraid.db-wal", "secret", "objects", "scratch"}
AT_REST |= {f"objects/{kind}" for kind in ("inputs", "outputs", "mixes")}
FILES_PER_JOB = 1 + 2 * 3  # the song; for each of two stems its audio, preview and waveform


@dataclass(frozen=True)
class Run:
    """Size of a run. `pause_s`: shortest and longest time between two kills. Leases are 3 s instead of 15 s."""

    jobs: int
    targets: list[str]
    workers: int
    longest_song_s: float
    pause_s: tuple[float, float]


def long_run() -> Run:
    """20 jobs and 50 kills, unless the environment says otherwise."""
    kills = int(option("KILLS", 50))
    targets = random.Random(SEED).choices(list(WEIGHTS), list(WEIGHTS.values()), k=kills)
    return Run(int(option("JOBS", 20)), targets, int(option("WORKERS", 2)), option("SONG_S", 60), (0.1, 4.0))


RUNS = [
    pytest.param(Run(2, ["worker", "server", "all"], 1, 4.0, (0.1, 1.5)), id="short"),
    pytest.param(long_run(), id="long", marks=pytest.mark.stress),
]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes in /proc, which only Linux has"
)


@pytest.mark.parametrize("run", RUNS)
def test_killed_workers_lose_nothing(run: Run, tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", run)
    undisturbed, disturbed = [
        [Job(song, cleans_up=number % 2 == 1) for number, song in enumerate(songs)] for _ in range(2)
    ]
    with start_server(tmp_path / "undisturbed", run) as server, ThreadPoolExecutor(CONCURRENT_JOBS) as pool:
        list(pool.map(lambda job: job.run(server), undisturbed))
    print(f"undisturbed: {summary(undisturbed)}", flush=True)
    assert all(job.state == "COMPLETED" and not job.repeated_calls for job in undisturbed)
    with start_server(tmp_path / "killed", run) as server:
        killer = Killer(server, run)
        killer.run(disturbed)
        print(f"{killer.summary()}: {summary(disturbed)}", flush=True)
        check_ends(disturbed)
        for job in disturbed:
            if job.state == "FAILED":
                job.retried = True
                job.separate(server)
        print(f"failed jobs separated again, undisturbed: {summary(disturbed)}", flush=True)
        for before, after in zip(undisturbed, disturbed, strict=True):
            check_files(before, after)
        check_inputs_and_cleanup(server, disturbed)
        check_shutdown(server)


def start_server(folder: Path, run: Run) -> LocalServer:
    """Start a server without rate limits, whose leases expire early so that lost jobs are noticed sooner."""
    server = LocalServer(folder, "--workers", str(run.workers), lease_s=3, rate=1000, rate_burst=1000)
    server.start()
    return server


def write_songs(folder: Path, run: Run) -> list[Path]:
    """Write songs of half to all of the longest duration."""
    folder.mkdir()
    durations = random.Random(SEED)
    return [
        write_song(
            folder / f"{number}.wav", run.longest_song_s * durations.uniform(0.5, 1), seed=SEED + number
        )
        for number in range(run.jobs)
    ]


class Killer:
    """Runs jobs on a server and kills its processes meanwhile, with the kills spread evenly over the jobs."""

    def __init__(self, server: LocalServer, run: Run) -> None:
        self._server, self._run = server, run
        self._random = random.Random(SEED)
        self._targets = list(run.targets)
        self._kills: Counter[str] = Counter()
        self._during_jobs = 0

    def run(self, jobs: list[Job]) -> None:
        """Run until all kills are done and all jobs have ended."""
        total = len(self._targets)
        with ThreadPoolExecutor(len(jobs)) as pool:
            started: list[Future[None]] = []
            while self._targets or len(started) < len(jobs):
                # The last jobs wait for the last kills, so that no kill meets an idle server.
                due = len(jobs) if not self._targets else len(jobs) * (1 - len(self._targets) / total)
                running = sum(not job.done() for job in started)
                if len(started) < len(jobs) and (
                    running == 0 or (running < CONCURRENT_JOBS and len(started) < due)
                ):
                    started.append(pool.submit(jobs[len(started)].run, self._server))
                    continue
                time.sleep(self._random.uniform(*self._run.pause_s))
                if self._targets:
                    self._kill()
            for job in started:
                job.result()

    def summary(self) -> str:
        """Number of kills by target."""
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self._kills.items()))
        return f"{self._kills.total()} kills ({kinds}), {self._during_jobs} of them during a separation"

    def _kill(self) -> None:
        target, workers = self._targets[0], self._server.workers()
        if target == "worker" and not workers:
            return  # the workers are starting; try again after a pause
        self._during_jobs += self._separating()
        if target == "worker":
            os.kill(self._random.choice(workers), signal.SIGKILL)
        else:
            self._server.kill()
            for pid in workers if target == "all" else ():
                os.kill(pid, signal.SIGKILL)
            time.sleep(self._random.uniform(0, 1))
            self._server.start()
        self._kills[self._targets.pop(0)] += 1

    def _separating(self) -> bool:
        _, metrics = transfer("GET", f"{self._server.url}/metrics")
        return not re.search(rb'unbraid_sessions\{state="IN_PROGRESS"\} 0', metrics)


def summary(jobs: list[Job]) -> str:
    """Number of jobs in each state, and of repeated calls."""
    states = Counter(job.state for job in jobs)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{counts}; {sum(job.repeated_calls for job in jobs)} calls were repeated"


def check_ends(jobs: list[Job]) -> None:
    """Every job is completed, or has failed with a reason. A job fails when three workers were killed with it."""
    for job in jobs:
        assert job.state in ("COMPLETED", "FAILED"), (job.song.name, job.status)
        if job.state == "FAILED":
            assert job.status["error_message"], job.song.name
            print(f"  {job.song.name} FAILED: {job.status['error_message']}")


def check_files(before: Job, after: Job) -> None:
    """The disturbed job has the same files as the undisturbed one, and stems as long as the song."""
    name = after.song.name
    assert before.state == after.state == "COMPLETED", (name, before.status, after.status)
    assert after.hashes == before.hashes, f"{name}: files differ from the undisturbed run, or are missing"
    assert len(after.hashes) == FILES_PER_JOB - 1, name
    assert after.stem_lengths == {length_of(after.song)}, name


def check_inputs_and_cleanup(server: LocalServer, jobs: list[Job]) -> None:
    """Songs are unchanged until they are deleted, and deletion removes all their files and the record."""
    for job in jobs:
        if job.cleans_up and not job.retried:
            continue  # its client has deleted it
        stored = server.data / "objects" / job.key
        assert stored.is_file() and stored.read_bytes() == job.song.read_bytes(), job.song.name
        status, answer = server.call("POST", "/cleanup", {"session_id": job.session_id})
        assert (status, answer["deleted"]) == (200, FILES_PER_JOB + 1), job.song.name


def check_shutdown(server: LocalServer) -> None:
    """After a stop and one sweep, no file, record or process is left, and the log has no error."""
    assert server.stop() == EXIT_CODE
    interrupted = leftovers(server.data)
    for name in interrupted:
        os.utime(server.data / name, (time.time() - HOUR_S,) * 2)
    server.start()
    wait_while(lambda: leftovers(server.data), SWEEP_S)
    print(f"interrupted uploads and deletions: {len(interrupted)} files")
    assert leftovers(server.data) == []
    assert server.stop() == EXIT_CODE
    with closing(sqlite3.connect(server.data / "unbraid.db")) as database:
        states = Counter(state for (state,) in database.execute("SELECT state FROM sessions"))
    # A server that was killed before it answered POST /upload leaves a record whose id no client knows.
    print(f"records left: {dict(states)}")
    assert set(states) <= {"AWAITING_UPLOAD"}
    wait_while(server.processes, STOP_S)
    assert server.processes() == []
    assert server.logged_errors() == []


def wait_while(condition: Callable[[], object], within_s: float) -> None:
    """Wait until the condition is false, at most `within_s` seconds."""
    until = time.monotonic() + within_s
    while condition() and time.monotonic() < until:
        time.sleep(0.2)


def leftovers(data: Path) -> list[str]:
    """Files and folders that a server at rest does not have."""
    return [name for name in files_in(data) if name not in AT_REST]
