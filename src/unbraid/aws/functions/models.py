"""Lambda function `models`: GET /models."""

from __future__ import annotations

from unbraid.aws.http import handler_of

handler = handler_of("models")
