"""The stems of a song are heard while the deployed application separates it: pieces in S3, links by `POST /pieces`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import Sound, decode
from tests.conftest import WriteWave
from tests.e2e.aws.client import HTTP, Client
from tests.e2e.aws.test_websocket_events import receive, subscribe
from tests.jobs.piece_reader import read_piece
from tests.simulators.aws_account import AwsAccount
from tests.simulators.required_actions import RequiredAction

STEP = 1 / 2**15  # of 16 bits


@pytest.fixture
def song_of_seven_pieces(tmp_path: Path, write_wave: WriteWave) -> bytes:
    """A song of 42 s: its pieces have 5, 5, 5, 5, 10, 10 and 2 s."""
    return write_wave(tmp_path / "song.wav", 42.0).read_bytes()


def test_stems_are_heard_before_the_song_is_done_and_equal_its_files(
    aws_account: AwsAccount, client: Client, song_of_seven_pieces: bytes, tmp_path: Path
) -> None:
    upload = client.upload_song(song_of_seven_pieces)
    song = {"session_id": upload["sessionId"]}

    def third_piece(needed: RequiredAction) -> bool:
        return needed.action == "s3:PutObject" and needed.resource.endswith("-2.play")

    def files(needed: RequiredAction) -> bool:
        return needed.action == "s3:PutObject" and needed.resource.endswith(".wav")

    faults = aws_account.gateway.faults
    with subscribe(aws_account, client, upload["sessionId"]) as socket, faults.holding("s3", files):
        with faults.holding("s3", third_piece):
            assert client.process(upload, model="lite")[0] == 202
            while (now := receive(socket))["playable_until"] != 10:
                assert now["status"] != "COMPLETED"
            status, early = client.call("POST", "/pieces", song)
            assert (status, early["playable_until"], early["samples"]) == (200, 10, 42 * early["sample_rate"])
            heard = [fetched(aws_account, piece["url"], early["stems"]) for piece in early["pieces"]]
            assert client.status(upload["sessionId"])["status"] == "IN_PROGRESS"
        while (now := receive(socket))["playable_until"] != 42:
            assert now["status"] != "COMPLETED"
        late = client.call("POST", "/pieces", song | {"first": 2})[1]
        assert late["attempt"] == early["attempt"]
        heard += [fetched(aws_account, piece["url"], late["stems"]) for piece in late["pieces"]]
        assert now["output_files"] == []

    done = client.wait(upload["sessionId"], "COMPLETED")
    stems = np.concatenate(heard, axis=-1)
    assert [stem.shape[-1] for stem in heard] == [n * early["sample_rate"] for n in (5, 5, 5, 5, 10, 10, 2)]
    for number, (name, content) in enumerate(client.stems(done).items()):
        assert name == f"{early['stems'][number]}.wav"
        (tmp_path / name).write_bytes(content)
        np.testing.assert_allclose(stems[number], decode(tmp_path / name), atol=STEP)
    assert done["playable_until"] is None
    assert client.call("POST", "/pieces", song)[1]["pieces"] == []
    assert HTTP.request("GET", early["pieces"][0]["url"]).status == 403  # S3 hides that it is deleted
    assert client.call("POST", "/cleanup", song)[0] == 200


def fetched(aws_account: AwsAccount, url: str, stems: list[str]) -> Sound:
    """Fetch a piece as the page does, and return its stems, (stems, channels, samples)."""
    answer = HTTP.request("GET", url, headers={"Origin": aws_account.page_origin})
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == aws_account.page_origin
    header, sound = read_piece(answer.data)
    assert header["stems"] == stems
    return sound
