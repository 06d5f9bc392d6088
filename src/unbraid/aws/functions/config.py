"""GET /config and GET /healthz: what a page has to know before it begins, and whether the store answers."""

from __future__ import annotations

from unbraid import __version__
from unbraid.api.answers import config_answer, sign_in_answer
from unbraid.api.schemas import ConfigAnswer, HealthAnswer
from unbraid.aws.http import Call, answering

SCOPES = "openid"


def config(call: Call) -> ConfigAnswer:
    """For everybody: it says how to sign in."""
    settings = call.settings
    return config_answer(
        settings.limits,
        sign_in=sign_in_answer(settings.oidc_issuer, settings.oidc_client_id, SCOPES),
        mail=settings.sends_mail,
        mixes=False,
        events=settings.socket_url,
        wakes=settings.endpoint is not None,  # its instances end while there is nothing to do
    )


def healthz(call: Call) -> HealthAnswer:
    """200 as long as the store answers."""
    call.service.jobs.get("healthz")
    return HealthAnswer(version=__version__)


handler = answering({"GET /config": config, "GET /healthz": healthz})
