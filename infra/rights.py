"""Small IAM statements that the roles of functions and container are composed of.

Every statement names its actions and its resource in full. `*` ends an ARN only for all files below a prefix of the
bucket, or all connections of the WebSocket.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam

from infra.nag import acknowledged
from infra.storage import INDEXES, Storage


def allow(actions: Sequence[str], *resources: str, **conditions: object) -> iam.PolicyStatement:
    """Return a statement that allows `actions` on `resources`."""
    return iam.PolicyStatement(
        actions=list(actions), resources=list(resources), conditions=conditions or None
    )


class Rights:
    """Statements on this stack's bucket and tables."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def sessions(self, *actions: str) -> iam.PolicyStatement:
        """Allow actions on the table of sessions, as in `sessions("GetItem", "PutItem")`."""
        return allow([f"dynamodb:{action}" for action in actions], self.storage.sessions.table_arn)

    def indexes(self, *names: str) -> iam.PolicyStatement:
        """Allow queries of these indexes."""
        assert set(names) <= INDEXES.keys()
        return allow(
            ["dynamodb:Query"], *(f"{self.storage.sessions.table_arn}/index/{name}" for name in names)
        )

    def connections(self, *actions: str) -> iam.PolicyStatement:
        """Allow actions on the table of open WebSockets."""
        return allow([f"dynamodb:{action}" for action in actions], self.storage.connections.table_arn)

    def count_use(self) -> iam.PolicyStatement:
        """Allow counting what clients use."""
        return allow(["dynamodb:UpdateItem"], self.storage.usage.table_arn)

    def stream(self) -> iam.PolicyStatement:
        """Allow reading the stream of changes of the sessions."""
        actions = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        assert self.storage.sessions.table_stream_arn is not None
        return allow([f"dynamodb:{action}" for action in actions], self.storage.sessions.table_stream_arn)

    def files(self, action: str, *prefixes: str) -> iam.PolicyStatement:
        """Allow an S3 action on files below prefixes such as `inputs`."""
        return allow(
            [f"s3:{action}"], *(self.storage.bucket.arn_for_objects(f"{prefix}/*") for prefix in prefixes)
        )

    def work(self) -> list[iam.PolicyStatement]:
        """Return the rights on records and files that separating a song needs, without notifications."""
        return [
            self.sessions("GetItem", "PutItem"),
            self.files("GetObject", "inputs", "outputs", "kept"),
            # Parts of a kept song are copied to where no rule of the bucket deletes them.
            self.files("PutObject", "outputs", "kept"),
            self.files("AbortMultipartUpload", "outputs"),
            self.files("DeleteObject", "outputs"),
            self.list_files(),
        ]

    def explain(self, stack: Stack) -> None:
        """Explain to cdk-nag why ARNs of files end in `*`."""
        bucket = stack.get_logical_id(self.storage.bucket.node.default_child)  # type: ignore[arg-type]
        for prefix in ("inputs", "outputs", "kept", "requests", "answers", "training"):
            acknowledged(
                stack,
                f"AwsSolutions-IAM5[Resource::<{bucket}.Arn>/{prefix}/*]",
                "Files of sessions and trainings, whose ids are random.",
            )

    def list_files(self, keys: str | None = None) -> iam.PolicyStatement:
        """Allow listing keys. Without it, S3 answers 403 instead of 404 for a missing file.

        `keys`: pattern of those that may be listed; None: all.
        """
        conditions = {} if keys is None else {"StringLike": {"s3:prefix": keys}}
        return allow(["s3:ListBucket"], self.storage.bucket.bucket_arn, **conditions)


def named(service: str, resource: str) -> str:
    """Return the ARN of a resource in this account and region by its name, to avoid circular references."""
    return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"
