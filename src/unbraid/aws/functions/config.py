"""Lambda function `config`: GET /config and GET /healthz."""

from __future__ import annotations

from unbraid.aws.http import handler_of

handler = handler_of("config")
