"""Lambda function `status`: POST /status, GET /status/{sessionId}, POST /batch/status and POST /pieces."""

from unbraid.aws.http import handler_of

handler = handler_of("status")
