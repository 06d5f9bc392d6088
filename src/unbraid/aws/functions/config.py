"""Lambda function `config`: GET /config and GET /healthz."""

from unbraid.aws.http import handler_of

handler = handler_of("config")
