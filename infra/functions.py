"""All Lambda functions, each with the rights it needs, and the events that invoke them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.function import Function
from infra.names import stack_name
from infra.rights import Rights
from infra.storage import Storage
from unbraid.api.routes import ROUTES

BACKGROUND_TIMEOUT_S = 300
"""Timeout of background functions: a sweep lists the keys of all files."""

COUNTED = {route.function for route in ROUTES if route.use is not None}
"""Functions that count what each client uses."""

Statements = Sequence[iam.PolicyStatement]


class Functions(Construct):
    """`dispatch`, `notify`, `push`: the rights to dispatch a song, to send notifications, to send to WebSockets.

    `use_limits`: further environment of the functions that count what each client uses.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        code: lambda_.Code,
        environment: Mapping[str, str],
        use_limits: Mapping[str, str],
        storage: Storage,
        dispatch: Statements,
        notify: Statements,
        push: iam.PolicyStatement,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, name)
        self.dead_letters = dead_letters
        self.storage = storage
        rights = Rights(storage)
        read_queue = rights.indexes("by-state")
        # The links of a video's picture are those of the upload.
        sign_links = rights.files("GetObject", "inputs", "outputs", "kept")
        requeue: Statements = [
            rights.sessions("GetItem", "PutItem"),
            rights.list_files(),
            rights.files("DeleteObject", "outputs"),
            *dispatch,
            *notify,
        ]
        foreground: dict[str, Statements] = {
            "upload": [
                rights.count_use(),
                rights.sessions("GetItem", "PutItem"),
                rights.files("PutObject", "inputs"),
                rights.files("ListMultipartUploadParts", "inputs"),
                rights.files("AbortMultipartUpload", "inputs"),
            ],
            "process": [
                rights.count_use(),
                # A session for the parts of a stem is deleted again if another call was faster.
                rights.sessions("GetItem", "PutItem", "DeleteItem"),
                rights.files("GetObject", "inputs", "outputs", "kept"),
                # to find a song that is being separated again already
                rights.indexes("by-owner"),
                rights.sessions("BatchGetItem"),
                # to join the parts of an upload, and to copy it
                rights.files("PutObject", "inputs"),
                rights.files("ListMultipartUploadParts", "inputs"),
                rights.list_files(),
                *dispatch,
            ],
            "status": [rights.sessions("GetItem", "BatchGetItem"), read_queue, sign_links],
            "cleanup": [
                rights.sessions("GetItem", "PutItem", "DeleteItem"),
                rights.list_files(),
                rights.files("DeleteObject", "inputs", "outputs", "kept"),
                rights.files("AbortMultipartUpload", "inputs"),
            ],
            "library": [
                rights.count_use(),
                rights.sessions("GetItem", "BatchGetItem", "PutItem", "DeleteItem"),
                rights.indexes("by-owner"),
                read_queue,
                rights.list_files(),
                sign_links,
                rights.files("PutObject", "kept"),
                rights.files("DeleteObject", "inputs", "outputs", "kept"),
            ],
            "shared": [rights.sessions("GetItem"), sign_links],
            "history": [rights.sessions("BatchGetItem"), rights.indexes("by-owner", "by-state"), sign_links],
            "cancel": [
                rights.sessions("GetItem", "BatchGetItem", "PutItem"),
                read_queue,
                sign_links,
                rights.list_files(),
                rights.files("DeleteObject", "outputs"),
            ],
            "models": [read_queue],
            "config": [rights.sessions("GetItem")],  # the health check reads the table
            "connect": [
                rights.sessions("GetItem", "BatchGetItem"),
                read_queue,
                sign_links,
                rights.connections("PutItem", "Query", "DeleteItem"),
                push,
            ],
            "disconnect": [rights.connections("Query", "DeleteItem")],
        }
        background: dict[str, Statements] = {
            "push": [
                rights.stream(),
                rights.sessions("GetItem", "BatchGetItem"),
                read_queue,
                sign_links,
                rights.connections("Query", "DeleteItem"),
                push,
            ],
            "upkeep": [
                *requeue,
                rights.sessions("BatchGetItem", "DeleteItem"),
                rights.indexes("by-state", "by-expiry"),
                rights.files("DeleteObject", "inputs", "kept"),
                rights.files("AbortMultipartUpload", "inputs"),
            ],
        }
        if self.has_endpoint(environment):
            background["on_invocation_end"] = requeue
        self.notifying = [name for name in background if name != "push"]
        """Functions that may end a session and notify its user."""
        self.by_name = {
            name: Function(
                self,
                name,
                code=code,
                environment={**environment, **(use_limits if name in COUNTED else {})},
                rights=statements,
            ).function
            for name, statements in foreground.items()
        }
        for name, statements in background.items():
            self.by_name[name] = Function(
                self,
                name,
                code=code,
                environment=environment,
                rights=statements,
                timeout_s=BACKGROUND_TIMEOUT_S,
                dead_letters=self.dead_letters,
            ).function
        self._schedule("recover", Duration.minutes(1))
        self._schedule("sweep", Duration.hours(1))
        self._follow_sessions()

    @staticmethod
    def has_endpoint(environment: Mapping[str, str]) -> bool:
        """Whether the asynchronous endpoint separates songs, so that a function must receive its notifications."""
        return "UNBRAID_ENDPOINT" in environment

    def _schedule(self, task: str, every: Duration) -> None:
        events.Rule(
            self,
            task.title(),
            rule_name=f"{stack_name(self)}-{task}",
            schedule=events.Schedule.rate(every),
            targets=[
                targets.LambdaFunction(
                    self.by_name["upkeep"],
                    event=events.RuleTargetInput.from_object({"task": task}),
                    # The next event comes soon, and Lambda itself retries a failed invocation.
                    retry_attempts=0,
                    max_event_age=Duration.minutes(1),
                )
            ],
        )

    def _follow_sessions(self) -> None:
        """Send every change of a session to `push`, in order. After some retries it goes to the dead-letter queue."""
        lambda_.EventSourceMapping(
            self,
            "Changes",
            target=self.by_name["push"],
            event_source_arn=self.storage.sessions.table_stream_arn,
            starting_position=lambda_.StartingPosition.LATEST,
            batch_size=100,
            bisect_batch_on_error=True,
            retry_attempts=3,
            max_record_age=Duration.minutes(5),
            on_failure=sources.SqsDlq(self.dead_letters),
        )

    def subscribe(self, *topics: sns.ITopic) -> None:
        """Send the endpoint's notifications to `on_invocation_end`, or if undeliverable to the dead-letter queue."""
        for topic in topics:
            topic.add_subscription(
                subscriptions.LambdaSubscription(
                    self.by_name["on_invocation_end"], dead_letter_queue=self.dead_letters
                )
            )
