"""Lambda functions and web app answer alike. Both get the same requests over the same sessions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.aws.functions.conftest import Configure, invoke
from tests.aws.functions.events import http
from tests.jobs.memory import SONG, Workspace

from unbraid.api.owners import of_browser
from unbraid.api.routes import ROUTES
from unbraid.jobs.copies import keys_of
from unbraid.jobs.session import Choices, Playable
from unbraid.local.files import FolderStore
from unbraid.local.links import Links
from unbraid.local.settings import Settings
from unbraid.web.app import create_app

ADDRESS = "http://127.0.0.1:8000"
UNKNOWN = "x" * 32
BROWSER = {"x_browser_token": "m" * 32}

FUNCTIONS = {route.key: route.function for route in ROUTES}


class BothApis:
    """Lambda functions and web app over one session store."""

    def __init__(self, workspace: Workspace, client: TestClient, store: FolderStore) -> None:
        self.workspace, self.client, self.store = workspace, client, store

    def call_both(self, route: str, body: Any = None, **more: Any) -> tuple[int, Any, int, Any]:
        """Status and answer of the function, then of the web app."""
        event = http(route, body, **more)
        answer = invoke(FUNCTIONS[route], event)
        method, _, path = route.partition(" ")
        for name, value in event.get("pathParameters", {}).items():
            path = path.replace(f"{{{name}}}", value)
        headers = {
            name: value for name, value in event["headers"].items() if name.startswith(("x-b", "content"))
        }
        data = json.dumps(body) if isinstance(body, dict) else body
        url = f"{path}?{event['rawQueryString']}"
        other = self.client.request(method, url, content=data, headers=headers)
        assert answer["headers"]["content-type"] == other.headers["content-type"]
        return answer["statusCode"], json.loads(answer["body"]), other.status_code, other.json()

    def call_same(self, route: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Call both, check that the answers are equal except for links and new ids, and return one."""
        status, answer, other_status, other = self.call_both(route, body, **more)
        assert (status, normalized(answer)) == (other_status, normalized(other))
        return status, answer

    def uploaded_song(self, name: str = "Song.mp3") -> tuple[str, str]:
        """Session id and key of an uploaded song."""
        session = self.workspace.service.upload(name, "audio/mpeg", None).session
        with self.store.write(session.input_key) as part:
            part.write(SONG)
            part.commit()
        return session.id, session.input_key

    def file(self, data: bytes) -> Path:
        """A new file outside the store, to put into it."""
        path = self.store.root.parent / "file"
        path.write_bytes(data)
        return path


def normalized(answer: Any) -> Any:
    """The answer without links, archives and new ids, which differ."""
    text = re.sub(r"(\"(?:uploadUrl|url)\": \")[^\"]*", r"\1", json.dumps(answer))
    text = text.replace(ADDRESS, "")
    text = re.sub(r"expires=\d+|signature=[\w-]+", "", text)
    text = re.sub(r"\"zip_url\": (null|\"[^\"]*\")", "", text)
    text = re.sub(r"\"mix_formats\": \[[^]]*\]", "", text)  # only the web app makes mixes
    if "uploadUrl" in text:
        text = re.sub(r"[\w-]{32}", "ID", text)
    return text


@pytest.fixture
def both(workspace: Workspace, tmp_path: Path) -> Iterator[BothApis]:
    store = FolderStore(tmp_path / "objects", Links(b"secret"))
    workspace.objects = store  # type: ignore[assignment]
    workspace.sessions.objects = store
    app = create_app(workspace.service, Settings.load(data=tmp_path, keep_free_bytes=0, rate_burst=10_000))
    with TestClient(app, base_url=ADDRESS) as client:
        yield BothApis(workspace, client, store)


