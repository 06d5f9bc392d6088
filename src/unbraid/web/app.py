"""The FastAPI app: the API's routes, the front end and the middleware."""

from __future__ import annotations

from typing import cast

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from unbraid import __version__
from unbraid.api.signin import SignIn
from unbraid.jobs.service import Service
from unbraid.jobs.use import UseLimits
from unbraid.local.counters import MemoryCounters
from unbraid.local.factory import read_server_secret
from unbraid.local.file_store import FileStore
from unbraid.local.settings import Settings
from unbraid.web import events, files, metrics, mixes, problems, teaching
from unbraid.web.bodies import BodyLimit
from unbraid.web.calls import add_routes
from unbraid.web.context import Context
from unbraid.web.description import PROBLEMS, describe, operation_id
from unbraid.web.email import EmailQuota
from unbraid.web.gate import PasswordGate
from unbraid.web.headers import SecurityHeaders
from unbraid.web.hosts import KnownHosts
from unbraid.web.limits import Buckets, RateLimit
from unbraid.web.metrics import Metrics
from unbraid.web.password import SharedPassword
from unbraid.web.requests import RequestLog
from unbraid.web.sign_in import sign_in_router
from unbraid.web.static import FrontEnd


def create_app(service: Service, settings: Settings) -> FastAPI:
    """Create the app of one server."""
    store = cast(FileStore, service.sessions.objects)  # of `open_sessions`
    sign_in = None
    if settings.oidc_issuer is not None and settings.oidc_client_id is not None:
        sign_in = SignIn(settings.oidc_issuer, settings.oidc_audience or settings.oidc_client_id)
    password = None
    if settings.token is not None:
        password = SharedPassword(settings.token.get_secret_value(), read_server_secret(settings))
    use_limits = UseLimits(MemoryCounters(), settings.songs_per_hour)
    context = Context(service, store, settings, Metrics(service), sign_in, EmailQuota(settings), use_limits)
    app = FastAPI(
        title="Unbraid",
        version=__version__,
        docs_url=None,  # that page would load its script from another server
        redoc_url=None,
        responses=PROBLEMS,
        generate_unique_id_function=operation_id,
        middleware=_middleware(settings, context, password),
    )
    app.state.context = context
    app.state.watcher = events.StatusWatcher(context)
    app.state.mix_slots = mixes.MixSlots()
    problems.install(app)
    describe(app)
    # Only for the OpenAPI document; `context.owner_of` checks the token, and `PasswordGate` the password.
    signed_in = [] if sign_in is None and password is None else [Depends(HTTPBearer(auto_error=False))]
    add_routes(app, signed_in)
    for router in (mixes.router, teaching.router):
        app.include_router(router, dependencies=signed_in)
    for router in (metrics.router, files.router, events.router):
        app.include_router(router)
    if password is not None:
        app.include_router(sign_in_router(password))
    app.router.default = FrontEnd(sign_in=sign_in)
    return app


def _middleware(settings: Settings, context: Context, password: SharedPassword | None) -> list[Middleware]:
    """The middleware, outermost first."""
    gate = [] if password is None else [Middleware(PasswordGate, password=password)]
    https = (settings.public_url or "").startswith("https:")
    return [
        Middleware(SecurityHeaders, https=https),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "HEAD", "POST", "PUT"],
            allow_headers=["Authorization", "Content-Type", "Range", "X-Browser-Token", "X-Request-ID"],
            expose_headers=["Content-Disposition", "Content-Range", "ETag", "Retry-After", "X-Request-ID"],
        ),
        Middleware(RequestLog, metrics=context.metrics),
        Middleware(KnownHosts, settings=settings),
        Middleware(RateLimit, buckets=Buckets(settings.rate, settings.rate_burst)),
        Middleware(BodyLimit),
        *gate,
    ]
