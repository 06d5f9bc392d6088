"""Physical names in AWS. All begin with the name of the stack, so that two deployments don't share a resource."""

from __future__ import annotations

from aws_cdk import Aws, Stack
from constructs import Construct


def stack_name(scope: Construct) -> str:
    """Return the name of the stack that a construct is in."""
    return Stack.of(scope).stack_name


def namespace(scope: Construct) -> str:
    """Return the namespace of the functions' own metrics, as in `Unbraid`."""
    return stack_name(scope).title()


def bucket_name(scope: Construct) -> str:
    """Return the name of the bucket of songs.

    It is set, not assigned by AWS: the page's security policy needs the bucket, and the bucket's CORS rule the page.
    """
    return f"{stack_name(scope)}-{Aws.ACCOUNT_ID}-{Aws.REGION}"
