"""Presigned links: S3 checks the signature, which covers the method, the file, the type and the expiry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from tests.simulators.moto_server import use
from tests.simulators.presigned_urls import Refused, verify

from unbraid.aws.objects import S3Store

KEY = "inputs/0123456789abcdef/song.mp3"
MP3 = {"Content-Type": "audio/mpeg"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """Store with AWS's own endpoint. Signing a link sends no request."""
    use(monkeypatch, "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    return S3Store("songs")


def refused(method: str, url: str, headers: Mapping[str, str], after: timedelta = timedelta()) -> bool:
    """Return whether S3 would refuse the call, made `after` this time from now."""
    try:
        verify(method, url, headers, datetime.now(UTC) + after)
    except Refused:
        return True
    return False


def test_upload_link_allows_only_its_type_and_method(store: S3Store) -> None:
    url = store.upload_url(KEY, "audio/mpeg", 3600, 100)
    assert not refused("PUT", url, MP3)
    assert not refused("PUT", url, {**MP3, "Content-Length": "3", "Origin": "https://songs.example.org"})
    assert refused("PUT", url, {"Content-Type": "text/html"})
    assert refused("PUT", url, {})
    assert refused("GET", url, MP3)
    assert refused("DELETE", url, MP3)


def test_upload_link_without_a_type_allows_any_type(store: S3Store) -> None:
    url = store.upload_url(KEY, "", 3600, 100)
    assert not refused("PUT", url, {})
    assert not refused("PUT", url, {"Content-Type": "audio/x-unheard-of"})
    assert refused("GET", url, {})


def test_upload_link_allows_only_the_announced_size(store: S3Store) -> None:
    """S3 computes the signature from the Content-Length that arrives. Browsers set it from the file."""
    url = store.upload_url(KEY, "audio/mpeg", 3600, 100, 77)
    assert not refused("PUT", url, {**MP3, "Content-Length": "77"})
    assert refused("PUT", url, {**MP3, "Content-Length": "78"})
    assert refused("PUT", url, {**MP3, "Content-Length": "76"})
    assert refused("PUT", url, MP3)  # chunked


def test_link_of_a_part_allows_only_its_number_and_size(store: S3Store) -> None:
    url = store.part_url(KEY, "upload-1", 3, 77, 3600)
    size = {"Content-Length": "77"}
    assert not refused("PUT", url, size)
    assert not refused("PUT", url, {**size, "Content-Type": "audio/mpeg"})
    assert refused("PUT", url, {"Content-Length": "78"})
    assert refused("POST", url, size)
    assert refused("PUT", url.replace("partNumber=3", "partNumber=4"), size)
    assert refused("PUT", url.replace("uploadId=upload-1", "uploadId=upload-2"), size)
    assert refused("PUT", url, size, timedelta(minutes=61))


def test_download_link_allows_only_get(store: S3Store) -> None:
    url = store.download_url(KEY, 3600)
    assert not refused("GET", url, {})
    assert not refused("GET", url, {"Range": "bytes=0-99"})
    assert refused("PUT", url, {})
    assert refused("DELETE", url, {})


@pytest.mark.parametrize("name", ["Song - vocals.wav", "Für Elise – „live“ & 50% + 'more' (雲).wav"])
def test_signature_covers_the_name_of_a_download(store: S3Store, name: str) -> None:
    url = store.download_url(KEY, 3600, name)
    assert not refused("GET", url, {})
    assert refused("GET", url.replace(".wav", ".exe"), {})


def test_link_expires(store: S3Store) -> None:
    url = store.download_url(KEY, 3600)
    assert not refused("GET", url, {}, timedelta(minutes=59))
    assert refused("GET", url, {}, timedelta(minutes=61))
    assert refused("GET", url, {}, -timedelta(hours=1))


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("song.mp3", "song.mp4"),
        ("0123456789abcdef", "0123456789abcdee"),
        ("//songs.", "//other."),
        ("X-Amz-Expires=3600", "X-Amz-Expires=36000"),
        ("%2Fs3%2F", "%2Fec2%2F"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none"),
        ("SignedHeaders=content-type%3Bhost", "SignedHeaders=host"),
        ("X-Amz-Credential=testing", "X-Amz-Credential=another"),
    ],
)
def test_rejects_changed_link(store: S3Store, part: str, other: str) -> None:
    url = store.upload_url(KEY, "audio/mpeg", 3600, 100)
    assert part in url
    assert refused("PUT", url.replace(part, other), MP3)


def test_rejects_wrong_signature(store: S3Store) -> None:
    url = store.download_url(KEY, 3600)
    last = url[-1]
    assert refused("GET", url[:-1] + ("0" if last != "0" else "1"), {})
    assert refused("GET", url.partition("?")[0], {})
    with pytest.raises(Refused):
        verify("GET", url, {}, datetime.now(UTC), {"testing": "another secret"})


def test_rejects_unsigned_acl_header(store: S3Store) -> None:
    url = store.upload_url(KEY, "audio/mpeg", 3600, 100)
    assert refused("PUT", url, {**MP3, "x-amz-acl": "public-read"})


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", "ap-southeast-2"])
def test_links_use_the_regional_endpoint(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    for url in (store.upload_url(KEY, "audio/mpeg", 3600, 100), store.download_url(KEY, 3600)):
        assert url.startswith(f"https://songs.s3.{region}.amazonaws.com/{KEY}?")
        assert f"%2F{region}%2F" in url


def test_links_of_a_role_include_its_session_token(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a/token+of=the role")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    url = store.upload_url(KEY, "audio/mpeg", 3600, 100)
    assert not refused("PUT", url, MP3)
    assert refused("PUT", url.replace("token", "taken"), MP3)
