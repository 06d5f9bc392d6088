"""`/sign-in`, the form for the shared password, and `/sign-out`. The form needs no script and no other file."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from unbraid.web.gate import COOKIE, FORM, WRONG_PASSWORD, has_cookie, too_many
from unbraid.web.limits import client_of
from unbraid.web.password import COOKIE_S, SharedPassword

PAGE = Path(__file__).with_name("sign_in.html").read_text("utf-8")
_STYLE = "".join(re.findall(r"<style>(.*?)</style>", PAGE, re.DOTALL))
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


def sign_in_router(password: SharedPassword) -> APIRouter:
    """The routes of the form."""
    router = APIRouter(include_in_schema=False)

    @router.get(FORM)
    async def form(request: Request) -> Response:
        """Show the form, or the app if the browser is signed in."""
        if has_cookie(request.scope, password):
            return RedirectResponse("/", 303)
        return _page()

    @router.post(FORM)
    async def sign_in(request: Request) -> Response:
        """Check the password and set the cookie."""
        refusal = password.check(_sent_password(await request.body()), client_of(request.scope))
        if refusal is None:
            # The form has no `action`, so the browser keeps what stands after `#` for the app: the address of a song.
            response: Response = RedirectResponse("/", 303)
            is_https = request.url.scheme == "https"
            # "strict" would ask again at each link in a web mail or chat. No GET changes anything.
            response.set_cookie(
                COOKIE, password.cookie(), COOKIE_S, httponly=True, samesite="lax", secure=is_https
            )
            return response
        if refusal.wait_s > 0:
            return _page(too_many(refusal), 429, {"Retry-After": str(math.ceil(refusal.wait_s))})
        return _page(WRONG_PASSWORD, 401, {"WWW-Authenticate": "Bearer"})

    @router.post("/sign-out", status_code=204)
    async def sign_out(response: Response) -> None:
        """Delete the browser's cookie."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    return router


def _sent_password(body: bytes) -> str:
    """The field `password` of a form; empty if it is missing or the body isn't a form."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return ""
    return fields.get("password", [""])[0]


def _page(message: str = "", status: int = 200, headers: dict[str, str] | None = None) -> Response:
    alert = f'<p role="alert">{escape(message)}</p>' if message else ""
    return HTMLResponse(
        PAGE.replace("$message", alert), status, {"Content-Security-Policy": POLICY, **(headers or {})}
    )
