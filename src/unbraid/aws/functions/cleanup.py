"""Lambda function `cleanup`: POST /cleanup."""

from __future__ import annotations

from unbraid.aws.http import handler_of

handler = handler_of("cleanup")
