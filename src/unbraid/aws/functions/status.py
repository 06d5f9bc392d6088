"""Lambda function `status`: POST /status, GET /status/{sessionId} and POST /batch/status."""

from unbraid.aws.http import handler_of

handler = handler_of("status")
