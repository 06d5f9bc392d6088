"""What is kept: songs and stems in a bucket, sessions and open sockets in two tables."""

from __future__ import annotations

import math

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.buckets import private_bucket
from infra.nag import explained
from infra.settings import STACK
from unbraid.jobs.limits import DAY, Limits

BUCKET = f"{STACK}-{Aws.ACCOUNT_ID}-{Aws.REGION}"
"""Known by name, as the page's security policy names the bucket, and the bucket's CORS rule the page."""

# Upkeep deletes on time. The bucket's own rules, which count whole days from the writing, are the net below it: a day
# until the song is started, results_s after its end, and two days in which it may wait.
KEPT_DAYS = math.ceil((Limits().upload_s + Limits().results_s) / DAY) + 2
PASSING_DAYS = 2
"""For what only the endpoint reads and writes: its requests expire after six hours."""

KEYS, RECORD = dynamodb.ProjectionType.KEYS_ONLY, dynamodb.ProjectionType.ALL
INDEXES = {
    "by-owner": ("owner", "created_at", KEYS),
    "by-state": ("state", "at", RECORD),
    "by-expiry": ("all", "expires_at", KEYS),
}
"""Name -> partition key (a word), sort key (a number), and what of a session is in it (src/unbraid/aws/items.py)."""


class Storage(Construct):
    """`origin`: of the page, which reads and writes songs by links."""

    def __init__(self, scope: Construct, name: str, origin: str) -> None:
        super().__init__(scope, name)
        self.bucket = private_bucket(
            self,
            "Songs",
            bucket_name=BUCKET,
            cors=[
                s3.CorsRule(
                    allowed_origins=[origin],
                    allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD, s3.HttpMethods.PUT],
                    allowed_headers=["content-type", "range"],
                    exposed_headers=["accept-ranges", "content-length", "content-range"],
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
                    )
                ),
            ],
        )
        explained(
            self.bucket,
            S1="Everything is read and written by the functions, which log, or by links that they sign for an hour; "
            "a bucket of logs would hold addresses of people for as long as it is kept.",
        )
        self.sessions = self._table(
            "Sessions",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            # Which sessions have changed; how they are then is read when it is told.
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
            DDB3="Sockets that are open at the moment: what is lost is asked for again when the page reconnects.",
        )

    def _table(self, name: str, **definition: object) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            name,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="ttl",
            removal_policy=RemovalPolicy.DESTROY,
            **definition,  # type: ignore[arg-type]
        )
