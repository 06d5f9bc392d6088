"""GET /config and GET /healthz: what a page has to know before it begins, and whether the store answers."""

from __future__ import annotations

from unbraid import __version__
from unbraid.api.schemas import ConfigAnswer, HealthAnswer, SignInAnswer
from unbraid.aws.http import Call, answering
from unbraid.jobs.choices import FORMATS

SCOPES = "openid"


def config(call: Call) -> ConfigAnswer:
    """For everybody: it says how to sign in."""
    settings, limits = call.settings, call.settings.limits
    sign_in = None
    if settings.oidc_issuer is not None and settings.oidc_client_id is not None:
        sign_in = SignInAnswer(issuer=settings.oidc_issuer, clientId=settings.oidc_client_id, scopes=SCOPES)
    return ConfigAnswer(
        signIn=sign_in,
        maxBytes=limits.max_bytes,
        maxSongSeconds=limits.max_song_s,
        formats=list(FORMATS),
        mail=settings.sends_mail,
        mixes=False,
        events=settings.socket_url,
        wakes=settings.endpoint is not None,  # its instances end while there is nothing to do
        version=__version__,
    )


def healthz(call: Call) -> HealthAnswer:
    """200 as long as the store answers."""
    call.service.jobs.get("healthz")
    return HealthAnswer(version=__version__)


handler = answering({"GET /config": config, "GET /healthz": healthz})
