"""The Lambda functions of the deployment: one module each, with a `handler`."""
