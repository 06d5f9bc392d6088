"""Lambda function `library`: POST /rename, POST /keep and POST /share."""

from unbraid.aws.http import handler_of

handler = handler_of("library")
