"""What there is here: models, configuration, health, numbers."""

from __future__ import annotations

from fastapi import APIRouter, Response

from unbraid import __version__
from unbraid.api.answers import config_answer, models_answer, sign_in_answer
from unbraid.api.schemas import (
    ConfigAnswer,
    HealthAnswer,
    ModelsAnswer,
)
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
    settings = context.settings
    return config_answer(
        context.service.limits,
        sign_in=sign_in_answer(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_scopes),
        mail=settings.sends_mail,
        mixes=True,
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
