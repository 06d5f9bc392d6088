"""Lambda function `upload`: POST /upload and POST /batch."""

from unbraid.aws.http import handler_of

handler = handler_of("upload")
