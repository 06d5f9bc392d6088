"""Lambda function `models`: GET /models."""

from unbraid.aws.http import handler_of

handler = handler_of("models")
