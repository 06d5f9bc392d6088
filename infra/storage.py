"""Storage: a bucket for songs and stems, tables for sessions, open WebSockets and what each client uses."""

from __future__ import annotations

import math

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.buckets import private_bucket
from infra.nag import explained
from infra.names import bucket_name
from unbraid.aws.training.names import FOLDER
from unbraid.jobs.limits import DAY, Limits

# The sweeper deletes expired files. The bucket's lifecycle rules, which count whole days from writing, are the safety
# net: a day until the song is started, results_s after its end, and two days in which it may wait.
KEPT_DAYS = math.ceil((Limits().upload_s + Limits().results_s) / DAY) + 2
TRAINING_DAYS = 7
"""Lifetime of the songs of a training, which the command deletes at its end. No training takes longer."""
PASSING_DAYS = 2
"""Lifetime of the endpoint's own requests and answers, which expire after six hours."""

KEYS, RECORD = dynamodb.ProjectionType.KEYS_ONLY, dynamodb.ProjectionType.ALL
INDEXES = {
    "by-owner": ("owner", "created_at", KEYS),
    "by-state": ("state", "at", RECORD),
    "by-expiry": ("all", "expires_at", KEYS),
}
"""Name -> partition key (string), sort key (number), and projected attributes (src/unbraid/aws/items.py)."""


class Storage(Construct):
    """`origin`: origin of the page, which uploads and downloads by signed links."""

    def __init__(self, scope: Construct, name: str, origin: str) -> None:
        super().__init__(scope, name)
        self.bucket = private_bucket(
            self,
            "Songs",
            bucket_name=bucket_name(self),
            cors=[
                s3.CorsRule(
                    allowed_origins=[origin],
                    allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD, s3.HttpMethods.PUT],
                    allowed_headers=["content-type", "range"],
                    exposed_headers=["accept-ranges", "content-length", "content-range", "etag"],
                    max_age=3600,
                )
            ],
            lifecycle_rules=[
                s3.LifecycleRule(id="unfinished", abort_incomplete_multipart_upload_after=Duration.days(1)),
                *(
                    s3.LifecycleRule(id=prefix, prefix=f"{prefix}/", expiration=Duration.days(days))
                    for prefix, days in (
                        ("inputs", KEPT_DAYS),
                        ("outputs", KEPT_DAYS),
                        ("requests", PASSING_DAYS),
                        ("answers", PASSING_DAYS),
                        (FOLDER, TRAINING_DAYS),
                    )
                ),
            ],
        )
        explained(
            self.bucket,
            S1="Only the functions, which log, and links that they sign for an hour reach the files. "
            "An access log would keep IP addresses of users.",
        )
        self.sessions = self._table(
            "Sessions",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            # The stream says which sessions have changed. The function that pushes them reads their status.
            stream=dynamodb.StreamViewType.KEYS_ONLY,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
        )
        for index, (partition, sort, projection) in INDEXES.items():
            self.sessions.add_global_secondary_index(
                index_name=index,
                partition_key=dynamodb.Attribute(name=partition, type=dynamodb.AttributeType.STRING),
                sort_key=dynamodb.Attribute(name=sort, type=dynamodb.AttributeType.NUMBER),
                projection_type=projection,
            )
        self.connections = self._table(
            "Connections",
            partition_key=dynamodb.Attribute(name="session_id", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="connection_id", type=dynamodb.AttributeType.STRING),
        )
        explained(
            self.connections,
            DDB3="Only open WebSockets: a page that reconnects subscribes again.",
        )

        # A table of its own: backups and the stream of the sessions leave out what clients use.
        self.usage = self._table(
            "Usage",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        )
        explained(self.usage, DDB3="Counts of the current hour, which a new hour begins again.")

    def _table(self, name: str, **definition: object) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            name,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="ttl",
            removal_policy=RemovalPolicy.DESTROY,
            **definition,  # type: ignore[arg-type]
        )
