"""Errors of hosts, certificates, proxies and mirrors name their cause."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.models.file_server import Fault, FileServer, serving
from tests.models.served_file import BODY, NAME, SHORT_PATIENCE, model_file

from unbraid.models.download import Patience
from unbraid.models.published import ModelFile
from unbraid.models.sources import DownloadError, fetch


def test_unknown_host(into: Path, server: FileServer) -> None:
    with pytest.raises(DownloadError, match=r"no-such-host\.invalid can't be found"):
        fetch(model_file("https://no-such-host.invalid"), into, patience=Patience(tries=1))


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_refused_connection(into: Path, server: FileServer) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 can't be reached .Connection refused."):
        fetch(model_file(f"http://127.0.0.1:{closed_port()}"), into, patience=SHORT_PATIENCE)


@pytest.mark.skipif(sys.platform != "linux", reason="the effect of a full backlog depends on the system")
def test_connection_timeout(into: Path, server: FileServer) -> None:
    with socket.socket() as busy, socket.socket() as first, socket.socket() as second:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(busy.getsockname())
        with pytest.raises(DownloadError, match=r"127\.0\.0\.1 didn't answer within 0\.3 s"):
            fetch(
                model_file(f"http://127.0.0.1:{busy.getsockname()[1]}"),
                into,
                patience=Patience(tries=1, connect_s=0.3),
            )


def test_server_without_tls(into: Path, server: FileServer) -> None:
    address = server.address.replace("http:", "https:")
    with pytest.raises(DownloadError, match=r"no secure connection to 127\.0\.0\.1"):
        fetch(model_file(address), into, patience=SHORT_PATIENCE)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a self-signed certificate for 127.0.0.1."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    path = tmp_path / "server.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=here -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        [*command.split(), "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.mark.usefixtures("server")
def test_unknown_certificate_is_rejected(
    certificate: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(certificate) as server:
        server.files[NAME] = BODY
        with pytest.raises(
            DownloadError, match=r"certificate of 127\.0\.0\.1 can't be verified .self.signed"
        ):
            fetch(model_file(server.address), into, patience=SHORT_PATIENCE)
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
        assert fetch(model_file(server.address), into, patience=SHORT_PATIENCE).read_bytes() == BODY


def test_uses_a_proxy_from_the_environment(
    file: ModelFile, into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.address.replace("//", "//me:a%20word@"))
    fetch(model_file("http://published.invalid"), into)
    ((path, headers),) = server.requests
    assert path == f"http://published.invalid/demucs/{NAME}"
    assert headers["Proxy-Authorization"] == "Basic bWU6YSB3b3Jk"


def test_no_proxy_hosts_are_requested_directly(
    file: ModelFile, into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(DownloadError, match=r"the proxy 127\.0\.0\.1 can't be reached"):
        fetch(file, into, patience=SHORT_PATIENCE)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch(file, into).read_bytes() == BODY


@pytest.mark.parametrize(("status", "requests"), [(407, 1), (502, 3)])
def test_proxy_that_refuses_the_connection(
    status: int, requests: int, into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.address)
    server.faults, server.forever = [Fault(status)], True
    with pytest.raises(
        DownloadError, match=rf"the proxy refuses a connection to published\.invalid .*{status}"
    ):
        fetch(model_file("https://published.invalid"), into, patience=SHORT_PATIENCE)
    assert [path for path, _ in server.requests] == ["published.invalid:443"] * requests


def test_unsupported_kind_of_proxy(file: ModelFile, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://me:secret@127.0.0.1:1080")
    with pytest.raises(
        DownloadError, match="proxies of the kind socks5 are not supported; set HTTP_PROXY"
    ) as caught:
        fetch(file, into)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "proxy", ["http://me:secret@host:abc", "http://me:secret@[x", "me:secret@host:99999", "http://me:secret@"]
)
def test_invalid_proxy_address(
    proxy: str, file: ModelFile, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(DownloadError, match="address is invalid; set HTTP_PROXY to one like") as caught:
        fetch(file, into)
    assert "secret" not in caught.value.message and "\n" not in caught.value.message


def test_proxy_password_outside_latin_1(file: ModelFile, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:%E2%82%AC@127.0.0.1:1")
    with pytest.raises(DownloadError, match="user or password in HTTP_PROXY has characters outside Latin-1"):
        fetch(file, into)


def test_mirror_is_requested_before_the_published_address(
    into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[NAME] = BODY
    monkeypatch.setenv("UNBRAID_MODEL_MIRROR", f"{server.address}/mine/")
    assert fetch(model_file("https://published.invalid"), into).read_bytes() == BODY
    assert server.requests[0][0] == f"/mine/{NAME}"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("mirror", ["/mnt/models", "http://[x", "https://host:abc", "https://:80", "http://"])
def test_invalid_mirror_address(mirror: str, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_MODEL_MIRROR", mirror)
    message = rf"{re.escape(mirror.rstrip('/'))}/.* is not an address that begins with https://"
    with pytest.raises(DownloadError, match=message):
        fetch(model_file("http://published.invalid"), into, patience=SHORT_PATIENCE)
