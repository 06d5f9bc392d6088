"""The state of a running app, and the caller of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from anyio import to_thread
from fastapi import Depends, Header, Request
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from unbraid.api import owners
from unbraid.api.answers import sign_in_answer
from unbraid.api.call import Features
from unbraid.api.problems import NOT_SIGNED_IN
from unbraid.api.signin import IssuerUnavailable, NotSignedIn, SignIn
from unbraid.jobs.service import Service
from unbraid.jobs.status import Status
from unbraid.jobs.use import UseLimits
from unbraid.local.file_store import FileStore
from unbraid.local.settings import Settings
from unbraid.web.email import EmailQuota
from unbraid.web.metrics import Metrics

ZIPS = "zips"
"""First part of the keys in links to archives. An archive exists only while it is sent."""


@dataclass(frozen=True)
class Context:
    """The state of a running app."""

    service: Service
    store: FileStore
    settings: Settings
    metrics: Metrics
    sign_in: SignIn | None
    email_quota: EmailQuota
    use_limits: UseLimits

    def base(self, connection: HTTPConnection) -> str:
        """The server's URL as the client knows it, without a final `/`. Links begin with it."""
        if self.settings.public_url is not None:
            return self.settings.public_url
        base = str(connection.base_url).rstrip("/")
        return "http" + base.removeprefix("ws") if base.startswith("ws") else base

    @property
    def features(self) -> Features:
        """Optional features of this server."""
        settings = self.settings
        sign_in = sign_in_answer(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_scopes)
        return Features(
            sign_in=sign_in,
            email=settings.notify_rights.sends_email,
            mixes=True,
            password=settings.token is not None,
            teaching=settings.teaches,
        )

    def zip_url(self, status: Status, base: str) -> str | None:
        """Link to one archive of all files of a session; None if it has no files."""
        if not status.files:
            return None
        key = f"{ZIPS}/{status.session.id}/all.zip"
        return base + self.store.links.download(key, self.service.limits.link_s, status.zip_name)

    def owner(self, token: str | None, browser: str | None) -> str | None:
        """The owner that the caller acts for. Raises HTTPException 401 for a bad token if users sign in."""
        if self.sign_in is not None:
            return owners.of_user(signed_in(self.sign_in, token))
        return owners.of_browser(browser)


def signed_in(sign_in: SignIn, token: str | None) -> str:
    """Return the user of a token. Raises HTTPException 401, 503."""
    try:
        if token is None:
            raise NotSignedIn
        return sign_in.user(token)
    except NotSignedIn:
        challenge = "Bearer" if token is None else 'Bearer error="invalid_token"'  # RFC 6750
        raise HTTPException(401, NOT_SIGNED_IN, {"WWW-Authenticate": challenge}) from None
    except IssuerUnavailable:
        raise HTTPException(
            503, "The sign-in provider can't be reached. Try again later.", {"Retry-After": "10"}
        ) from None


# Both are asynchronous, since FastAPI runs each plain function in another thread. With 200 clients on a busy machine,
# most of the waiting time was these thread switches.


async def context_of(connection: HTTPConnection) -> Context:
    """The context of the app."""
    return cast(Context, connection.app.state.context)


async def owner_of(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    x_browser_token: Annotated[
        str | None,
        Header(description="Random token of a browser; GET /history lists the songs uploaded with it"),
    ] = None,
) -> str | None:
    """The owner that the caller acts for."""
    if context.sign_in is None:
        return context.owner(None, x_browser_token)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer_token = token.strip() if scheme.lower() == "bearer" and token.strip() else None
    # Checking a signature and fetching keys would block the event loop.
    return await to_thread.run_sync(context.owner, bearer_token, x_browser_token)


Ctx = Annotated[Context, Depends(context_of)]
Owner = Annotated[str | None, Depends(owner_of)]
