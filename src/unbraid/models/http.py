"""One request for a file, or for the rest of it, and what went wrong in the user's words.

Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) or of the system;
certificates are checked against the system's (`SSL_CERT_FILE`). What takes long to import is imported on use, as most
runs download nothing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from unbraid import __version__

if TYPE_CHECKING:
    import urllib3

CHUNK = 1 << 16  # bytes: several reports a second on the slowest lines
REDIRECTS = 5

# What the same request may not meet again (RFC 9110, section 15, and 429 from RFC 6585).
PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)


class Passing(Exception):  # noqa: N818 - named by what it means for the caller
    """It may work at another try. `wait_s`: the server asked for so much patience; 0 where it didn't."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Lasting(Exception):  # noqa: N818 - see Passing
    """Another try would end alike."""


class NoSuchRange(Exception):  # noqa: N818 - see Passing
    """The server has no bytes from there on, or has others than before."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until a connection has to stand, and until the next bytes have to come."""

    connect_s: float
    read_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sends: the bytes of a file from `start` on."""

    start: int
    total: int | None
    """Size of the whole file, where the server says it."""
    validator: str
    """What identifies this version of the file when the rest of it is asked for later (RFC 9110, section 13.1.5);
    empty where the server doesn't say."""
    chunks: Iterator[bytes]


@contextmanager
def get(url: str, start: int, validator: str, timeouts: Timeouts) -> Iterator[Answer]:
    """Ask for the bytes of `url` from `start` on; the answer is the whole file where the server has another version
    than `validator` or knows nothing of ranges. Raises Passing, Lasting and NoSuchRange, also while chunks are read.
    """
    from urllib3 import exceptions

    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https"):
        raise Lasting(f"{url} is not an address that begins with https:// or http://")
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
        raise _reason(error, host, timeouts) from error


