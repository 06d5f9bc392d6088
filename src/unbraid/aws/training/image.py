"""The image of training jobs: the same Dockerfile, built with PyTorch.

An endpoint's image has PyTorch and trains as it is. That of Lambda functions lacks it: with PyTorch and CUDA it would
be larger than Lambda allows. So an image is built for the training, and deleted after it: storing it costs money.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from unbraid.aws.prices import USD_PER_BUILD_MINUTE
from unbraid.aws.training.deployment import Deployment
from unbraid.aws.training.names import IMAGE_PREFIX
from unbraid.errors import Unavailable
from unbraid.s3.errors import code_of

WITH_PYTORCH = "-gpu"
"""End of the tags of images with PyTorch."""
BUILD_MIN = 30
"""Length of a build: an estimate."""
USD_PER_MONTH = 0.5
"""Storing the image: 4.1 GB of PyTorch and CUDA, and 0.5 GB of everything else, at 0.10 dollars a GB and month."""
POLL_S = 15.0
_MISSING = ("ImageNotFoundException", "RepositoryNotFoundException")


def build_usd() -> float:
    """Return what a build costs: an estimate."""
    return BUILD_MIN * USD_PER_BUILD_MINUTE


class Image:
    """The image that a deployment trains with. It may not exist yet."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        running = deployment.running_image
        self.only_for_training = not running.endswith(WITH_PYTORCH)
        self.tag = (
            f"{IMAGE_PREFIX}{deployment.wanted_image.rpartition('-')[0]}"
            if self.only_for_training
            else running
        )

    @property
    def uri(self) -> str:
        """Address of the image."""
        found = self._deployment.client("ecr").describe_repositories(
            repositoryNames=[self._deployment.repository]
        )
        return f"{found['repositories'][0]['repositoryUri']}:{self.tag}"

    def exists(self) -> bool:
        """Whether the image has been built."""
        try:
            self._deployment.client("ecr").describe_images(
                repositoryName=self._deployment.repository, imageIds=[{"imageTag": self.tag}]
            )
        except ClientError as error:
            if code_of(error) not in _MISSING:
                raise
            return False
        return True

    def start_build(self) -> str:
        """Start to build the image, and return the id of the build. Raises Unavailable."""
        variables = {"IMAGE_TAG": self.tag, "DEVICE": WITH_PYTORCH.removeprefix("-")}
        try:
            started = self._deployment.client("codebuild").start_build(
                projectName=self._deployment.build,
                environmentVariablesOverride=[
                    {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
                ],
            )
        except ClientError as error:
            if code_of(error) != "AccountLimitExceededException":
                raise
            raise Unavailable(
                "AWS lets this account build nothing yet. `./unbraid deploy --check` prints the command that asks "
                "for a build."
            ) from None
        return str(started["build"]["id"])

    def is_building(self, build_id: str | None) -> bool:
        """Whether a build is under way."""
        if build_id is None:
            return False
        found = self._deployment.client("codebuild").batch_get_builds(ids=[build_id])["builds"]
        return bool(found) and found[0]["buildStatus"] == "IN_PROGRESS"

    def wait_for_build(
        self,
        build_id: str,
        changed: Callable[[str], object],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Wait for the end of a build. `changed` receives the name of each phase. Raises Unavailable if it fails."""
        client, phase = self._deployment.client("codebuild"), None
        while True:
            build = client.batch_get_builds(ids=[build_id])["builds"][0]
            if build.get("currentPhase") != phase:
                phase = build["currentPhase"]
                changed(phase.lower().replace("_", " "))
            if build["buildStatus"] != "IN_PROGRESS":
                break
            sleep(POLL_S)
        if build["buildStatus"] != "SUCCEEDED":
            log = build.get("logs", {}).get(
                "deepLink", f"the log group /aws/codebuild/{self._deployment.build}"
            )
            raise Unavailable(
                f"The build of the image for training failed ({build['buildStatus'].lower()}). Its log: {log}"
            )

    def stop_build(self, build_id: str) -> None:
        """End a build. One that has ended stays as it is."""
        try:
            self._deployment.client("codebuild").stop_build(id=build_id)
        except ClientError as error:
            if code_of(error) not in ("InvalidInputException", "ResourceNotFoundException"):
                raise

    def delete(self) -> None:
        """Delete the image if it is only for training. The image that separates songs stays."""
        if self.only_for_training:
            self._deployment.client("ecr").batch_delete_image(
                repositoryName=self._deployment.repository, imageIds=[{"imageTag": self.tag}]
            )
