"""Lambda function `cleanup`: POST /cleanup."""

from unbraid.aws.http import handler_of

handler = handler_of("cleanup")
