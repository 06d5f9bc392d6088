"""The calls of the page against the deployed application, from a song to its stems."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.aws.client import HTTP, Client
from tests.simulators.aws_account import AwsAccount

from unbraid import Separator


def test_original_clients_calls_give_the_command_lines_stems(
    aws_account: AwsAccount, client: Client, song: Path, command_line_stems: Path
) -> None:
    """Makes the calls in the page's order. The stems equal those of the command line, byte for byte."""
    page = {"Origin": aws_account.page_origin}
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    allowed = HTTP.request("OPTIONS", f"{aws_account.api_url}/upload", headers={**page, **preflight})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (204, aws_account.page_origin)
    upload = client.upload("My song.wav")
    assert upload["expiresIn"] == 3600

    preflight["Access-Control-Request-Method"] = "PUT"
    allowed = HTTP.request("OPTIONS", upload["uploadUrl"], headers={**page, **preflight})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, aws_account.page_origin)
    sent = HTTP.request(
        "PUT", upload["uploadUrl"], body=song.read_bytes(), headers={**page, "Content-Type": "audio/wav"}
    )
    assert sent.status == 200

    status, started = client.process(upload)
    assert (status, started["sessionId"]) == (202, upload["sessionId"])
    assert started["status"] in ("PENDING", "IN_PROGRESS")

    done = client.wait(upload["sessionId"], "COMPLETED")
    assert done["progress"] == 1
    stems = client.stems(done)
    assert list(stems) == ["vocals.wav", "no_vocals.wav"]
    for name, data in stems.items():
        assert data == (command_line_stems / name).read_bytes()

    status, deleted = client.call("POST", "/cleanup", {"session_id": upload["sessionId"]})
    assert status == 200
    assert deleted["deleted"] > 0
    # 403, not 404: the role that signed the link may not list the bucket, so S3 hides that the object is gone.
    assert HTTP.request("GET", done["output_files"][0]["s3_url"]).status == 403
    assert client.call("POST", "/cleanup", {"session_id": upload["sessionId"]}) == (200, {"deleted": 0})
    # Requests to the endpoint stay until the bucket's lifecycle rule deletes them. They name deleted files.
    assert all(key.startswith("requests/") for key in aws_account.keys_of(upload["sessionId"]))


def test_health_check_reads_the_table(client: Client) -> None:
    assert client.call("GET", "/healthz")[0] == 200


def test_a_stem_is_separated_further_and_deleted_with_its_song(
    aws_account: AwsAccount, client: Client, song: Path, command_line_stems: Path, tmp_path: Path
) -> None:
    session_id = client.start(song.read_bytes(), model="lite")
    client.wait(session_id, "COMPLETED")
    split = {"sessionId": session_id, "from": "no_vocals", "model": "lite"}
    status, started = client.call("POST", "/process", split)
    assert (status, started["status"]) == (202, "PENDING")
    assert client.call("POST", "/process", split)[1]["sessionId"] == started["sessionId"]
    client.wait(started["sessionId"], "COMPLETED")
    done = client.status(session_id)
    stems = client.stems(done)
    parts = [f"no_vocals.{part}" for part in ("drums", "bass", "other", "vocals")]
    assert list(stems) == ["vocals.wav", "no_vocals.wav", *(f"{part}.wav" for part in parts)]
    assert [file["from"] for file in done["output_files"]] == [None, None, *(["no_vocals"] * 4)]
    again = Separator("lite").separate_to_files(command_line_stems / "no_vocals.wav", tmp_path, stems="all")
    for name, path in again.files.items():
        assert stems[f"no_vocals.{name}.wav"] == path.read_bytes()
    assert client.call("POST", "/cleanup", {"session_id": session_id})[0] == 200
    assert client.call("POST", "/status", {"session_id": started["sessionId"]})[0] == 404
    assert all(key.startswith("requests/") for key in aws_account.keys_of(started["sessionId"]))