def test_upload_process_status_cleanup(both: BothApis) -> None:
    status, answer = both.call_same(
        "POST /upload", {"fileName": "My Song.mp3", "fileType": "audio/mpeg"}, **BROWSER
    )
    assert (status, answer["expiresIn"], answer["maxBytes"]) == (200, 3600, 2**31)
    assert answer["uploadUrl"].startswith(f"/files/{answer['s3Key']}")
    session_id, key = both.uploaded_song()
    body = {"session_id": session_id}
    process = {"sessionId": session_id, "s3Key": key, "stems": "all", "format": "flac"}
    assert both.call_same("POST /status", body)[1]["status"] == "AWAITING_UPLOAD"
    assert both.call_same("POST /process", process) == (202, {"sessionId": session_id, "status": "PENDING"})
    assert both.call_same("POST /process", process | {"stems": "drums"})[0] == 409
    assert both.call_same("POST /status", body)[1]["queue_position"] == 1
    both.workspace.leases.begin(session_id, "w")
    both.workspace.leases.renew_lease(session_id, "w", 0.4, "separating", 180.0)
    answer = both.call_same("GET /status/{sessionId}", path={"sessionId": session_id})[1]
    assert (answer["status"], answer["progress"], answer["stage"]) == ("IN_PROGRESS", 0.4, "separating")
    outputs = Workspace().outputs(session_id)
    both.workspace.leases.complete(session_id, "w", outputs, 180.0, "lite")
    done = both.call_same("POST /status", body)[1]
    assert [file["filename"] for file in done["output_files"]] == ["vocals.wav", "no_vocals.wav"]
    assert all(file["s3_url"] and file["peaks_url"] and file["play_url"] for file in done["output_files"])
    assert both.call_same("GET /history", query="limit=5", **BROWSER)[1]["sessions"] != []
    both.call_same("POST /cancel", body)
    assert both.call_both("POST /cleanup", body) == (200, {"deleted": 2}, 200, {"deleted": 0})


def test_pieces_of_a_song_that_is_being_separated(both: BothApis) -> None:
    session_id, key = both.uploaded_song()
    body = {"session_id": session_id}
    both.call_same("POST /process", {"sessionId": session_id, "s3Key": key})
    assert both.call_same("POST /pieces", body)[1]["pieces"] == []
    both.workspace.leases.begin(session_id, "w")
    playable = Playable("a1b2c3d4", ("vocals", "no_vocals"), 8000, 8000 * 60, 8000 * 27)
    both.workspace.leases.set_playable(session_id, "w", playable)
    assert both.call_same("POST /status", body)[1]["playable_until"] == 27.0
    status, answer = both.call_same("POST /pieces", body | {"first": 1})
    assert (status, answer["chunk_samples"], answer["samples"]) == (200, 40_000, 480_000)
    places = [(piece["number"], piece["first_chunk"], piece["chunks"]) for piece in answer["pieces"]]
    assert places == [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 4, 2)]
    assert f"/outputs/{session_id}/a1b2c3d4-1.play?" in answer["pieces"][0]["url"]
    assert both.call_same("POST /pieces", body | {"first": -1})[0] == 422
    both.workspace.leases.complete(session_id, "w", Workspace().outputs(session_id), 60.0, "lite")
    assert both.call_same("POST /status", body)[1]["playable_until"] is None
    assert both.call_same("POST /pieces", body)[1]["pieces"] == []
    assert both.call_same("POST /pieces", {"session_id": UNKNOWN})[0] == 404


def test_uploads_in_parts(both: BothApis) -> None:
    size = both.workspace.sessions.limits.part_bytes + 1
    body = {"fileName": "My Song.wav", "fileType": "audio/wav", "fileSize": size}
    status, upload = both.call_same("POST /upload", body)
    assert (status, upload["partBytes"]) == (200, size - 1)
    session = {"sessionId": upload["sessionId"]}
    status, answer = both.call_same("POST /upload/parts", session)
    assert (status, [part["size"] for part in answer["parts"]]) == (200, [size - 1, 1])
    assert both.call_same("POST /upload/complete", session)[0] == 409
    for part in answer["parts"]:
        assert both.client.put(part["url"], content=bytes(part["size"])).status_code == 200
    assert both.call_same("POST /upload/parts", session)[1]["uploaded"] == [1, 2]
    assert both.call_same("POST /upload/complete", session)[0] == 200
    assert both.store.size(upload["s3Key"]) == size


