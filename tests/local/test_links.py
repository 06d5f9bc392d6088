"""Signed links: they allow what they say, for as long as they say, and nothing else."""

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
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(link: str) -> tuple[str, dict[str, str]]:
    """Key and parameters, as a server gets them."""
    parts = urlsplit(link)
    return unquote(parts.path).removeprefix(PREFIX), dict(parse_qsl(parts.query, keep_blank_values=True))


def test_a_link_says_what_it_allows() -> None:
    links = Links(b"secret")
    assert links.check("PUT", *opened(links.upload(KEY, "audio/mpeg", 60, 500))) == Grant(
        KEY, "audio/mpeg", 500
    )
    assert links.check("PUT", *opened(links.upload(KEY, "", 60, 500))) == Grant(KEY, "", 500)
    assert links.check("GET", *opened(links.download(KEY, 60))) == Grant(KEY)
    named = links.download(KEY, 60, "A song – vocals.wav")
    for method in ("GET", "HEAD"):
        assert links.check(method, *opened(named)) == Grant(KEY, filename="A song – vocals.wav")


def test_a_link_ends_when_it_says() -> None:
    links = Links(b"secret", clock := Clock())
    link = opened(links.download(KEY, 60))
    clock.now += 60
    links.check("GET", *link)
    clock.now += 0.001
    with pytest.raises(LinkExpired):
        links.check("GET", *link)


def test_no_part_of_a_link_can_be_altered() -> None:
    links = Links(b"secret")
    key, query = opened(links.upload(KEY, "audio/mpeg", 60, 500))
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


def test_a_download_never_allows_an_upload() -> None:
    links = Links(b"secret")
    with pytest.raises(LinkAltered):
        links.check("PUT", *opened(links.download(KEY, 60)))


@given(content_type=st.text(), other=st.text(), filename=st.text(min_size=1))
def test_words_can_not_be_moved_from_one_field_to_another(
    content_type: str, other: str, filename: str
) -> None:
    links = Links(b"secret")
    key, query = KEY, {"expires": "99999999999", "type": content_type, "max": "1", "name": filename}
    signed = links._sign("PUT", key, query)
    moved = {**query, "type": content_type + "&name=" + filename, "name": other}
    assert links._sign("PUT", key, moved) != signed or moved == query


def test_the_secret_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    secret = read_secret(path)
    assert len(secret) == 32
    assert read_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_processes_that_start_at_once_agree_on_it(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(read_secret(tmp_path / "secret"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_damaged_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(OSError, match="damaged"):
        read_secret(tmp_path / "secret")
