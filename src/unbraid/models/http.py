"""Request a file, or the rest of it, over HTTP, and explain failures in plain words.

Proxies come from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) or from the system.
The system's certificate store (or `SSL_CERT_FILE`) verifies servers. Slow imports happen on use, because most runs
download nothing.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from unbraid import __version__

if TYPE_CHECKING:
    import urllib3

CHUNK = 1 << 16  # bytes: several reports a second on the slowest lines
REDIRECTS = 5
PORTS = {"http": 80, "https": 443}

# Status codes of temporary failures (RFC 9110, section 15, and 429 from RFC 6585).
TEMPORARY_STATUS = (408, 425, 429, 500, 502, 503, 504)


class TemporaryFailure(Exception):  # noqa: N818 - named for what happened
    """A retry may succeed, after `retry_after_s` if the server sent that header (otherwise 0)."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class PermanentFailure(Exception):  # noqa: N818
    """A retry would fail in the same way."""


class RangeUnavailable(Exception):  # noqa: N818
    """The server doesn't have the rest of the file, or has another version of the file."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of a request."""

    connect_s: float
    read_s: float
    """Time limit for the next bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer: the bytes of a file from `start` on."""

    start: int
    total: int | None
    """Size of the whole file; None if the server doesn't send it."""
    validator: str
    """Version of the file, to send in a later request for the rest (RFC 9110, section 13.1.5); empty if the server
    sends none."""
    chunks: Iterator[bytes]


