"""What SageMaker's phases of a training mean, in a musician's words."""

from __future__ import annotations

from collections.abc import Mapping

PHASES: Mapping[str, str] = {
    "Starting": "AWS prepares the training.",
    "LaunchingMLInstances": "AWS starts the machine.",
    "PreparingTrainingStack": "AWS prepares the machine.",
    "Pending": "AWS looks for a free machine.",
    "Downloading": "The machine reads the songs.",
    "DownloadingTrainingImage": "The machine reads the image.",
    "Training": "The machine works.",
    "Interrupted": "AWS took the spot machine back. The training continues on the next free one.",
    "Restarting": "The machine failed. The training continues on another one.",
    "Uploading": "The machine writes the model to the bucket.",
}
