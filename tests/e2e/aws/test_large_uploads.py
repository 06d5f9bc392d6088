"""Large and too large songs against the deployed application, with the rights of its roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.conftest import WriteWave
from tests.e2e.aws.client import HTTP, Client
from tests.e2e.aws.test_page import built, chromium, page_host, visit
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.steps import card, pick
from tests.simulators.aws_account import AwsAccount

__all__ = ["built", "chromium", "page_host", "visit"]

PART_BYTES = 8 << 20


@pytest.fixture(scope="module")
def large_song(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song of two parts."""
    song = write_wave(tmp_path_factory.mktemp("songs") / "large.wav", 50.0)
    assert PART_BYTES < song.stat().st_size < 2 * PART_BYTES
    return song


def begin(client: Client, size: int) -> dict[str, Any]:
    """Call `POST /upload` with a size, and return the answer."""
    body = {"fileName": "song.wav", "fileType": "audio/wav", "fileSize": size}
    status, upload = client.call("POST", "/upload", body)
    assert status == 200, upload
    return upload  # type: ignore[no-any-return]


def parts(client: Client, upload: dict[str, Any]) -> dict[str, Any]:
    """Call `POST /upload/parts`, and return the answer."""
    status, answer = client.call("POST", "/upload/parts", {"sessionId": upload["sessionId"]})
    assert status == 200, answer
    return answer  # type: ignore[no-any-return]


def complete(client: Client, upload: dict[str, Any]) -> int:
    """Call `POST /upload/complete`, and return the status."""
    return client.call("POST", "/upload/complete", {"sessionId": upload["sessionId"]})[0]


def unfinished(aws_account: AwsAccount) -> list[str]:
    """Keys of multipart uploads that use storage."""
    uploads = aws_account.client("s3").list_multipart_uploads(Bucket=aws_account.bucket())
    return [one["Key"] for one in uploads.get("Uploads", [])]


def test_upload_in_parts_resumes_and_becomes_one_object(
    aws_account: AwsAccount, client: Client, large_song: Path
) -> None:
    song, page = large_song.read_bytes(), {"Origin": aws_account.page_origin}
    upload = begin(client, len(song))
    assert upload["partBytes"] == PART_BYTES
    first, second = parts(client, upload)["parts"]
    preflight = {**page, "Access-Control-Request-Method": "PUT"}
    assert HTTP.request("OPTIONS", second["url"], headers=preflight).status == 200
    sent = HTTP.request("PUT", second["url"], body=song[PART_BYTES:], headers=page)
    assert (sent.status, sent.headers["Access-Control-Allow-Origin"]) == (200, aws_account.page_origin)
    assert "etag" in sent.headers["Access-Control-Expose-Headers"]
    assert complete(client, upload) == 409
    assert client.process(upload)[0] == 409
    answer = parts(client, upload)
    assert (answer["uploaded"], [part["number"] for part in answer["parts"]]) == ([2], [1])
    for number, wrong in ((1, song[: PART_BYTES - 1]), (1, song[: PART_BYTES + 1])):
        refused = HTTP.request("PUT", answer["parts"][number - 1]["url"], body=wrong, headers=page)
        assert refused.status == 403
    assert HTTP.request("PUT", first["url"], body=song[:PART_BYTES], headers=page).status == 200
    assert [complete(client, upload), complete(client, upload)] == [200, 200]
    stored = aws_account.client("s3").get_object(Bucket=aws_account.bucket(), Key=upload["s3Key"])
    assert (stored["Body"].read(), stored["ContentType"]) == (song, "audio/wav")
    assert upload["s3Key"] not in unfinished(aws_account)
    assert client.process(upload)[0] == 202
    session = {"session_id": upload["sessionId"]}
    assert client.call("POST", "/cancel", session)[0] == 200
    assert client.call("POST", "/cleanup", session)[1]["deleted"] >= 2


def test_deleted_and_expired_sessions_leave_no_parts(aws_account: AwsAccount, client: Client) -> None:
    deleted, expired = begin(client, PART_BYTES + 1), begin(client, PART_BYTES + 1)
    for upload in (deleted, expired):
        last = parts(client, upload)["parts"][1]
        assert HTTP.request("PUT", last["url"], body=b"1").status == 200
        assert upload["s3Key"] in unfinished(aws_account)
    assert client.call("POST", "/cleanup", {"session_id": deleted["sessionId"]}) == (200, {"deleted": 1})
    aws_account.expire_earlier(expired["sessionId"], 25 * 3600)
    assert not aws_account.run_scheduled("sweep").failed
    assert not {deleted["s3Key"], expired["s3Key"]} & set(unfinished(aws_account))


def test_s3_refuses_a_song_of_another_size_than_announced(aws_account: AwsAccount, client: Client) -> None:
    body = {"fileName": "song.wav", "fileType": "", "fileSize": (2 << 30) + 1}
    assert client.call("POST", "/upload", body)[0] == 413
    upload = begin(client, 1000)
    headers = {"Content-Type": "audio/wav", "Origin": aws_account.page_origin}
    for size, expected in ((1001, 403), (999, 403), (1000, 200)):
        sent = HTTP.request("PUT", upload["uploadUrl"], body=bytes(size), headers=headers)
        assert sent.status == expected


def test_page_sends_a_large_song_in_parts(
    aws_account: AwsAccount, page_host: str, visit: OpenVisit, large_song: Path, chromium: Browser
) -> None:
    visitor = visit(f"{page_host}/")
    before = len(aws_account.gateway.uploaded_keys)
    pick(visitor.page, large_song)
    song = card(visitor.page, large_song)
    expect(song.get_by_role("button", name="Cancel")).to_be_visible()
    expect(song).not_to_contain_text("upload", ignore_case=True)
    inputs = [key for key in aws_account.gateway.uploaded_keys[before:] if key.startswith("inputs/")]
    assert len(inputs) == 2
    assert len(set(inputs)) == 1
    stored = aws_account.client("s3").head_object(Bucket=aws_account.bucket(), Key=inputs[0])
    assert stored["ContentLength"] == large_song.stat().st_size
    assert visitor.errors == []
    song.get_by_role("button", name="Cancel").click()