@contextmanager
def get(url: str, start: int, validator: str, timeouts: Timeouts) -> Iterator[Answer]:
    """Request the bytes of `url` from `start` on.

    The answer is the whole file if the server has another version than `validator`, or doesn't support ranges. Raises
    TemporaryFailure, PermanentFailure and RangeUnavailable, also while chunks are read.
    """
    from urllib3 import exceptions

    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https"):
        raise PermanentFailure(f"{url} is not an address that begins with https:// or http://")
    host = parts.hostname or ""
    headers = {"User-Agent": f"unbraid/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        with _pool(url, host, timeouts) as pool:
            response = _request(pool, url, host, headers)
            try:
                yield _answer(response, host, start, validator)
            finally:
                response.close()
    except exceptions.HTTPError as error:
        raise _failure(error, host, timeouts) from error


def _pool(url: str, host: str, timeouts: Timeouts) -> urllib3.PoolManager:
    from urllib.request import getproxies, proxy_bypass

    import urllib3

    settings: dict[str, Any] = {"timeout": urllib3.Timeout(connect=timeouts.connect_s, read=timeouts.read_s)}
    scheme = urlsplit(url).scheme
    proxies = getproxies()
    proxy = None if proxy_bypass(host) else proxies.get(scheme) or proxies.get("all")
    if not proxy:
        if _reach(host, urlsplit(url).port or PORTS[scheme], timeouts.connect_s):
            settings["source_address"] = ("0.0.0.0", 0)  # no time is lost with IPv6
        return urllib3.PoolManager(**settings)
    parts = _parts(proxy if "://" in proxy else f"http://{proxy}")
    setting = f"{scheme.upper()}_PROXY"
    if parts is None:  # don't show the address: it may contain a password
        raise PermanentFailure(f"the proxy's address is invalid; set {setting} to one like http://HOST:PORT")
    if parts.scheme not in ("http", "https"):
        raise PermanentFailure(
            f"proxies of the kind {parts.scheme} are not supported; set {setting} to an http:// or https:// one"
        )
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        try:
            settings["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=user)
        except UnicodeError as error:  # HTTP headers are Latin-1
            raise PermanentFailure(
                f"the proxy's user or password in {setting} has characters outside Latin-1"
            ) from error
    host = parts.hostname or ""
    _reach(host, parts.port or PORTS[parts.scheme], timeouts.connect_s, "the proxy ")
    port = f":{parts.port}" if parts.port else ""
    return urllib3.ProxyManager(f"{parts.scheme}://{_bracketed(host)}{port}", **settings)


def _parts(address: str) -> SplitResult | None:
    """Split an address; None if it is invalid, or has no host or an invalid port."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError if it is invalid
    except ValueError:
        return None
    return parts if parts.hostname else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reach(host: str, port: int, timeout_s: float, kind: str = "") -> bool:
    """Connect to `host` on any of its addresses, all tried at once. Return whether the first to answer is IPv4.

    Raises TemporaryFailure unless the look-up and a connection succeed within `timeout_s`. The resolver alone may take
    half a minute, and urllib3 tries one address after another, each for its whole time limit. `kind` ("the proxy ")
    precedes the host in its message.
    """
    import selectors
    import socket

    end = time.monotonic() + timeout_s
    addresses = _look_up(host, port, timeout_s)
    refusal = ""
    with ExitStack() as stack:
        waiting = stack.enter_context(selectors.DefaultSelector())
        for family, address in addresses:
            try:
                attempt = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                attempt.setblocking(False)
                code = attempt.connect_ex(address)
            except OSError as error:  # no IPv6 on this machine
                refusal = error.strerror or str(error)
                continue
            if code in (0, errno.EINPROGRESS):
                waiting.register(attempt, selectors.EVENT_WRITE)
            else:
                refusal = os.strerror(code)
        while waiting.get_map() and (left_s := end - time.monotonic()) > 0:
            for key, _ in waiting.select(left_s):
                attempt = cast(socket.socket, key.fileobj)
                code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    return attempt.family == socket.AF_INET
                refusal = os.strerror(code)
                waiting.unregister(attempt)
        if waiting.get_map():
            raise TemporaryFailure(f"{kind}{host} didn't answer within {timeout_s:.2g} s")
    raise TemporaryFailure(f"{kind}{host} can't be reached ({refusal})")


def _look_up(host: str, port: int, timeout_s: float) -> list[tuple[int, Any]]:
    """Return family and address for each address of `host`. Raises TemporaryFailure."""
    import socket

    results: list[Any] = []

    def look_up() -> None:
        try:
            results.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            results.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not results:
        raise TemporaryFailure(f"looking up {host} takes longer than {timeout_s:.2g} s")
    if isinstance(results[0], Exception):
        raise TemporaryFailure(f"{host} can't be found (is there a network?)") from results[0]
    return [(family, address) for family, _, _, _, address in results[0]]


def _request(
    pool: urllib3.PoolManager, url: str, host: str, headers: Mapping[str, str]
) -> urllib3.BaseHTTPResponse:
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    # The caller retries: it knows how much of the file has arrived.
    retries = Retry(
        redirect=REDIRECTS, connect=0, read=0, status=0, other=0, respect_retry_after_header=False
    )
    try:
        return pool.request("GET", url, headers=headers, preload_content=False, retries=retries)
    except HTTPError:
        raise
    except ValueError as error:  # raised by the standard library for an invalid redirect
        raise PermanentFailure(f"{host} redirects to an invalid address ({error})") from error


def _answer(response: urllib3.BaseHTTPResponse, host: str, start: int, validator: str) -> Answer:
    headers = response.headers
    etag = headers.get("ETag", "")
    # A weak ETag (W/"...") doesn't guarantee equal bytes.
    strong = etag if etag.startswith('"') else headers.get("Last-Modified", "")
    if response.status == 200:
        length = headers.get("Content-Length", "")
        return Answer(0, int(length) if length.isdecimal() else None, strong, _chunks(response))
    if response.status == 206 and start:
        content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
        if (
            not content_range
            or int(content_range[1]) != start
            or (validator and strong and strong != validator)
        ):
            raise RangeUnavailable
        total = None if content_range[2] == "*" else int(content_range[2])
        return Answer(start, total, strong, _chunks(response))
    if response.status == 416 and start:
        raise RangeUnavailable
    reason = f"{host} answers {response.status}" + (f" ({response.reason})" if response.reason else "")
    if response.status in TEMPORARY_STATUS:
        raise TemporaryFailure(reason, _retry_after_s(response))
    raise PermanentFailure(reason)


def _chunks(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the body as it arrives. If the connection breaks, everything that arrived before has been yielded."""
    while chunk := response.read1(CHUNK):
        yield chunk


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> float:
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    try:
        return Retry().get_retry_after(response) or 0.0
    except InvalidHeader:
        return 0.0


def _failure(error: Exception, host: str, timeouts: Timeouts) -> TemporaryFailure | PermanentFailure:
    """Explain an error of urllib3 to the user."""
    from urllib3 import exceptions

    if isinstance(error, exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, exceptions.ProxyError):
        kind = PermanentFailure if "connection failed: 4" in str(error.original_error) else TemporaryFailure
        return kind(f"the proxy refuses a connection to {host} ({_cause(error.original_error)})")
    if isinstance(error, exceptions.NewConnectionError):  # also a ConnectTimeoutError in urllib3
        return TemporaryFailure(f"{host} can't be reached ({_cause(error)})")
    if isinstance(error, exceptions.ConnectTimeoutError):
        return TemporaryFailure(f"{host} didn't answer within {timeouts.connect_s:.2g} s")
    if isinstance(error, exceptions.ReadTimeoutError):
        return TemporaryFailure(f"{host} sent nothing for {timeouts.read_s:.2g} s")
    if isinstance(error, exceptions.SSLError):
        if _unverified(error):
            return PermanentFailure(
                f"the certificate of {host} can't be verified ({_cause(error)}); install the system's "
                "certificates (ca-certificates), or name yours in SSL_CERT_FILE"
            )
        return TemporaryFailure(f"no secure connection to {host} ({_cause(error)})")
    if isinstance(
        error, exceptions.ResponseError | exceptions.LocationValueError
    ):  # too many redirects; bad address
        return PermanentFailure(f"{host} redirects too often or to an invalid address ({error})")
    return TemporaryFailure(f"the connection to {host} was interrupted")


def _unverified(error: BaseException | None) -> bool:
    import ssl

    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__ or (error.args[0] if _holds_error(error) else None)
    return error is not None


def _holds_error(error: BaseException) -> bool:
    return bool(error.args) and isinstance(error.args[0], BaseException)


def _cause(error: BaseException) -> str:
    """Return `Connection refused` for `...: Failed to establish a new connection: [Errno 111] Connection refused`."""
    return re.sub(r"\s*\(_ssl\.c:\d+\)|\[.*\]\s*", "", str(error).rsplit(": ", 1)[-1]).strip()
