"""The AWS account and region to deploy to, and whether they are ready. Each obstacle is one clear line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.console import Stopped
from infra.settings import STACK, page_name
from unbraid.aws.credentials import open_session
from unbraid.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3

BOOTSTRAPPED = "/cdk-bootstrap/hnb659fds/version"
"""Parameter in which `cdk bootstrap` records its version (default qualifier)."""


@dataclass(frozen=True)
class Account:
    """An account with working credentials."""

    session: boto3.Session
    number: str
    region: str
    name: str
    """Name of the deployment and of its stack."""

    @classmethod
    def opened(cls, name: str = STACK) -> Account:
        """Open the account that the environment, the profile or the AWS configuration names. Raises Stopped."""
        try:
            session, number = open_session()
        except SettingError as error:
            raise Stopped(error.message) from None
        return cls(session, number, session.region_name, name)

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service."""
        return self.session.client(service)

    def bootstrapped(self) -> bool:
        """Whether `cdk bootstrap` has run here."""
        try:
            self.client("ssm").get_parameter(Name=BOOTSTRAPPED)
        except ClientError as error:
            if code(error) != "ParameterNotFound":
                raise
            return False
        return True

    @property
    def page_name(self) -> str:
        """Name of the stack of the page."""
        return page_name(self.name)

    def stack(self, name: str | None = None) -> Mapping[str, Any] | None:
        """Return a stack as CloudFormation describes it, or None if it doesn't exist. By default the main one."""
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=name or self.name)["Stacks"]
        except ClientError as error:
            if code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return dict(stacks[0])

    def outputs(self, name: str | None = None) -> dict[str, str]:
        """Return the outputs of a stack by name. By default those of the main one."""
        stack = self.stack(name) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def image_tag(self) -> str:
        """Return the tag of the image that the stack runs, or an empty string."""
        parameters = (self.stack() or {}).get("Parameters", [])
        return str({each["ParameterKey"]: each["ParameterValue"] for each in parameters}.get("ImageTag", ""))


def code(error: ClientError) -> str:
    """Return the error code of AWS."""
    return str(error.response["Error"]["Code"])
