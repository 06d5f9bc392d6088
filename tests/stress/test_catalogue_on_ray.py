"""A catalogue is separated on a Ray cluster whose nodes are killed at random: each song once, and nothing is lost.

`./test -m stress -s tests/stress/test_catalogue_on_ray.py`: 2,000 short songs in simulated S3, and a tenth of them in
folders, on three nodes. STRESS_SONGS, STRESS_KILLS, STRESS_NODES and STRESS_SEED change it. It needs an environment
with Ray, which it makes (0.7 GB).
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from benchmarks.ray_cluster import RayCluster, environment, ray_cluster, ray_python
from benchmarks.songs import write_song
from tests.simulators.moto_server import environment as aws_environment
from tests.simulators.moto_server import new_bucket
from tests.stress.run_options import SEED, option

from unbraid.separation import Separator
from unbraid.separation.song_record import RECORD

SONGS, KILLS, NODES = int(option("SONGS", 2000)), int(option("KILLS", 10)), int(option("NODES", 3))
DIFFERENT = 20  # songs; the others are copies with other names
COMPARED = 40  # songs whose stems are compared
SECONDS = 0.5  # of each song

# A module that Python imports at its start: the process ends when it opens the song.
DEADLY = """import os, sys
def end(event, arguments):
    if event == "open" and str(arguments[0]).endswith("deadly.wav"):
        os._exit(1)
sys.addaudithook(end)
"""

Files = Mapping[str, bytes]

pytestmark = pytest.mark.stress


@pytest.fixture(scope="module")
def python() -> Path:
    """Python of the environment with Ray."""
    return ray_python()


def catalogue(folder: Path, count: int) -> dict[str, bytes]:
    """Return `count` songs in folders of ten, a broken one, and a cover: path -> content."""
    sounds = [write_song(folder / f"{i}.wav", SECONDS, seed=SEED + i).read_bytes() for i in range(DIFFERENT)]
    songs = {f"album {i // 10}/song {i}.wav": sounds[i % DIFFERENT] for i in range(count - 1)}
    return {**songs, "album 0/broken.wav": b"broken", "album 0/cover.jpg": b"a picture"}


def run(
    python: Path,
    command: list[str],
    variables: Mapping[str, str],
    cluster: RayCluster,
    kills: int,
    count: int,
) -> list[dict[str, Any]]:
    """Run the command, kill nodes meanwhile, and return its events."""
    choose = random.Random(SEED)
    moments = sorted(choose.sample(range(count // 20, count * 9 // 10), kills))
    events = []
    with subprocess.Popen(
        [python, "-m", "unbraid", "separate", *command], env=variables, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if moments and len(events) >= moments[0]:
                moments.pop(0)
                cluster.kill_a_node()
                print(f"{len(events)} of {count} songs: killed a node", flush=True)
    assert not moments
    return events


def check(songs: Files, stems: Files, events: list[dict[str, Any]], model: Path, folder: Path) -> None:
    """Check that each song has its stems, and that there is nothing else."""
    names = sorted(event["input"] for event in events)
    assert names == sorted(name for name in songs if not name.endswith(".jpg"))
    states = Counter(event["status"] for event in events)
    # A song is skipped if its worker was lost after its stems were stored, but before it reported them.
    print(f"{states['done']} done, {states['skipped']} done by a worker that was lost", flush=True)
    assert (states["done"] + states["skipped"], states["failed"]) == (len(songs) - 2, 1)
    whole = {name.removesuffix(".wav") for name in names if "broken" not in name}
    expected = {f"{name}/{file}" for name in whole for file in (RECORD, "vocals.wav", "no_vocals.wav")}
    assert stems.keys() == expected
    separator = Separator(model)
    for name in random.Random(SEED).sample(sorted(whole), min(COMPARED, len(whole))):
        song = folder / "song.wav"
        song.write_bytes(songs[f"{name}.wav"])
        result = separator.separate_to_files(song, folder / "local")
        for path in result.files.values():
            assert stems[f"{name}/{path.name}"] == path.read_bytes()


def separate(
    python: Path, place: str, out: str, variables: Mapping[str, str], model: Path, count: int, kills: int
) -> list[dict[str, Any]]:
    """Separate the songs at `place` on a cluster, then once more without kills. Return the events of the first run."""
    with ray_cluster(python, NODES, variables) as cluster:
        command = [place, "-o", out, "--on", cluster.address, "-m", str(model), "--cpus", "1", "--json", "-q"]
        started = time.monotonic()
        events = run(python, command, variables, cluster, kills, count)
        print(f"{count} songs in {time.monotonic() - started:.0f} s with {kills} kills", flush=True)
        started = time.monotonic()
        again = run(python, command, variables, cluster, 0, count)
        print(f"the same again in {time.monotonic() - started:.0f} s", flush=True)
        assert {event["status"] for event in again} == {"skipped", "failed"}
        assert len(again) == len(events)
    return events


def test_killed_nodes_lose_no_song_in_s3(python: Path, aws: str, model_folder: Path, tmp_path: Path) -> None:
    source, target, client = new_bucket(), new_bucket(), boto3.client("s3")
    songs = catalogue(tmp_path, SONGS)
    for name, content in songs.items():
        client.put_object(Bucket=source, Key=f"in/{name}", Body=content)
    variables = environment(**aws_environment(aws))
    events = separate(
        python, f"s3://{source}/in", f"s3://{target}/out", variables, model_folder, SONGS, KILLS
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=target)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    stems = {
        key.removeprefix("out/"): client.get_object(Bucket=target, Key=key)["Body"].read() for key in keys
    }
    check(songs, stems, events, model_folder, tmp_path)


def test_killed_nodes_lose_no_song_in_folders(python: Path, model_folder: Path, tmp_path: Path) -> None:
    music, out, count = tmp_path / "music", tmp_path / "out", SONGS // 10
    songs = catalogue(tmp_path, count)
    for name, content in songs.items():
        (music / name).parent.mkdir(parents=True, exist_ok=True)
        (music / name).write_bytes(content)
    events = separate(
        python, f"file://{music}", f"file://{out}", environment(), model_folder, count, max(2, KILLS // 5)
    )
    stems = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    check(songs, stems, events, model_folder, tmp_path)


def test_a_song_that_ends_its_workers_fails_alone(python: Path, model_folder: Path, tmp_path: Path) -> None:
    music, patch = tmp_path / "music", tmp_path / "patch"
    patch.mkdir()
    (patch / "sitecustomize.py").write_text(DEADLY)
    music.mkdir()
    for name in ("deadly", *(f"song {i}" for i in range(11))):
        write_song(music / f"{name}.wav", SECONDS, seed=SEED)
    plain = environment()
    variables = {**plain, "PYTHONPATH": f"{plain['PYTHONPATH']}:{patch}"}
    with ray_cluster(python, 2, variables) as cluster:
        command = [f"file://{music}", "-o", f"file://{tmp_path}/out", "--on", cluster.address]
        command += ["-m", str(model_folder), "--cpus", "1", "--json", "-q"]
        events = run(python, command, plain, cluster, 0, 12)
    states = {event["input"]: event["status"] for event in events}
    assert states == {"deadly.wav": "failed", **{f"song {i}.wav": "done" for i in range(11)}}
    assert len(events) == 12
