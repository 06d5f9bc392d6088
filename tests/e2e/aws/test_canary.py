"""The canary against the deployed application."""

from __future__ import annotations

import io
import math
import wave
from typing import Any

import pytest
from tests.simulators.aws_account import AwsAccount
from tests.simulators.local_servers import serve_app

from unbraid.aws.canary import Canary, CanaryError, sound

CANARY = "unbraid-canary"


def test_separates_a_second_of_sound_and_deletes_it(aws_account: AwsAccount) -> None:
    before = keys_of_songs(aws_account)
    result = aws_account.functions.invoke(CANARY, {})
    assert not result.failed, result
    assert keys_of_songs(aws_account) == before


def keys_of_songs(aws_account: AwsAccount) -> list[str]:
    """List the songs and stems in the bucket, also of other tests."""
    files = aws_account.client("s3").list_objects_v2(Bucket=aws_account.bucket()).get("Contents", [])
    return [file["Key"] for file in files if file["Key"].startswith(("inputs/", "outputs/"))]


def test_the_sound_is_a_second_and_not_silent() -> None:
    with wave.open(io.BytesIO(sound())) as file:
        assert (file.getframerate(), file.getnframes(), file.getnchannels()) == (44100, 44100, 1)
        samples = memoryview(file.readframes(44100)).cast("h")
    assert max(samples) == pytest.approx(8000, abs=20)
    assert math.isclose(sum(samples) / 44100, 0, abs_tol=1)


def sound_of(samples: int) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(bytes(4 * samples))
    return data.getvalue()


class Server:
    """An API, as an ASGI application, with one fault. Records the paths that are called."""

    def __init__(self, **fault: Any) -> None:
        self.fault, self.calls = fault, list[str]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import JSONResponse, Response

        while (await receive()).get("more_body"):
            pass
        path = scope["path"]
        self.calls.append(path)
        own = "http://" + dict(scope["headers"])[b"host"].decode()
        stems = [
            {"filename": name, "s3_url": f"{own}/stems/{name}"} for name in ("vocals.wav", "no_vocals.wav")
        ]
        answers: dict[str, tuple[int, Any]] = {
            "/upload": (200, {"sessionId": "s", "uploadUrl": f"{own}/song", "s3Key": "inputs/s/song"}),
            "/song": (200, None),
            "/process": (202, {}),
            "/status": (200, {"status": "COMPLETED", "output_files": stems, "error_message": None}),
            "/stems/vocals.wav": (200, sound_of(44100)),
            "/stems/no_vocals.wav": (200, sound_of(44100)),
            "/cleanup": (200, {"deleted": 3}),
        }
        status, body = self.fault.get(path[1:].replace("/", "_").replace(".", "_"), answers[path])
        content = Response(body, status) if isinstance(body, bytes) else JSONResponse(body, status)
        await content(scope, receive, send)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"upload": (500, {"detail": "The app failed."})},
            "upload was answered with 500 instead of 200. The app",
        ),
        ({"song": (403, b"<Error/>")}, "sending the song was answered with 403"),
        ({"process": (500, b"not JSON")}, "process was answered with 500"),
        ({"status": (200, {"status": "FAILED", "error_message": "Broken."})}, "FAILED: Broken."),
        ({"status": (200, {"status": "PENDING"})}, "still PENDING after 0 s"),
        ({"status": (200, {"status": "COMPLETED", "output_files": []})}, "0 stems instead of 2"),
        ({"stems_no_vocals_wav": (200, sound_of(44099))}, "no_vocals.wav has 44099 samples"),
        ({"stems_vocals_wav": (200, b"RIFF")}, "vocals.wav is not a WAV file"),
        ({"stems_vocals_wav": (404, b"")}, "download of vocals.wav was answered with 404"),
    ],
)
def test_reports_what_fails_and_deletes_the_song(fault: dict[str, Any], words: str) -> None:
    server = Server(**fault)
    with serve_app(server) as address, pytest.raises(CanaryError) as failed:
        Canary(f"http://{address}", wait_s=0, sleep=lambda _: None).run()
    assert words in str(failed.value)
    assert ("/cleanup" in server.calls) == ("upload" not in fault)


@pytest.mark.parametrize("step", ["upload", "process"])
def test_skips_while_the_spending_limit_is_reached(step: str) -> None:
    with serve_app(Server(**{step: (409, {"detail": "…"})})) as address:
        assert Canary(f"http://{address}", wait_s=0).run() is None


def test_returns_the_time_that_users_wait() -> None:
    with serve_app(Server()) as address:
        seconds = Canary(f"http://{address}", wait_s=0).run()
    assert seconds is not None and seconds > 0
