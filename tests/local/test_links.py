"""Signed links: they allow exactly their method, key and parameters, until they expire."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbraid.local.links import PREFIX, Grant, LinkAltered, LinkExpired, Links, read_secret

KEY = "outputs/abc/vocals.wav"


class Clock:
    """A fake clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def parse(link: str) -> tuple[str, dict[str, str]]:
    """Return key and parameters, as a server receives them."""
    parts = urlsplit(link)
    return unquote(parts.path).removeprefix(PREFIX), dict(parse_qsl(parts.query, keep_blank_values=True))


def test_a_link_grants_its_signed_parameters() -> None:
    links = Links(b"secret")
    assert links.check("PUT", *parse(links.upload(KEY, "audio/mpeg", 60, 500))) == Grant(
        KEY, "audio/mpeg", 500
    )
    assert links.check("PUT", *parse(links.upload(KEY, "", 60, 500))) == Grant(KEY, "", 500)
    assert links.check("GET", *parse(links.download(KEY, 60))) == Grant(KEY)
    named = links.download(KEY, 60, "A song – vocals.wav")
    for method in ("GET", "HEAD"):
        assert links.check(method, *parse(named)) == Grant(KEY, filename="A song – vocals.wav")


def test_a_link_expires() -> None:
    links = Links(b"secret", clock := Clock())
    link = parse(links.download(KEY, 60))
    clock.now += 60
    links.check("GET", *link)
    clock.now += 0.001
    with pytest.raises(LinkExpired):
        links.check("GET", *link)


def test_rejects_altered_links() -> None:
    links = Links(b"secret")
    key, query = parse(links.upload(KEY, "audio/mpeg", 60, 500))
    altered = [
        ("GET", key, query),
        ("POST", key, query),
        ("PUT", "outputs/abc/drums.wav", query),
        ("PUT", key, {**query, "expires": "99999999999"}),
        ("PUT", key, {**query, "max": "5000"}),
        ("PUT", key, {**query, "type": "text/html"}),
        ("PUT", key, {**query, "name": "x.exe"}),
        ("PUT", key, {**query, "signature": ""}),
        ("PUT", key, {**query, "signature": query["signature"][:-1]}),
        ("PUT", key, {**query, "signature": "ä\udcff"}),
        *(("PUT", key, {k: v for k, v in query.items() if k != left_out}) for left_out in query),
        ("PUT", key, {}),
    ]
    for method, other_key, other_query in altered:
        with pytest.raises(LinkAltered):
            links.check(method, other_key, other_query)
    with pytest.raises(LinkAltered):
        Links(b"other secret").check("PUT", key, query)


def test_a_download_link_allows_no_upload() -> None:
    links = Links(b"secret")
    with pytest.raises(LinkAltered):
        links.check("PUT", *parse(links.download(KEY, 60)))


@given(content_type=st.text(), other=st.text(), filename=st.text(min_size=1))
def test_values_cannot_move_between_fields(content_type: str, other: str, filename: str) -> None:
    links = Links(b"secret")
    key, query = KEY, {"expires": "99999999999", "type": content_type, "max": "1", "name": filename}
    signed = links._sign("PUT", key, query)
    moved = {**query, "type": content_type + "&name=" + filename, "name": other}
    assert links._sign("PUT", key, moved) != signed or moved == query


def test_creates_the_secret_once_readable_only_by_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    secret = read_secret(path)
    assert len(secret) == 32
    assert read_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_concurrent_starts_agree_on_the_secret(tmp_path: Path) -> None:
    secrets: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: secrets.append(read_secret(tmp_path / "secret"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 8
    assert len(set(secrets)) == 1


def test_reports_a_damaged_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(OSError, match="damaged"):
        read_secret(tmp_path / "secret")
