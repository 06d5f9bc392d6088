"""Downloads arrive whole or not at all, whatever the line, the server and the disk do."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tests.folders import all_but_locks_in
from tests.models.file_server import Fault, FileServer, serving

from unbraid.errors import ModelError
from unbraid.models.download import DownloadError, ModelFile, Patience, fetch

BODY = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
NAME = "0a1b2c3d-4e5f6071.th"
HURRIED = Patience(tries=3, pause_s=0.01, connect_s=2, read_s=0.4)

Fetch = Callable[..., Path]


def model_file(address: str, body: bytes = BODY, size: int | None = None) -> ModelFile:
    return ModelFile(
        f"{address}/demucs/{NAME}", hashlib.sha256(body).hexdigest(), len(body) if size is None else size
    )


@pytest.fixture
def file(server: FileServer) -> ModelFile:
    server.files[NAME] = BODY
    return model_file(server.address)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "downloads"


# Arriving


def test_a_file_arrives_with_reports_of_how_far_it_is(file: ModelFile, into: Path) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch(file, into, lambda done, total: reports.append((done, total)))
    assert path == into / NAME
    assert path.read_bytes() == BODY
    assert all_but_locks_in(into) == [NAME]
    assert reports[0] == (0, len(BODY)) and reports[-1] == (len(BODY), len(BODY))
    assert reports == sorted(reports) and len(reports) > 3


def test_what_is_there_is_not_asked_for_again(file: ModelFile, into: Path, server: FileServer) -> None:
    fetch(file, into)
    assert fetch(file, into).read_bytes() == BODY
    assert len(server.requests) == 1


def test_the_total_is_the_servers_where_the_catalogue_has_none(server: FileServer, into: Path) -> None:
    server.files[NAME] = BODY
    totals = set()
    fetch(
        model_file(server.address, size=0), into, lambda done, total: totals.add(total if done else len(BODY))
    )
    assert totals == {len(BODY)}


def test_redirects_are_followed(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(302, {"Location": f"{server.address}/elsewhere/{NAME}"})]
    assert fetch(file, into).read_bytes() == BODY
    assert server.requests[-1][0] == f"/elsewhere/{NAME}"


def test_redirects_in_a_circle_end(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(302, {"Location": file.url})], True
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 leads nowhere \(too many redirects\)"):
        fetch(file, into)
    assert len(server.requests) < 10


def test_redirects_to_what_is_no_address_end(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(302, {"Location": "http://[x"})]
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 leads nowhere"):
        fetch(file, into)


@pytest.mark.parametrize("fault", [Fault(chunked=True), Fault(length=-1)], ids=["chunked", "until closed"])
def test_an_answer_needs_no_length(fault: Fault, file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [fault]
    assert fetch(file, into).read_bytes() == BODY


# Going on


@pytest.mark.parametrize(
    "fault",
    [Fault(cut=200_000), Fault(cut=200_000, chunked=True), Fault(cut=200_000, length=-1)],
    ids=["with length", "chunked", "until closed"],
)
def test_after_a_cut_only_the_rest_is_asked_for(
    fault: Fault, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [fault]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    first, rest = server.ranges
    assert first is None
    assert rest is not None and int(rest.removeprefix("bytes=").removesuffix("-")) > 100_000
    assert server.requests[1][1]["If-Range"] == '"one"'


def test_the_next_call_goes_on_where_one_was_stopped(file: ModelFile, into: Path, server: FileServer) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, into, stop)
    reports: list[int] = []
    assert fetch(file, into, lambda done, _: reports.append(done)).read_bytes() == BODY
    assert server.ranges == [None, f"bytes={reports[0]}-"]
    assert reports[0] > 100_000


def test_a_weak_etag_vouches_for_no_bytes(file: ModelFile, into: Path, server: FileServer) -> None:
    server.etag = 'W/"one"'
    server.faults = [Fault(cut=200_000, headers={"Last-Modified": "Wed, 16 Nov 2022 10:00:00 GMT"})]
    fetch(file, into, patience=HURRIED)
    assert server.requests[1][1]["If-Range"] == "Wed, 16 Nov 2022 10:00:00 GMT"


@pytest.mark.parametrize(
    "second", [Fault(ignores_range=True), Fault()], ids=["no ranges", "another version since"]
)
def test_where_the_rest_cannot_be_had_it_starts_again(
    second: Fault, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(cut=200_000, body=OTHER), second]
    server.etag = '"old"'
    with pytest.raises(DownloadError):
        fetch(file, into, patience=Patience(tries=1))
    server.etag = '"new"'
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert len(server.requests) == 2


def test_a_rest_of_another_version_is_not_joined(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(cut=200_000, body=OTHER), Fault(ignores_version=True)]
    server.etag = '"old"'
    with pytest.raises(DownloadError):
        fetch(file, into, patience=Patience(tries=1))
    server.etag = '"new"'
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert server.ranges[2] is None


def test_a_server_without_versions_is_caught_by_the_checksum(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.etag = None
    server.faults = [Fault(cut=200_000, body=OTHER)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert len(server.requests) == 3


@pytest.mark.parametrize("left", [BODY + b"more", OTHER + b"more"])
def test_a_part_that_is_longer_than_the_file_goes(
    left: bytes, file: ModelFile, into: Path, server: FileServer
) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(left)
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == [f"bytes={len(left)}-", None]
    assert all_but_locks_in(into) == [NAME]


def test_a_part_whose_version_was_lost_is_gone_on_with(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(BODY[:1000])
    (into / f"{NAME}.part.version").write_bytes(b"\xff\0\r\n")
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == ["bytes=1000-"]


def test_a_part_that_is_complete_needs_no_network(file: ModelFile, into: Path, server: FileServer) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(BODY)
    assert fetch(file, into).read_bytes() == BODY
    assert server.requests == []


# Not trusting


def test_wrong_bytes_are_tried_anew_once(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(body=OTHER)]
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == [None, None]


def test_wrong_bytes_twice_are_an_error_and_nothing_stays(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.files[NAME] = OTHER
    with pytest.raises(
        DownloadError, match=f"is another file .its SHA-256 is {hashlib.sha256(OTHER).hexdigest()}"
    ):
        fetch(file, into)
    assert len(server.requests) == 2
    assert all_but_locks_in(into) == []


def test_a_length_that_claims_too_much_does_no_harm(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(length=len(BODY) + 5)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert len(server.requests) == 1


def test_a_length_that_claims_too_little_is_tried_anew(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(length=len(BODY) - 5)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY


# Patience


@pytest.mark.parametrize("status", [403, 404, 410, 416])
def test_what_the_server_refuses_is_not_asked_for_again(
    status: int, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(status)]
    with pytest.raises(DownloadError, match=rf"127\.0\.0\.1 answers {status}"):
        fetch(file, into, patience=HURRIED)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again(status: int, file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(status), Fault(status)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY


def test_a_server_that_asks_for_a_pause_gets_it(file: ModelFile, into: Path, server: FileServer) -> None:
    import time

    server.faults = [Fault(503, {"Retry-After": "1"})]
    started = time.monotonic()
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert time.monotonic() - started > 1


def test_tries_end(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(500)], True
    with pytest.raises(DownloadError, match="answers 500"):
        fetch(file, into, patience=HURRIED)
    assert len(server.requests) == HURRIED.tries


def test_tries_end_where_every_answer_is_cut_at_the_same_place(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults, server.forever = [Fault(cut=200_000, ignores_range=True)], True
    with pytest.raises(DownloadError, match=r"the connection to 127\.0\.0\.1 broke off"):
        fetch(file, into, patience=HURRIED)
    assert len(server.requests) == HURRIED.tries


def test_tries_that_brought_a_good_piece_are_not_counted(into: Path, server: FileServer) -> None:
    body = np.random.default_rng(2).bytes(9 << 20)
    server.files[NAME] = body
    server.faults = [Fault(cut=(3 << 20) // 2)] * 5
    assert fetch(model_file(server.address, body), into, patience=HURRIED).read_bytes() == body


def test_a_server_that_falls_silent_is_left_and_asked_for_the_rest(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(pause_s=1.5)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert server.ranges[1] is not None


def any_fault(random: Random) -> Fault:
    """One of all that can go wrong, or nothing."""
    return Fault(
        status=random.choice([0] * 8 + [404, 416, 500, 503]),
        cut=random.choice([None, None, 0, 1, 150_000, 299_999]),
        body=random.choice([None, None, None, OTHER, BODY[:-1], BODY + b"more", b""]),
        length=random.choice([None, None, None, -1, 0, 299_990, 300_010]),
        chunked=random.random() < 0.2,
        ignores_range=random.random() < 0.2,
        ignores_version=random.random() < 0.2,
        headers=random.choice(
            [{}, {}, {"ETag": '"two"'}, {"Content-Range": "bytes 5-9/10"}, {"Content-Encoding": "gzip"}]
        ),
    )


@pytest.mark.parametrize("seed", range(25))
def test_whatever_a_server_does_the_file_is_right_or_not_there(
    seed: int, file: ModelFile, into: Path, server: FileServer
) -> None:
    random = Random(seed)
    server.faults = [any_fault(random) for _ in range(30)]
    for _ in range(40):
        try:
            assert fetch(file, into, patience=Patience(tries=3, pause_s=0, read_s=1)).read_bytes() == BODY
            break
        except DownloadError:
            assert set(all_but_locks_in(into)) <= {f"{NAME}.part", f"{NAME}.part.version"}
    else:
        pytest.fail("a server that is well again is not believed")
    assert all_but_locks_in(into) == [NAME]


# Networks


def test_a_name_that_has_no_address(into: Path, server: FileServer) -> None:
    with pytest.raises(DownloadError, match=r"no address is known for no-such-host\.invalid"):
        fetch(model_file("https://no-such-host.invalid"), into, patience=Patience(tries=1))


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_server_that_is_not_there(into: Path, server: FileServer) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 can't be reached .Connection refused."):
        fetch(model_file(f"http://127.0.0.1:{closed_port()}"), into, patience=HURRIED)


@pytest.mark.skipif(
    sys.platform != "linux", reason="how a full queue looks from outside depends on the system"
)
def test_a_server_that_takes_no_calls(into: Path, server: FileServer) -> None:
    with socket.socket() as busy, socket.socket() as first, socket.socket() as second:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for caller in (first, second):
            caller.setblocking(False)
            caller.connect_ex(busy.getsockname())
        with pytest.raises(DownloadError, match=r"127\.0\.0\.1 doesn't answer within 0\.3 s"):
            fetch(
                model_file(f"http://127.0.0.1:{busy.getsockname()[1]}"),
                into,
                patience=Patience(tries=1, connect_s=0.3),
            )


def test_a_server_that_speaks_no_tls(into: Path, server: FileServer) -> None:
    address = server.address.replace("http:", "https:")
    with pytest.raises(DownloadError, match=r"no secure connection to 127\.0\.0\.1"):
        fetch(model_file(address), into, patience=HURRIED)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody vouches for."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
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
def test_a_certificate_has_to_be_vouched_for(
    certificate: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(certificate) as server:
        server.files[NAME] = BODY
        with pytest.raises(
            DownloadError, match=r"certificate of 127\.0\.0\.1 can't be verified .self.signed"
        ):
            fetch(model_file(server.address), into, patience=HURRIED)
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
        assert fetch(model_file(server.address), into, patience=HURRIED).read_bytes() == BODY


def test_a_proxy_of_the_environment_is_used(
    file: ModelFile, into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.address.replace("//", "//me:a%20word@"))
    fetch(model_file("http://published.invalid"), into)
    ((path, headers),) = server.requests
    assert path == f"http://published.invalid/demucs/{NAME}"
    assert headers["Proxy-Authorization"] == "Basic bWU6YSB3b3Jk"


def test_hosts_without_proxy_are_asked_directly(
    file: ModelFile, into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(DownloadError, match="the proxy doesn't let through to"):
        fetch(file, into, patience=HURRIED)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch(file, into).read_bytes() == BODY


@pytest.mark.parametrize(("status", "asked"), [(407, 1), (502, 3)])
def test_a_proxy_that_lets_nothing_through(
    status: int, asked: int, into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.address)
    server.faults, server.forever = [Fault(status)], True
    with pytest.raises(
        DownloadError, match=rf"the proxy doesn't let through to published\.invalid .*{status}"
    ):
        fetch(model_file("https://published.invalid"), into, patience=HURRIED)
    assert [path for path, _ in server.requests] == ["published.invalid:443"] * asked


def test_a_kind_of_proxy_we_do_not_know(file: ModelFile, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://me:secret@127.0.0.1:1080")
    with pytest.raises(
        DownloadError, match="socks5 is no kind of proxy that is supported; set HTTP_PROXY"
    ) as caught:
        fetch(file, into)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "proxy", ["http://me:secret@host:abc", "http://me:secret@[x", "me:secret@host:99999", "http://me:secret@"]
)
def test_a_proxy_has_to_be_an_address(
    proxy: str, file: ModelFile, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(DownloadError, match="address makes no sense; set HTTP_PROXY to one like") as caught:
        fetch(file, into)
    assert "secret" not in caught.value.message and "\n" not in caught.value.message


def test_a_proxys_password_has_to_be_one_that_can_be_sent(
    file: ModelFile, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://me:%E2%82%AC@127.0.0.1:1")
    with pytest.raises(DownloadError, match="user or password in HTTP_PROXY has letters"):
        fetch(file, into)


def test_a_mirror_takes_the_place_of_the_published_address(
    into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[NAME] = BODY
    monkeypatch.setenv("UNBRAID_MIRROR", f"{server.address}/mine/")
    assert fetch(model_file("https://published.invalid"), into).read_bytes() == BODY
    assert server.requests[0][0] == f"/mine/{NAME}"


@pytest.mark.parametrize("mirror", ["/mnt/models", "http://[x", "https://host:abc", "https://:80", "http://"])
def test_a_mirror_has_to_be_an_address(
    mirror: str, file: ModelFile, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_MIRROR", mirror)
    told = rf"{re.escape(mirror.rstrip('/'))}/.* is not an address that begins with https://"
    with pytest.raises(DownloadError, match=told):
        fetch(file, into)


# Without network


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, file: ModelFile) -> None:
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")


@pytest.mark.usefixtures("offline")
def test_offline_says_which_file_to_put_where(file: ModelFile, into: Path, server: FileServer) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(file, into)
    assert caught.value.message == (
        f"{NAME} can't be downloaded: UNBRAID_OFFLINE is set. "
        f"By hand: put {file.url} (SHA-256 {file.sha256}) into {into}"
    )
    assert server.requests == []


@pytest.mark.usefixtures("offline")
def test_a_file_put_there_by_hand_is_used(file: ModelFile, into: Path, server: FileServer) -> None:
    into.mkdir(parents=True)
    (into / NAME).write_bytes(BODY)
    assert fetch(file, into).read_bytes() == BODY
    assert server.requests == []


@pytest.mark.usefixtures("offline")
def test_another_file_put_there_by_hand_is_not(file: ModelFile, into: Path) -> None:
    into.mkdir(parents=True)
    (into / NAME).write_bytes(OTHER)
    with pytest.raises(
        DownloadError, match=f"{NAME} is not that file .its SHA-256 is {hashlib.sha256(OTHER).hexdigest()}"
    ):
        fetch(file, into)
    assert (into / NAME).read_bytes() == OTHER


def test_another_file_is_replaced_where_there_is_a_network(file: ModelFile, into: Path) -> None:
    into.mkdir(parents=True)
    (into / NAME).write_bytes(OTHER)
    assert fetch(file, into).read_bytes() == BODY


# Disks


def test_a_full_disk_is_an_error_and_nothing_stays(server: FileServer, tiny_disk: Path) -> None:
    body = np.random.default_rng(3).bytes(1 << 20)
    server.files[NAME] = body
    told = f"the disk of {tiny_disk} is full. Free some space, or set UNBRAID_CACHE"
    with pytest.raises(ModelError, match=told):
        fetch(model_file(server.address, body), tiny_disk)
    assert all_but_locks_in(tiny_disk) == []
