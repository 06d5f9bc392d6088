"""The original client's calls against the deployed application, from a song to its stems."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.aws.client import HTTP, Client
from tests.e2e.aws.world import World


def test_a_client_of_the_original_works_unchanged(
    world: World, client: Client, song: Path, by_command_line: Path
) -> None:
    """One call after the other, as its page makes them; the stems are those of the command line, byte for byte."""
    page = {"Origin": world.site}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    allowed = HTTP.request("OPTIONS", f"{world.address}/upload", headers={**page, **asked})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (204, world.site)
    upload = client.upload("My song.wav")
    assert upload["expiresIn"] == 3600

    asked["Access-Control-Request-Method"] = "PUT"
    allowed = HTTP.request("OPTIONS", upload["uploadUrl"], headers={**page, **asked})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, world.site)
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
        assert data == (by_command_line / name).read_bytes()

    status, deleted = client.call("POST", "/cleanup", {"session_id": upload["sessionId"]})
    assert status == 200
    assert deleted["deleted"] > 0
    # Not 404: whoever signed the link may not list the bucket, so S3 doesn't tell what is not in it.
    assert HTTP.request("GET", done["output_files"][0]["s3_url"]).status == 403
    assert client.call("POST", "/cleanup", {"session_id": upload["sessionId"]}) == (200, {"deleted": 0})
    # What the endpoint was asked stays for as long as the bucket's rules say: names of files that are gone.
    assert all(key.startswith("requests/") for key in world.keys(upload["sessionId"]))


def test_health_is_that_of_the_table_too(client: Client) -> None:
    assert client.call("GET", "/healthz")[0] == 200
