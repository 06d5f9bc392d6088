"""Names, kept songs, share links and second separations in the deployed application."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.aws.client import HTTP, Client
from tests.simulators.aws_account import AwsAccount

OWNER = {"X-Browser-Token": "m" * 32}


def test_own_songs_are_renamed_kept_shared_and_separated_again(
    aws_account: AwsAccount, client: Client, song: Path
) -> None:
    owner, guest = Client(aws_account, OWNER), client
    session_id = owner.start(song.read_bytes(), model="lite", format="flac")
    stems = owner.stems(owner.wait(session_id, "COMPLETED"))
    own = {"session_id": session_id}

    assert guest.call("POST", "/rename", {**own, "name": "x"})[0] == 403
    status, renamed = owner.call("POST", "/rename", {**own, "name": "My song"})
    assert (status, renamed["file_name"]) == (200, "My song.wav")
    status, kept = owner.call("POST", "/keep", own)
    assert (status, kept["kept"]) == (200, True)
    # The bucket's lifecycle rules delete inputs and outputs, and leave the copies.
    aws_account.delete_keys(f"outputs/{session_id}/")
    aws_account.delete_keys(f"inputs/{session_id}/")
    assert owner.stems(owner.status(session_id)) == stems

    split = {"sessionId": session_id, "from": "no_vocals", "model": "lite"}
    parts = owner.call("POST", "/process", split)[1]["sessionId"]
    owner.wait(parts, "COMPLETED")
    aws_account.delete_keys(f"outputs/{parts}/")  # parts of a kept song are kept, too
    assert len(owner.stems(owner.status(session_id))) == 2 + 4

    status, shared = owner.call("POST", "/share", own)
    share_id = shared["share_id"]
    status, heard = guest.call("GET", f"/shared/{share_id}")
    assert (status, heard["file_name"]) == (200, "My song.wav")
    assert session_id not in str(heard)
    assert guest.stems(heard) == stems
    assert guest.call("POST", "/status", {"session_id": share_id})[0] == 404
    assert guest.call("POST", "/cleanup", {"session_id": share_id}) == (200, {"deleted": 0})
    assert owner.call("POST", "/share", {**own, "share": False})[0] == 200
    assert guest.call("GET", f"/shared/{share_id}")[0] == 404
    assert HTTP.request("GET", heard["output_files"][0]["s3_url"]).status == 403

    again = {"sessionId": session_id, "again": True, "model": "lite", "stems": "all", "format": "flac"}
    status, started = owner.call("POST", "/process", again)
    assert (status, started["status"]) == (202, "PENDING")
    four = owner.stems(owner.wait(started["sessionId"], "COMPLETED"))
    assert list(four) == ["drums.flac", "bass.flac", "other.flac", "vocals.flac"]
    assert four["vocals.flac"] == stems["vocals.flac"]
    for one in (session_id, started["sessionId"]):
        assert owner.call("POST", "/cleanup", {"session_id": one})[0] == 200
        assert all(key.startswith("requests/") for key in aws_account.keys_of(one))
