"""GET /models: what can be chosen."""

from __future__ import annotations

from unbraid.api.answers import models_answer
from unbraid.api.schemas import ModelsAnswer
from unbraid.aws.http import Call, answering


def models(call: Call) -> ModelsAnswer:
    """Models with what each is good for, and what it costs in time where songs are separated."""
    service = call.service
    return models_answer(service.limits.models, service.board.rates, call.settings.models)


handler = answering({"GET /models": models})
