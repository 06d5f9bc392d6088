"""Teach a model in the user's AWS account: a training job of SageMaker, with the app's container."""
