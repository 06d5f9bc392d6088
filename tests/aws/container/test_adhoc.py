"""Ad-hoc jobs keep the caller's other files, and only finished jobs are forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.aws.container.workspace import AwsWorkspace

from unbraid.aws import clients
from unbraid.aws.container import answers
from unbraid.aws.container.adhoc import REMEMBERED, AdhocJob, AdhocJobs
from unbraid.aws.container.requests import Invocation, S3Location
from unbraid.jobs.session import Choices


def job(session_id: str, bucket: str = "bucket", s3: Any = None) -> AdhocJob:
    song, output = S3Location(bucket, f"place/{session_id}/song.wav"), S3Location(bucket, "place")
    return AdhocJob(s3, Invocation(session_id, song, output, Choices(), None), Choices(), 60.0)


def test_deletes_only_files_that_it_stored(workspace: AwsWorkspace, short: Path, tmp_path: Path) -> None:
    uris = [workspace.upload(short, "place/id/song.wav"), workspace.upload(short, "place/id/vocals.wav")]
    s3 = clients.client("s3")
    one, other = job("id", workspace.bucket, s3), job("other", workspace.bucket, s3)
    one.delete_outputs()
    assert workspace.list_keys("place/") == [uri.split("/", 3)[3] for uri in uris]
    stem = tmp_path / "drums.wav"
    stem.write_bytes(short.read_bytes())
    assert one.put(stem) == "place/id/drums.wav"
    assert "place/id/drums.wav" in workspace.list_keys("place/")
    other.delete_outputs()
    assert "place/id/drums.wav" in workspace.list_keys("place/")
    one.delete_outputs()
    assert workspace.list_keys("place/") == [uri.split("/", 3)[3] for uri in uris]


def test_forgets_the_oldest_finished_job_first_and_never_an_unfinished_one() -> None:
    jobs, made = AdhocJobs(), [job(f"id-{number}") for number in range(REMEMBERED + 2)]
    for number, one in enumerate(made):
        if number > 0:
            one.answer = answers.INTERNAL_ERROR
        assert jobs.get_or_add(one) is one
    known = [jobs.get_or_add(job(f"id-{number}")) is made[number] for number in (0, 3)]
    assert known == [True, True]
    assert jobs.get_or_add(job("id-1")) is not made[1]
