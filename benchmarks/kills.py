"""Jobs on a server whose processes are killed at random moments: nothing is lost, and nothing is left behind.

    python benchmarks/kills.py [--jobs 20] [--kills 50] [--workers 2] [--seconds 60] [--seed 0]

Each song is separated twice with `lite`, first undisturbed, then while a worker, the web process, or all processes
at once are killed (SIGKILL) after random pauses; the server is started again each time, and clients ask again as
the page does. Every second client deletes its song at its end, so that kills fall into that too. Fails unless

- every job ends COMPLETED, or FAILED with a reason, and clients meet no other error than a connection that breaks;
- those that failed (work begins three times at most) are completed when they are asked for once more, undisturbed;
- every file of every job has the bytes of the undisturbed run, and the stems the song's number of samples;
- songs that were sent are as they were until they are deleted, and then neither files nor records of jobs are left:
  at once or, for what a kill cut off, by the sweeper an hour later;
- no process outlives the server, and no server wrote down a fault.

Leases are 3 s instead of 15, so that a job whose worker was killed is taken up sooner. Needs Linux.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from serving import HTTP, LEAVE_S, STOPPED, Served, files_in
from songs import write_song
from unbraid.audio.decode import Decoder

ENDED = ("COMPLETED", "FAILED", "CANCELLED")
TARGETS = {"worker": 5, "server": 3, "all": 2}  # how often each is killed, of ten
PAUSES_S = (0.1, 4.0)  # between two kills: a worker's start, and any moment of a job
TOGETHER = 4  # jobs that wait or are worked on at once
PATIENCE_S = 900.0  # after which a job has not ended
SWEPT_S = 20.0  # for the sweep at a start
HOUR_S = 3700.0  # after which the sweeper clears what was cut off
KEPT = {"unbraid.db", "unbraid.db-shm", "unbraid.db-wal", "secret", "objects", "scratch"}
KEPT |= {f"objects/{kind}" for kind in ("inputs", "outputs", "mixes")}
FILES = 1 + 2 * 3  # of a job that is done: the song; for each stem its sound, its preview and its waveform


@dataclass
class Job:
    """One song on its way, as its client knows it."""

    song: Path
    tidy: bool = False
    """Deleted by its client as soon as it has ended."""
    session_id: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Hashes of all that came of it."""
    samples: set[int] = field(default_factory=set)
    """Of its stems."""
    retried: bool = False
    """Asked for once more after it had failed."""
    broken: int = 0
    """Calls that got no answer, and were made again."""


