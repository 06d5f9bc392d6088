"""Private buckets: readable only by roles, encrypted at rest and in transit."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct


def private_bucket(
    scope: Construct,
    name: str,
    *,
    bucket_name: str | None = None,
    cors: Sequence[s3.CorsRule] | None = None,
    lifecycle_rules: Sequence[s3.LifecycleRule] | None = None,
) -> s3.Bucket:
    """Create a private bucket that is deleted with the stack."""
    return s3.Bucket(
        scope,
        name,
        bucket_name=bucket_name,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        removal_policy=RemovalPolicy.DESTROY,
        cors=cors,
        lifecycle_rules=lifecycle_rules,
    )
