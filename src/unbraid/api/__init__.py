"""The HTTP API, shared by the web app of one machine and the Lambda functions in AWS."""
