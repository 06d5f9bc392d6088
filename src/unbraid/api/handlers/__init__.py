"""The handlers of the API's endpoints. The web app and the Lambda functions run the same ones."""
