"""The AWS account and region to deploy to, and whether they are ready. Each obstacle is one clear line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ProfileNotFound,
)

from infra.console import Stopped
from infra.settings import STACK, page_name

if TYPE_CHECKING:
    from collections.abc import Mapping

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
            # boto3 reads only AWS_DEFAULT_REGION; AWS's other tools, and the CDK, read AWS_REGION first.
            session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
            if session.region_name is None:
                raise Stopped("No AWS region is set. Set AWS_REGION, for example to eu-central-1.")
            number = session.client("sts").get_caller_identity()["Account"]
        except ProfileNotFound as error:
            raise Stopped(f"{error}. Set AWS_PROFILE to one of `aws configure list-profiles`.") from None
        except NoCredentialsError:
            raise Stopped(
                "No AWS credentials were found. Run `aws configure sso` or `aws configure`, "
                "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from None
        except ClientError as error:
            raise Stopped(
                f"AWS refuses the credentials ({code(error)}). Sign in again with `aws sso login`."
            ) from None
        except BotoCoreError as error:
            raise Stopped(f"AWS can't be reached: {error}. Check the network.") from None
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
