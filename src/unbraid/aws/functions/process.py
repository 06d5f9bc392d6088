"""Lambda function `process`: POST /process and POST /batch/process."""

from unbraid.aws.http import handler_of

handler = handler_of("process")
