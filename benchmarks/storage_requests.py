"""Requests to an object store for each song of a catalogue on Ray, counted before a simulated S3.

`python benchmarks/storage_requests.py [--songs 4] [--seconds 10]` lets one worker of a cluster separate N and 2 N songs
with `lite`, and prints the difference for each song: what start and end need is left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import boto3
from benchmarks.ray_cluster import environment, ray_python
from benchmarks.songs import write_song
from tests.simulators.moto_server import environment as aws_environment
from tests.simulators.moto_server import run_moto
from tests.simulators.relay import Answer, Call, passed_on, server

BUCKET = "catalogue"
WORKER = """
import sys
from unbraid.cluster.song_worker import DONE, SongWorker, Task
from unbraid.cluster.storage import Storage

task = Task(sys.argv[1], sys.argv[2], separator={"model": "lite"})
worker = SongWorker(task)
for song in Storage(task.source).songs(leave_out=Storage(task.out)):
    assert worker.separate(song).status == DONE
"""


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    counted = Counter[str]()
    with tempfile.TemporaryDirectory() as name, run_moto(Path(name) / "log") as moto:

        def take(call: Call) -> Answer:
            kind = "LIST" if call.method == "GET" and "list-type" in call.path else call.method
            counted[kind] += 1
            return passed_on(moto, call)

        store = boto3.client("s3", endpoint_url=moto, **keys(moto))
        store.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": store.meta.region_name}
        )
        song = write_song(Path(name) / "song.wav", options.seconds, seed=0).read_bytes()
        totals = []
        with server(take) as url:
            for count in (options.songs, 2 * options.songs):
                for number in range(count):
                    store.put_object(Bucket=BUCKET, Key=f"{count}/{number}.wav", Body=song)
                before = counted.copy()
                places = [f"s3://{BUCKET}/{count}", f"s3://{BUCKET}/out-{count}"]
                subprocess.run(
                    [ray_python(), "-c", WORKER, *places], env=environment(**aws_environment(url)), check=True
                )
                totals.append(counted - before)
    print(f"for each song of {options.seconds:.0f} s, with 4 stems in WAV:")
    for kind in sorted(counted):
        print(f"{kind}: {(totals[1][kind] - totals[0][kind]) / options.songs:.1f}")


def keys(url: str) -> dict[str, str]:
    """Arguments of a client of the simulator."""
    variables = aws_environment(url)
    return {
        "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
        "region_name": variables["AWS_DEFAULT_REGION"],
    }


if __name__ == "__main__":
    main()
