"""Lambda function `status`: POST /status, GET /status/{sessionId} and POST /batch/status."""

from __future__ import annotations

from unbraid.aws.http import handler_of

handler = handler_of("status")