def _pool(url: str, host: str, timeouts: Timeouts) -> urllib3.PoolManager:
    from urllib.request import getproxies, proxy_bypass

    import urllib3

    settings: dict[str, Any] = {"timeout": urllib3.Timeout(connect=timeouts.connect_s, read=timeouts.read_s)}
    scheme = urlsplit(url).scheme
    proxies = getproxies()
    proxy = None if proxy_bypass(host) else proxies.get(scheme) or proxies.get("all")
    if not proxy:
        _look_up(host, timeouts.connect_s)
        return urllib3.PoolManager(**settings)
    parts = _parts(proxy if "://" in proxy else f"http://{proxy}")
    setting = f"{scheme.upper()}_PROXY"
    if parts is None:  # not told, as it may hold a password
        raise Lasting(f"the proxy's address makes no sense; set {setting} to one like http://HOST:PORT")
    if parts.scheme not in ("http", "https"):
        raise Lasting(f"{parts.scheme} is no kind of proxy that is supported; set {setting} to another")
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        try:
            settings["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=user)
        except UnicodeError as error:  # it is sent in Latin-1
            raise Lasting(
                f"the proxy's user or password in {setting} has letters that can't be sent"
            ) from error
    host = parts.hostname or ""
    _look_up(host, timeouts.connect_s)
    port = f":{parts.port}" if parts.port else ""
    return urllib3.ProxyManager(f"{parts.scheme}://{_bracketed(host)}{port}", **settings)


def _parts(address: str) -> SplitResult | None:
    """The parts of an address; None where it is none, or has no host or a port that makes no sense."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # is looked at only now
    except ValueError:
        return None
    return parts if parts.hostname else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _look_up(host: str, patience_s: float) -> None:
    """Raise Passing when `host` has no address within `patience_s`; the resolver itself may take half a minute."""
    import socket

    found: list[object] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, None))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(patience_s)
    if not found:
        raise Passing(f"looking up {host} takes longer than {patience_s:g} s")
    if isinstance(found[0], Exception):
        raise Passing(f"no address is known for {host} (is there a network?)") from found[0]


def _request(
    pool: urllib3.PoolManager, url: str, host: str, headers: Mapping[str, str]
) -> urllib3.BaseHTTPResponse:
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    # Trying again is up to the caller, who knows how far the file is.
    retries = Retry(
        redirect=REDIRECTS, connect=0, read=0, status=0, other=0, respect_retry_after_header=False
    )
    try:
        return pool.request("GET", url, headers=headers, preload_content=False, retries=retries)
    except HTTPError:
        raise
    except ValueError as error:  # what the server redirects to is taken apart by the standard library
        raise Lasting(f"{host} leads nowhere ({error})") from error


def _answer(response: urllib3.BaseHTTPResponse, host: str, start: int, validator: str) -> Answer:
    headers = response.headers
    etag = headers.get("ETag", "")
    strong = (
        etag if etag.startswith('"') else headers.get("Last-Modified", "")
    )  # W/"..." can't vouch for bytes
    if response.status == 200:
        length = headers.get("Content-Length", "")
        return Answer(0, int(length) if length.isdecimal() else None, strong, _chunks(response))
    if response.status == 206 and start:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
        if not found or int(found[1]) != start or (validator and strong and strong != validator):
            raise NoSuchRange
        total = None if found[2] == "*" else int(found[2])
        return Answer(start, total, strong, _chunks(response))
    if response.status == 416 and start:
        raise NoSuchRange
    said = f"{host} answers {response.status}" + (f" ({response.reason})" if response.reason else "")
    if response.status in PASSING_STATUS:
        raise Passing(said, _asked_to_wait(response))
    raise Lasting(said)


def _chunks(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The body as it comes; where it is cut, all that came before has been given."""
    while chunk := response.read1(CHUNK):
        yield chunk


def _asked_to_wait(response: urllib3.BaseHTTPResponse) -> float:
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    try:
        return Retry().get_retry_after(response) or 0.0
    except InvalidHeader:
        return 0.0


def _reason(error: Exception, host: str, timeouts: Timeouts) -> Passing | Lasting:
    """What urllib3 met, told to the user."""
    from urllib3 import exceptions

    if isinstance(error, exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, exceptions.ProxyError):
        kind = Lasting if "connection failed: 4" in str(error.original_error) else Passing
        return kind(f"the proxy doesn't let through to {host} ({_last_words(error.original_error)})")
    if isinstance(error, exceptions.NewConnectionError):  # a ConnectTimeoutError for urllib3, too
        return Passing(f"{host} can't be reached ({_last_words(error)})")
    if isinstance(error, exceptions.ConnectTimeoutError):
        return Passing(f"{host} doesn't answer within {timeouts.connect_s:g} s")
    if isinstance(error, exceptions.ReadTimeoutError):
        return Passing(f"{host} sends nothing for {timeouts.read_s:g} s")
    if isinstance(error, exceptions.SSLError):
        if _unverified(error):
            return Lasting(
                f"the certificate of {host} can't be verified ({_last_words(error)}); install the system's "
                "certificates (ca-certificates), or name yours in SSL_CERT_FILE"
            )
        return Passing(f"no secure connection to {host} ({_last_words(error)})")
    if isinstance(
        error, exceptions.ResponseError | exceptions.LocationValueError
    ):  # too many redirects; bad address
        return Lasting(f"{host} leads nowhere ({error})")
    return Passing(f"the connection to {host} broke off")


def _unverified(error: BaseException | None) -> bool:
    import ssl

    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__ or (error.args[0] if _holds_error(error) else None)
    return error is not None


def _holds_error(error: BaseException) -> bool:
    return bool(error.args) and isinstance(error.args[0], BaseException)


def _last_words(error: BaseException) -> str:
    """`Connection refused` of `...: Failed to establish a new connection: [Errno 111] Connection refused`."""
    return re.sub(r"\s*\(_ssl\.c:\d+\)|\[.*\]\s*", "", str(error).rsplit(": ", 1)[-1]).strip()