def test_rename_keep_share_and_separate_again(both: BothApis) -> None:
    workspace = both.workspace
    owner = of_browser(BROWSER["x_browser_token"])
    session = workspace.service.upload("Song.mp3", "audio/mpeg", owner).session
    workspace.service.sessions.objects.put(both.file(SONG), session.input_key, "")
    workspace.service.start(session.id)
    workspace.leases.begin(session.id, "w")
    outputs = Workspace().outputs(session.id)
    for key in keys_of(outputs):
        both.store.put(both.file(b"stem"), key, "")
    workspace.leases.complete(session.id, "w", outputs, 180.0, "lite")
    song = {"session_id": session.id}
    for route in ("POST /rename", "POST /keep", "POST /share"):
        assert both.call_same(route, song | {"name": "New"})[0] == 403  # without the owner's token
        assert both.call_same(route, {"session_id": UNKNOWN, "name": "x"}, **BROWSER)[0] == 404
        assert both.call_same(route, {}, **BROWSER)[0] == 422
    assert both.call_same("POST /rename", song | {"name": "New"}, **BROWSER)[1]["file_name"] == "New.mp3"
    assert both.call_same("POST /rename", song | {"name": " "}, **BROWSER)[0] == 422
    assert both.call_same("POST /keep", song, **BROWSER)[1]["kept"] is True
    assert both.call_same("POST /keep", song | {"keep": False}, **BROWSER)[1]["kept"] is False
    share_id = both.call_same("POST /share", song, **BROWSER)[1]["share_id"]
    path = {"shareId": share_id}
    status, shared = both.call_same("GET /shared/{shareId}", path=path)
    assert (status, shared["session_id"], shared["file_name"]) == (200, share_id, "New.mp3")
    assert session.id not in json.dumps(shared)
    _, of_function, _, of_app = both.call_both("GET /shared/{shareId}", path=path)
    assert (of_function["mix_formats"], of_app["mix_formats"]) == ([], ["wav", "flac", "mp3", "m4a", "opus"])
    for route in ("POST /status", "POST /cancel", "POST /rename", "POST /keep", "POST /share"):
        assert both.call_same(route, {"session_id": share_id, "name": "x"}, **BROWSER)[0] == 404
    assert both.call_same("POST /cleanup", {"session_id": share_id}, **BROWSER) == (200, {"deleted": 0})
    assert both.call_same("GET /shared/{shareId}", path=path)[0] == 200
    again = {"sessionId": session.id, "again": True, "stems": "all"}
    status, answer = both.call_same("POST /process", again, **BROWSER)
    assert (status, answer["status"]) == (202, "PENDING")
    assert both.call_same("POST /process", again | {"from": "vocals"}, **BROWSER)[0] == 422
    assert both.call_same("POST /share", song | {"share": False}, **BROWSER)[1]["share_id"] is None
    assert both.call_same("GET /shared/{shareId}", path=path)[0] == 404


def test_batches(both: BothApis) -> None:
    files = [{"fileName": f"{number}.mp3", "fileType": ""} for number in range(3)]
    status, answer = both.call_same("POST /batch", {"files": files})
    assert (status, len(answer["uploads"])) == (200, 3)
    ids = [both.uploaded_song()[0], UNKNOWN, answer["uploads"][0]["sessionId"]]
    status, results = both.call_same("POST /batch/process", {"sessionIds": ids, "stems": "all"})
    assert status == 202
    assert [result.get("status") or result["problem"]["status"] for result in results["results"]] == [
        "PENDING",
        404,
        409,
    ]
    status_answer = both.call_same("POST /batch/status", {"session_ids": ids})[1]["sessions"]
    assert [session["status"] for session in status_answer] == ["PENDING", "UNKNOWN", "AWAITING_UPLOAD"]


