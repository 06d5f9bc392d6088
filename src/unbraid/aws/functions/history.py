"""Lambda function `history`: GET /history."""

from unbraid.aws.http import handler_of

handler = handler_of("history")
