"""Lambda function `cancel`: POST /cancel."""

from unbraid.aws.http import handler_of

handler = handler_of("cancel")
