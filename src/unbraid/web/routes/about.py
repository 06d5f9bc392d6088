"""What there is here: models, configuration, health, numbers."""

from __future__ import annotations

from fastapi import APIRouter, Response

from unbraid import __version__
from unbraid.jobs.choices import ALL, FORMATS
from unbraid.models.catalog import AUTO, CatalogEntry, catalog
from unbraid.web.context import Ctx
from unbraid.web.description import METRICS
from unbraid.web.metrics import CONTENT_TYPE
from unbraid.web.schemas import (
    ConfigAnswer,
    Cost,
    HealthAnswer,
    ModelAnswer,
    ModelsAnswer,
    SignInAnswer,
)

router = APIRouter(tags=["about"])


@router.get("/models")
def models(context: Ctx) -> ModelsAnswer:
    """Models with what each is good for and what it costs in time on this machine."""
    allowed = context.service.limits.models
    rates = context.service.board.rates

    def answer(entry: CatalogEntry) -> ModelAnswer:
        one = rates.of(entry.name, entry.sources[0])
        return ModelAnswer(
            name=entry.name,
            summary=entry.summary,
            stems=list(entry.sources),
            licence=entry.licence,
            sdr=dict(entry.sdr_db),
            installed=entry.installed,
            sizeBytes=entry.download_size or entry.size or 0,
            secondsPerSecond=Cost(one=one, all=rates.of(entry.name, ALL)),
        )

    chosen = [entry for entry in catalog().values() if allowed is None or entry.name in allowed]
    auto = allowed is None or AUTO in allowed
    return ModelsAnswer(models=[answer(one) for one in chosen], default=AUTO if auto else chosen[0].name)


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
