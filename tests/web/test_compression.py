"""Scripts and styles are sent compressed, and browsers keep them."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from unbraid.web.precompressed import accepted_codings
from unbraid.web.static import FrontEnd

SCRIPT = b"play('a song');\n" * 200
GZIPPED = gzip.compress(SCRIPT, mtime=0)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    """A client of a built page. The `.br` copy has other content than Brotli's, which no test decodes."""
    (tmp_path / "assets").mkdir()
    script = tmp_path / "assets" / "index-1a2b.js"
    script.write_bytes(SCRIPT)
    script.with_name("index-1a2b.js.gz").write_bytes(GZIPPED)
    script.with_name("index-1a2b.js.br").write_bytes(b"brotli")
    (tmp_path / "index.html").write_text("<!doctype html>")
    return TestClient(FrontEnd(tmp_path), headers={"Accept-Encoding": "identity"})


def raw(client: TestClient, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
    """The answer for the script, and its body as sent."""
    with client.stream("GET", "/assets/index-1a2b.js", headers=headers) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize(
    ("accepted", "coding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"brotli"),
        ("gzip, deflate", "gzip", GZIPPED),
        ("br;q=0, gzip;q=0.5", "gzip", GZIPPED),
        ("*", "br", b"brotli"),
        ("identity", None, SCRIPT),
        ("br;q=nonsense", None, SCRIPT),
        ("", None, SCRIPT),
    ],
    ids=["browser", "old-browser", "refused", "any", "identity", "nonsense", "none"],
)
def test_sends_the_smallest_copy_that_the_browser_accepts(
    client: TestClient, accepted: str, coding: str | None, body: bytes
) -> None:
    answer, sent = raw(client, {"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    assert sent == body
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_each_copy_has_its_own_etag(client: TestClient) -> None:
    codings = ("br", "gzip", "identity")
    etags = [raw(client, {"Accept-Encoding": coding})[0].headers["etag"] for coding in codings]
    assert len(set(etags)) == 3
    answer, _ = raw(client, {"Accept-Encoding": "br", "If-None-Match": etags[0]})
    assert answer.status_code == 304
    assert answer.headers["vary"] == "Accept-Encoding"


def test_a_file_without_copies_is_sent_as_it_is(client: TestClient) -> None:
    answer = client.get("/", headers={"Accept-Encoding": "br"})
    assert answer.text == "<!doctype html>"
    assert "content-encoding" not in answer.headers
    assert answer.headers["cache-control"] == "no-cache"


def test_no_copy_is_read_outside_of_the_page(client: TestClient, tmp_path: Path) -> None:
    secret = tmp_path.parent / "secret.txt.br"
    secret.write_bytes(b"secret")
    with pytest.raises(HTTPException, match="404"):
        client.get("/..%2fsecret.txt", headers={"Accept-Encoding": "br"})
    secret.unlink()


def test_codings_are_listed_smallest_first() -> None:
    assert accepted_codings("GZIP, Br ; q=0.1") == ["br", "gzip"]
    assert accepted_codings("*;q=0, gzip") == ["gzip"]
