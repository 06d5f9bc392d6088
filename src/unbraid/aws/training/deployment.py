"""The deployed stack that a model is taught in: its bucket, role, repository and build project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from botocore.config import Config
from botocore.exceptions import ClientError

from unbraid.aws.credentials import open_session
from unbraid.errors import SettingError

NAME = "unbraid"
"""Name of a deployment by default."""
_CALLS = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 6})


@dataclass(frozen=True)
class Deployment:
    """A deployment, with its outputs."""

    session: Any
    account: str
    name: str
    bucket: str
    role: str
    """ARN of the role of training jobs."""
    repository: str
    build: str
    """Name of the build project of CodeBuild."""
    wanted_image: str
    """Tag of the image of the deployed source."""
    running_image: str
    """Tag of the image that separates songs; empty if none has been built."""

    @classmethod
    def open(cls, name: str) -> Self:
        """Open the deployment of that name in the account of the user's credentials. Raises SettingError."""
        session, account = open_session()
        try:
            stacks = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise SettingError(
                f"The app isn't in AWS yet: there is no stack {name} in {session.region_name} of account {account}. "
                "Create it with: ./unbraid deploy"
            ) from None
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", [])}
        parameters = {
            each["ParameterKey"]: each["ParameterValue"] for each in stacks[0].get("Parameters", [])
        }
        if "TrainingRole" not in outputs:
            raise SettingError(
                f"The deployment {name} is older than this version, and can't teach. Update it with: ./unbraid deploy"
            )
        return cls(
            session,
            account,
            name,
            bucket=outputs["SongsBucket"],
            role=outputs["TrainingRole"],
            repository=outputs["Repository"],
            build=outputs["Build"],
            wanted_image=outputs["WantedImage"],
            running_image=parameters.get("ImageTag", ""),
        )

    @property
    def region(self) -> str:
        """Region of the deployment."""
        return str(self.session.region_name)

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service."""
        return self.session.client(service, config=_CALLS)