def main() -> int:
    """Run, print what happened, and say whether the promise holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60, help="of the longest song (default 60)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        songs = write_songs(place / "songs", options.jobs, options.seconds, options.seed)
        undisturbed, disturbed = [
            [Job(song, number % 2 == 1) for number, song in enumerate(songs)] for _ in "ab"
        ]
        with serving(place / "undisturbed", options.workers) as server, ThreadPoolExecutor(TOGETHER) as pool:
            server.start()
            list(pool.map(lambda job: take(job, server), undisturbed))
        print(f"undisturbed: {count_states(undisturbed)}", flush=True)
        with serving(place / "killed", options.workers) as server:
            server.start()
            killer = Killer(server, options.kills, options.seed)
            began = time.monotonic()
            killer.run(disturbed)
            print(
                f"{killer.told()}, in {time.monotonic() - began:.0f} s: {count_states(disturbed)}", flush=True
            )
            wrong = ends(disturbed)
            for job in disturbed:
                if job.told["status"] == "FAILED":
                    job.retried = True
                    separate(
                        job, server, {"sessionId": job.session_id, "s3Key": key_of(job), "model": "lite"}
                    )
            print(f"once more, undisturbed: {count_states(disturbed)}", flush=True)
            wrong += [*differences(undisturbed, disturbed), *leavings(server, disturbed)]
    for line in wrong:
        print(f"  {line}")
    print("holds" if not wrong else "DOES NOT HOLD")
    return 1 if wrong else 0


def serving(folder: Path, workers: int) -> Served:
    """A server with so many workers."""
    return Served(folder, "--workers", str(workers), lease_s=3, rate=1000, rate_burst=1000)


def write_songs(folder: Path, count: int, seconds: float, seed: int) -> list[Path]:
    """As many songs, from half as long as `seconds` on."""
    folder.mkdir()
    lengths = random.Random(seed)
    return [
        write_song(folder / f"{number}.wav", seconds * lengths.uniform(0.5, 1), seed + number)
        for number in range(count)
    ]


def take(job: Job, server: Served) -> None:
    """What a client does: bring the song, have it separated, wait for the end, fetch all files."""
    upload = insist(
        job, lambda: server.call("POST", "/upload", {"fileName": job.song.name, "fileType": "audio/wav"})
    )
    job.session_id = upload["sessionId"]
    song = job.song.read_bytes()
    insist(job, lambda: fetched("PUT", upload["uploadUrl"], body=song, headers={"Content-Type": "audio/wav"}))
    asked = {"s3Key": upload["s3Key"], "sessionId": job.session_id, "model": "lite"}
    separate(job, server, asked)
    if job.tidy and job.told["status"] == "COMPLETED":
        insist(job, lambda: server.call("POST", "/cleanup", asked))


def separate(job: Job, server: Served, asked: dict[str, str]) -> None:
    """Ask for the stems, wait for the end, and fetch all files."""
    insist(job, lambda: server.call("POST", "/process", asked))
    job.told = {}
    until = time.monotonic() + PATIENCE_S
    while job.told.get("status") not in ENDED and time.monotonic() < until:
        job.told = insist(job, lambda: server.call("POST", "/status", {"session_id": job.session_id}))
        time.sleep(0.2)
    for file in job.told["output_files"]:
        for part in ("s3_url", "peaks_url", "play_url"):
            data = insist(job, lambda url=file[part]: fetched("GET", url))  # type: ignore[misc]
            job.files[f"{file['type']} {part}"] = hashlib.sha256(data).hexdigest()
            if part == "s3_url":
                job.samples.add(samples_in(data, job.song.with_name(f"{job.session_id}.wav")))


def insist(job: Job, call: Callable[[], tuple[int, Any]]) -> Any:
    """What is answered at last. Raises AssertionError for an answer that refuses."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            status, told = call()
        except urllib3.exceptions.HTTPError:
            job.broken += 1
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
            continue
        if status not in (200, 202):
            raise AssertionError(f"{job.song.name} was answered by {status}: {told}")
        return told


def fetched(method: str, url: str, **more: Any) -> tuple[int, bytes]:
    """Status and body at a link."""
    answer = HTTP.request(method, url, **more)
    return answer.status, answer.data


def samples_in(sound: bytes, place: Path) -> int:
    """How many can be decoded."""
    place.write_bytes(sound)
    with Decoder(place) as decoder:
        count = sum(block.shape[1] for block in decoder)
    place.unlink()
    return count


class Killer:
    """Kills so many times, spread over the jobs of a run."""

    def __init__(self, server: Served, kills: int, seed: int) -> None:
        self._server, self._kills, self._random = server, kills, random.Random(seed)
        self._done: Counter[str] = Counter()
        self._in_a_job = 0

    def run(self, jobs: list[Job]) -> None:
        """Until all kills are done and all jobs have ended."""
        with ThreadPoolExecutor(len(jobs)) as pool:
            begun: list[Future[None]] = []
            while self._total < self._kills or len(begun) < len(jobs):
                # The last jobs wait for the last kills, so that none of these meets an idle server.
                due = len(jobs) if self._total == self._kills else len(jobs) * self._total / self._kills
                going = sum(not one.done() for one in begun)
                if len(begun) < len(jobs) and (going == 0 or (going < TOGETHER and len(begun) < due)):
                    begun.append(pool.submit(take, jobs[len(begun)], self._server))
                    continue
                time.sleep(self._random.uniform(*PAUSES_S))
                if self._total < self._kills:
                    self._kill()
            for one in begun:
                one.result()

    def told(self) -> str:
        """What was killed."""
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self._done.items()))
        return f"{self._total} kills ({kinds}), {self._in_a_job} of them while a job was worked on"

    @property
    def _total(self) -> int:
        return sum(self._done.values())

    def _kill(self) -> None:
        [target] = self._random.choices(list(TARGETS), list(TARGETS.values()))
        workers = self._server.workers()
        if target == "worker" and not workers:
            return  # they are about to start; later
        self._in_a_job += self._somebody_works()
        if target == "worker":
            os.kill(self._random.choice(workers), signal.SIGKILL)
        else:
            self._server.kill()
            for pid in workers if target == "all" else ():
                os.kill(pid, signal.SIGKILL)
            time.sleep(self._random.uniform(0, 1))
            self._server.start()
        self._done[target] += 1

    def _somebody_works(self) -> bool:
        _, numbers = fetched("GET", f"{self._server.address}/metrics")
        return not re.search(rb'unbraid_sessions\{state="IN_PROGRESS"\} 0', numbers)


