"""Names that the stack and the trainings share. Imports nothing, for the environment of `unbraid deploy`."""

from __future__ import annotations

FOLDER = "training"
"""Folder of the bucket; its lifecycle rule deletes everything a week after it was written."""
IMAGE_PREFIX = "training-"
"""Of the tags of images for training only. The build doesn't switch the stack to them (buildspec.yml)."""
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
"""Log of all training jobs of the account."""
