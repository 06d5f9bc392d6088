"""Handlers that describe the installation: models, configuration, health."""

from __future__ import annotations

from unbraid import __version__
from unbraid.api.answers import config_answer, models_answer
from unbraid.api.call import Call
from unbraid.api.schemas.server import ConfigAnswer, HealthAnswer, ModelsAnswer


def models(call: Call) -> ModelsAnswer:
    """List the models with their scores, and their seconds of work for one second of song on this server.

    `choices` has `auto` (the best model) and `fast`, with the model that each stands for now.
    """
    service = call.service
    return models_answer(service.limits, service.queue_snapshot.rates)


def config(call: Call) -> ConfigAnswer:
    """Describe the installation to a front end: sign-in, limits, formats and optional features."""
    return config_answer(call.service.limits, call.features)


def healthz(call: Call) -> HealthAnswer:
    """Answer 200 while the server and its session store answer."""
    call.service.sessions.store.get("healthz")
    return HealthAnswer(version=__version__)