def count_states(jobs: list[Job]) -> str:
    """How they ended."""
    states = Counter(job.told.get("status", "nothing") for job in jobs)
    broken = sum(job.broken for job in jobs)
    return (
        ", ".join(f"{count} {state}" for state, count in states.items()) + f"; {broken} calls were made again"
    )


def key_of(job: Job) -> str:
    """Where the song lies in the object store."""
    return f"inputs/{job.session_id}/song.wav"


def ends(jobs: list[Job]) -> list[str]:
    """Jobs that did not end as they may."""
    reasons = Counter(job.told["error_message"] for job in jobs if job.told["status"] == "FAILED")
    for reason, count in reasons.items():
        print(f"  {count} FAILED: {reason}")
    return [
        f"{job.song.name} ended {job.told['status']}: {job.told['error_message']}"
        for job in jobs
        if job.told["status"] != "COMPLETED"
        and not (job.told["status"] == "FAILED" and job.told["error_message"])
    ]


def differences(undisturbed: list[Job], disturbed: list[Job]) -> list[str]:
    """What came of the songs in the end, where it isn't what it should be."""
    wrong = []
    for before, after in zip(undisturbed, disturbed, strict=True):
        name = after.song.name
        wrong += [f"{name}: {job.told}" for job in (before, after) if job.told["status"] != "COMPLETED"]
        if after.files != before.files or len(after.files) != FILES - 1:
            wrong.append(f"{name}: files differ from the undisturbed run, or are missing")
        with Decoder(after.song) as decoder:
            length = sum(block.shape[1] for block in decoder)
        if after.samples != {length}:
            wrong.append(f"{name} has {length} samples, its stems {after.samples}")
    return wrong


def leavings(server: Served, jobs: list[Job]) -> list[str]:
    """What is lost, or still there when it should be gone. The server has stopped then."""
    wrong = []
    for job in jobs:
        if job.tidy and not job.retried:
            continue  # deleted by its client
        kept = server.data / "objects" / key_of(job)
        if not kept.is_file() or kept.read_bytes() != job.song.read_bytes():
            wrong.append(f"{job.song.name} is no longer what was sent")
        status, told = server.call("POST", "/cleanup", {"session_id": job.session_id})
        if status != 200 or (
            job.told["status"] == "COMPLETED" and told["deleted"] != FILES + 1
        ):  # and the record
            wrong.append(f"{job.song.name}: cleanup says {told}")
    wrong += stopped(server)
    cut_off = left_in(server.data)
    for name in cut_off:
        os.utime(server.data / name, (time.time() - HOUR_S,) * 2)
    server.start()
    until = time.monotonic() + SWEPT_S
    while left_in(server.data) and time.monotonic() < until:
        time.sleep(0.2)
    print(
        f"cut off in the middle of a deletion or an upload: {len(cut_off)}, after an hour {len(left_in(server.data))}"
    )
    wrong += [f"left behind: {name}" for name in left_in(server.data)]
    wrong += stopped(server)
    with closing(sqlite3.connect(server.data / "unbraid.db")) as database:
        states = Counter(state for (state,) in database.execute("SELECT state FROM sessions"))
    # Those whose id no client has ever heard of: the server was killed before it told.
    print(f"records left: {dict(states)}")
    wrong += [
        f"left behind: {count} records {state}"
        for state, count in states.items()
        if state != "AWAITING_UPLOAD"
    ]
    until = time.monotonic() + LEAVE_S
    while server.processes() and time.monotonic() < until:
        time.sleep(0.2)
    wrong += [f"process {pid} is left" for pid in server.processes()]
    return wrong + [f"in the log: {line[:500]}" for line in server.faults()]


def stopped(server: Served) -> list[str]:
    """Nothing, where it ends as it should."""
    code = server.stop()
    return [] if code == STOPPED else [f"the server ended with {code}"]


def left_in(data: Path) -> list[str]:
    """Files and folders that belong to no server at rest."""
    return [name for name in files_in(data) if name not in KEPT]


if __name__ == "__main__":
    sys.exit(main())