REFUSED: list[tuple[str, Any, int]] = [
    ("POST /status", {"session_id": UNKNOWN}, 404),
    ("POST /cancel", {"session_id": UNKNOWN}, 404),
    ("POST /process", {"sessionId": UNKNOWN, "s3Key": "x"}, 404),
    ("POST /process", {"s3Key": "", "sessionId": "x", "format": "ogg", "video": "maybe"}, 422),
    ("POST /process", {"s3Key": "x", "sessionId": "x", "model": "no-such"}, 422),
    ("POST /process", {"s3Key": "x", "sessionId": "x", "stems": "kazoo"}, 422),
    ("POST /process", {"s3Key": "x", "sessionId": "x", "notify": "a@example.org"}, 422),
    ("POST /upload", {"fileName": "a.pdf", "fileType": "application/pdf"}, 415),
    ("POST /upload", {"fileName": "a.mp3"}, 422),
    ("POST /upload", {"fileName": "", "fileType": ""}, 422),
    ("POST /upload", {"fileName": "a.mp3", "fileType": "a\nb"}, 422),
    ("POST /upload", {"fileName": "a.mp3", "fileType": 7}, 422),
    ("POST /upload", b'{"fileName": "\\ud800.mp3", "fileType": ""}', 422),
    ("POST /upload", {"fileName": "a.mp3", "fileType": "", "fileSize": 0}, 422),
    ("POST /upload", {"fileName": "a.mp3", "fileType": "", "fileSize": 2**31 + 1}, 413),
    ("POST /upload/parts", {"sessionId": UNKNOWN}, 404),
    ("POST /upload/parts", {}, 422),
    ("POST /upload/complete", {"sessionId": UNKNOWN}, 404),
    ("POST /status", {"session_id": "a\0b"}, 422),
    ("POST /status", {}, 422),
    ("POST /batch", {"files": []}, 422),
    ("POST /batch", {"files": [{"fileName": "a", "fileType": ""}] * 101}, 422),
    ("POST /batch/status", {"session_ids": [UNKNOWN] * 101}, 422),
    ("POST /batch/status", {"session_ids": ["é"]}, 422),
    ("POST /upload", {"fileName": "a" * (1 << 18), "fileType": ""}, 413),
    *(("POST /upload", body, 400) for body in (b"{", b"[]", b'"x"', b"null", b"[" * 100_000, b"{'a': 1}")),
]


@pytest.mark.parametrize(("route", "body", "status"), REFUSED)
def test_errors(both: BothApis, route: str, body: Any, status: int) -> None:
    assert both.call_same(route, body)[0] == status


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "before=nan", "limit=201&before=x"])
def test_invalid_query(both: BothApis, query: str) -> None:
    assert both.call_same("GET /history", query=query)[0] == 422


def test_content_types_of_html_forms(both: BothApis) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        body = b'{"fileName": "a.mp3", "fileType": ""}'
        assert both.call_same("POST /upload", body, content_type=kind)[0] == 400


def test_invalid_id_in_the_path(both: BothApis) -> None:
    assert both.call_same("GET /status/{sessionId}", path={"sessionId": UNKNOWN})[0] == 404
    assert both.call_same("GET /status/{sessionId}", path={"sessionId": "é"})[0] == 422


def test_models_config_and_health(both: BothApis, configure: Configure) -> None:
    session_id, _ = both.uploaded_song()
    both.workspace.service.start(session_id, choices=Choices("lite"))
    both.workspace.leases.begin(session_id, "w")
    both.workspace.now += 9
    both.workspace.leases.complete(session_id, "w", Workspace().outputs(session_id), 180.0, "lite")
    assert both.call_same("GET /healthz")[0] == 200
    _, models, _, others = both.call_both("GET /models")
    for model, other in zip(models["models"], others["models"], strict=True):
        assert model | {"installed": 0, "sizeBytes": 0} == other | {"installed": 0, "sizeBytes": 0}
    _, config, _, other = both.call_both("GET /config")
    expected = {
        "teaching": False,
        "mixes": False,
        "events": "wss://events.example.org/events",
        "wakes": True,
        "mail": False,
    }
    assert config == other | expected
