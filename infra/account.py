"""Whose account it is, where, and whether it is ready. Every way in which it isn't is told in one line."""

from __future__ import annotations

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
from infra.settings import STACK

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOTSTRAPPED = "/cdk-bootstrap/hnb659fds/version"
"""Where the CDK keeps the version of what it has set up in an account (its default qualifier)."""


@dataclass(frozen=True)
class Account:
    """One that can be worked in."""

    session: boto3.Session
    number: str
    region: str

    @classmethod
    def opened(cls) -> Account:
        """That of the environment, of a profile, or of wherever else AWS's tools look. Raises Stopped."""
        try:
            session = boto3.Session()
            if session.region_name is None:
                raise Stopped("In which region? Set AWS_REGION, for instance to eu-central-1.")
            number = session.client("sts").get_caller_identity()["Account"]
        except ProfileNotFound as error:
            raise Stopped(f"{error}. AWS_PROFILE names it; `aws configure list-profiles` has all.") from None
        except NoCredentialsError:
            raise Stopped(
                "There are no credentials for AWS: run `aws configure sso` or `aws configure`, "
                "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from None
        except ClientError as error:
            raise Stopped(
                f"AWS refuses the credentials ({code(error)}): sign in anew, with `aws sso login`."
            ) from None
        except BotoCoreError as error:
            raise Stopped(f"AWS can't be asked: {error}") from None
        return cls(session, number, session.region_name)

    def client(self, service: str) -> Any:
        """A client of one of its services."""
        return self.session.client(service)

    def bootstrapped(self) -> bool:
        """Whether the CDK was set up here."""
        try:
            self.client("ssm").get_parameter(Name=BOOTSTRAPPED)
        except ClientError as error:
            if code(error) != "ParameterNotFound":
                raise
            return False
        return True

    def stack(self) -> Mapping[str, Any] | None:
        """The stack as CloudFormation describes it; None: there is none."""
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        except ClientError as error:
            if code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return dict(stacks[0])

    def outputs(self) -> dict[str, str]:
        """What the stack tells of itself."""
        stack = self.stack() or {}
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def image_tag(self) -> str:
        """Of the image that the stack runs; empty: none."""
        parameters = (self.stack() or {}).get("Parameters", [])
        return str({each["ParameterKey"]: each["ParameterValue"] for each in parameters}.get("ImageTag", ""))


def code(error: ClientError) -> str:
    """What AWS calls the error."""
    return str(error.response["Error"]["Code"])
