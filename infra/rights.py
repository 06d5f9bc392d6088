"""What a role may do, in the smallest pieces that the functions and the container are put together from.

Every statement names its actions in full and the resource it is about; `*` ends an ARN only where
all files below a prefix of the bucket, or all connections of the socket, are meant.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam

from infra.nag import acknowledged
from infra.storage import INDEXES, Storage


def allow(actions: Sequence[str], *resources: str, **conditions: object) -> iam.PolicyStatement:
    """One statement."""
    return iam.PolicyStatement(
        actions=list(actions), resources=list(resources), conditions=conditions or None
    )


class Rights:
    """Pieces over this stack's bucket and tables."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def sessions(self, *actions: str) -> iam.PolicyStatement:
        """Of the table itself, as in `sessions("GetItem", "PutItem")`."""
        return allow([f"dynamodb:{action}" for action in actions], self.storage.sessions.table_arn)

    def indexes(self, *names: str) -> iam.PolicyStatement:
        """Queries of these indexes."""
        assert set(names) <= INDEXES.keys()
        return allow(
            ["dynamodb:Query"], *(f"{self.storage.sessions.table_arn}/index/{name}" for name in names)
        )

    def connections(self, *actions: str) -> iam.PolicyStatement:
        """Of the table of open sockets."""
        return allow([f"dynamodb:{action}" for action in actions], self.storage.connections.table_arn)

    def stream(self) -> iam.PolicyStatement:
        """Reading what changes in the sessions."""
        actions = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        assert self.storage.sessions.table_stream_arn is not None
        return allow([f"dynamodb:{action}" for action in actions], self.storage.sessions.table_stream_arn)

    def files(self, action: str, *prefixes: str) -> iam.PolicyStatement:
        """Doing that, as S3 calls it, to files below prefixes such as `inputs`."""
        return allow(
            [f"s3:{action}"], *(self.storage.bucket.arn_for_objects(f"{prefix}/*") for prefix in prefixes)
        )

    def work(self) -> list[iam.PolicyStatement]:
        """What whoever separates a song does with its record and files, besides telling of its end."""
        return [
            self.sessions("GetItem", "PutItem"),
            self.files("GetObject", "inputs"),
            self.files("PutObject", "outputs"),
            self.files("AbortMultipartUpload", "outputs"),
            self.files("DeleteObject", "outputs"),
            self.list_files(),
        ]

    def explain(self, stack: Stack) -> None:
        """Why ARNs of files end in `*`, for cdk-nag."""
        bucket = stack.get_logical_id(self.storage.bucket.node.default_child)  # type: ignore[arg-type]
        for prefix in ("inputs", "outputs", "requests", "answers"):
            acknowledged(
                stack,
                f"AwsSolutions-IAM5[Resource::<{bucket}.Arn>/{prefix}/*]",
                "Files of sessions, whose ids are drawn when they begin.",
            )

    def list_files(self) -> iam.PolicyStatement:
        """Listing keys. Asking for one file needs it too: without, S3 answers 403 where there is none, not 404."""
        return allow(["s3:ListBucket"], self.storage.bucket.bucket_arn)


def named(service: str, resource: str) -> str:
    """The ARN of something in this account and region by its name, where asking for it would go round in a circle."""
    return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"
