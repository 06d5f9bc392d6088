"""Accept findings of cdk-nag, each with its reason, beside the construct it concerns."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def explained(construct: IConstruct, **reasons: str) -> None:
    """Acknowledge rules of AwsSolutions on `construct` and below it: `explained(bucket, S1="because …")`."""
    for rule, reason in reasons.items():
        acknowledged(construct, f"AwsSolutions-{rule}", reason)


def acknowledged(construct: IConstruct, finding: str, reason: str) -> None:
    """Acknowledge one finding by its whole name, as in `AwsSolutions-IAM5[Resource::*]`."""
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))
