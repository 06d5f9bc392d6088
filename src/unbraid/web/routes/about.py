"""What there is here: models, configuration, health, numbers."""

from __future__ import annotations

from fastapi import APIRouter, Response

from unbraid import __version__
from unbraid.api.answers import models_answer
from unbraid.api.schemas import (
    ConfigAnswer,
    HealthAnswer,
    ModelsAnswer,
    SignInAnswer,
)
from unbraid.jobs.choices import FORMATS
from unbraid.web.context import Ctx
from unbraid.web.description import METRICS
from unbraid.web.metrics import CONTENT_TYPE

router = APIRouter(tags=["about"])


@router.get("/models")
def models(context: Ctx) -> ModelsAnswer:
    """Models with what each is good for and what it costs in time on this machine."""
    service = context.service
    return models_answer(service.limits.models, service.board.rates)


@router.get("/config")
def config(context: Ctx) -> ConfigAnswer:
    """What a front end has to know before it begins."""
    settings, limits = context.settings, context.service.limits
    sign_in = None
    if settings.oidc_issuer is not None and settings.oidc_client_id is not None:
        sign_in = SignInAnswer(
            issuer=settings.oidc_issuer, clientId=settings.oidc_client_id, scopes=settings.oidc_scopes
        )
    return ConfigAnswer(
        signIn=sign_in,
        maxBytes=limits.max_bytes,
        maxSongSeconds=limits.max_song_s,
        formats=list(FORMATS),
        mail=settings.sends_mail,
        mixes=True,
        version=__version__,
    )


@router.get("/healthz")
def healthz(context: Ctx) -> HealthAnswer:
    """200 as long as the server answers and its store does."""
    context.service.jobs.get("healthz")
    return HealthAnswer(version=__version__)


@router.get("/metrics", response_class=Response, openapi_extra=METRICS)
def metrics(context: Ctx) -> Response:
    """Numbers for Prometheus."""
    return Response(context.metrics.text(), headers={"Content-Type": CONTENT_TYPE})
