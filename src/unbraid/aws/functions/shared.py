"""Lambda function `shared`: GET /shared/{shareId}."""

from unbraid.aws.http import handler_of

handler = handler_of("shared")
