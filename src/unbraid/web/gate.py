"""Keep everyone out who doesn't know the shared password (`UNBRAID_TOKEN`), except from what needs none."""

from __future__ import annotations

import math
import re

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from unbraid.api.problems import NOT_SIGNED_IN
from unbraid.web.limits import client_of
from unbraid.web.password import Refusal, SharedPassword
from unbraid.web.problems import problem
from unbraid.web.static import LINK_PAGE

COOKIE = "unbraid_sign_in"
FORM = "/sign-in"
OPEN_PATHS = (
    "/healthz",
    FORM,
    "/files/.*",  # signed links: the signature is the permission
    # Share links: the id is the permission. Their page and its files are the same for everyone.
    r"/shared/[\w-]+",
    f"/{LINK_PAGE}",
    r"/config\.json",
    r"/assets/\w[\w.-]*",
    # Browsers fetch the name and the icons of the app without cookies to install it.
    r"/manifest\.webmanifest",
    r"/favicon\.svg",
    r"/icon-[0-9]+\.png",
)
"""What needs no password: exactly what the routes match, as regular expressions."""
OPEN = re.compile("|".join(OPEN_PATHS), re.ASCII)
WRONG_PASSWORD = "This password is wrong. Check capital letters, or ask the person who runs this server."


class PasswordGate:
    """ASGI middleware: 401 without a valid cookie or `Authorization: Bearer PASSWORD`; browsers go to the form."""

    def __init__(self, app: ASGIApp, password: SharedPassword) -> None:
        self.app, self.password = app, password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan" or OPEN.fullmatch(scope["path"]) or has_cookie(scope, self.password):
            await self.app(scope, receive, send)
            return
        scheme, _, sent = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and sent.strip():
            refusal = self.password.check(_utf8(sent), client_of(scope))
            if refusal is None:
                await self.app(scope, receive, send)
            else:
                await refused(refusal)(scope, receive, send)
        elif _is_navigation(scope):
            await RedirectResponse(FORM, 303)(scope, receive, send)
        else:
            await problem(401, NOT_SIGNED_IN, {"WWW-Authenticate": "Bearer"})(scope, receive, send)


def has_cookie(scope: Scope, password: SharedPassword) -> bool:
    """Whether a request has a valid cookie."""
    return password.accepts(HTTPConnection(scope).cookies.get(COOKIE, ""))


def refused(refusal: Refusal) -> Response:
    """The answer to a password that was not accepted."""
    if refusal.wait_s == 0:
        return problem(401, WRONG_PASSWORD, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return problem(429, too_many(refusal), {"Retry-After": str(math.ceil(refusal.wait_s))})


def too_many(refusal: Refusal) -> str:
    """The message after too many wrong passwords."""
    seconds = math.ceil(refusal.wait_s)
    return f"Too many wrong passwords. Try again in {seconds} second{'s' * (seconds > 1)}."


def _utf8(header: str) -> str:
    """The text of a header, which Starlette decodes as Latin-1."""
    return header.strip().encode("latin-1").decode("utf-8", "replace")


def _is_navigation(scope: Scope) -> bool:
    """Whether a browser shows the answer as a page."""
    is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
    return is_read and "text/html" in Headers(scope=scope).get("accept", "")
