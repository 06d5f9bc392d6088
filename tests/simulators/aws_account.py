"""A simulated AWS account with the application deployed: creates all resources of a template on this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from tests.simulators.async_endpoint import AsyncEndpoint
from tests.simulators.bucket_cors import BucketCors
from tests.simulators.cloudformation import REGION, Template
from tests.simulators.event_sources import EventSourceMapping, TopicSubscriptions
from tests.simulators.http_api import HttpApi
from tests.simulators.iam_roles import IamRoles
from tests.simulators.lambda_functions import InvocationResult, LambdaFunctions
from tests.simulators.local_servers import free_port, serve_app
from tests.simulators.moto_server import run_moto
from tests.simulators.service_gateway import ServiceGateway
from tests.simulators.websocket_api import WebSocketApi

from unbraid.aws.container.__main__ import HANDLER as IMAGE_HANDLER
from unbraid.aws.items import session_of
from unbraid.jobs.session import Session

ROOT = Path(__file__).parents[2]
LEASE_S = 1

# A short lease, so that the loss of a worker is noticed within seconds.
# The bundled model, because tests download nothing.
OVERRIDES = {"UNBRAID_LEASE_S": str(LEASE_S), "UNBRAID_MODELS": "lite"}


class AwsAccount:
    """All resources of `template`, with their logs in `folder`.

    `page_origin`: origin that the page is served from. `issuer`: URL of the sign-in service, if the template has a user
    pool. `environment`: more variables of all functions and containers. `api_url` is the URL of the HTTP API.
    """

    def __init__(
        self,
        template: Template,
        folder: Path,
        page_origin: str,
        issuer: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._overrides = {**OVERRIDES, **(environment or {})}
        self.template, self.folder, self.page_origin = template, folder, page_origin
        self._exit_stack = ExitStack()
        self._moto = self._exit_stack.enter_context(run_moto(folder / "moto.log"))
        ports = {kind: free_port() for kind in ("HTTP", "WEBSOCKET")}
        for logical, api in template.of_type("AWS::ApiGatewayV2::Api").items():
            host = f"{template.name(logical)}.execute-api.{REGION}.amazonaws.com"
            port = ports[api["ProtocolType"]]
            template.addresses[f"https://{host}"] = f"http://127.0.0.1:{port}"
            template.addresses[f"wss://{host}"] = f"ws://127.0.0.1:{port}"
            template.attributes[f"{logical}.ApiEndpoint"] = f"http://127.0.0.1:{port}"
        for logical in template.ids("AWS::Cognito::UserPool"):
            assert issuer is not None
            template.addresses[f"https://cognito-idp.{REGION}.amazonaws.com/{template.name(logical)}"] = (
                issuer
            )
        self._create_storage()
        self.iam = IamRoles(template)
        buckets = {
            template.name(logical): BucketCors(properties)
            for logical, properties in template.of_type("AWS::S3::Bucket").items()
        }
        self.gateway = ServiceGateway(self._moto, self.iam, buckets)
        self.gateway_url = "http://" + self._exit_stack.enter_context(serve_app(self.gateway))
        self.functions = LambdaFunctions(template, folder, self._environment, IMAGE_HANDLER)
        self._exit_stack.callback(self.functions.close)
        self.gateway.functions = self.functions
        self.topics = TopicSubscriptions(self.functions)
        self.topics.subscribe(
            template, self.client("sns"), self._exit_stack.enter_context(serve_app(self.topics))
        )
        self.api = HttpApi(template, self.functions)
        self.api_url = "http://" + self._exit_stack.enter_context(serve_app(self.api, ports["HTTP"]))
        self.websocket_api = WebSocketApi(template, self.functions)
        self._exit_stack.enter_context(serve_app(self.websocket_api, ports["WEBSOCKET"]))
        self.websocket_url = f"ws://127.0.0.1:{ports['WEBSOCKET']}/{self.websocket_api.stage}"
        self.endpoint = self._endpoint()
        self.gateway.endpoint = self.endpoint
        for properties in template.of_type("AWS::Lambda::EventSourceMapping").values():
            mapping = EventSourceMapping(properties, self.functions, self.client)
            self._exit_stack.callback(mapping.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit_stack.close()

    @cache  # noqa: B019 - creating a client takes longer than most calls
    def client(self, service: str, role: str | None = None) -> Any:
        """A boto3 client: with all permissions, or with those of a role."""
        credentials = (
            {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
            if role is None
            else self.iam.credentials(role)
        )
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            endpoint_url=self._moto if role is None else self.gateway_url,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials.get("AWS_SESSION_TOKEN"),
            config=Config(retries={"mode": "standard", "total_max_attempts": 3}, proxies={}),
        )

    def bucket(self) -> str:
        """Name of the bucket for songs and stems."""
        return next(self.template.name(key) for key in self.template.ids("AWS::S3::Bucket") if "Songs" in key)

    def keys_of(self, session_id: str) -> list[str]:
        """Keys of the session's objects in the bucket."""
        files = self.client("s3").list_objects_v2(Bucket=self.bucket()).get("Contents", [])
        return [file["Key"] for file in files if session_id in file["Key"]]

    def delete_keys(self, prefix: str) -> None:
        """Delete all objects below a prefix, as a lifecycle rule of the bucket does."""
        s3 = self.client("s3")
        for file in s3.list_objects_v2(Bucket=self.bucket(), Prefix=prefix).get("Contents", []):
            s3.delete_object(Bucket=self.bucket(), Key=file["Key"])

    def session(self, session_id: str) -> Session:
        """The session's record in the table."""
        item = self.client("dynamodb").get_item(
            TableName=self.table("Sessions"), Key={"id": {"S": session_id}}, ConsistentRead=True
        )["Item"]
        return session_of(item)

    def expire_earlier(self, session_id: str, seconds: float) -> None:
        """Move the expiry of a session forward, as if `seconds` had passed. No worker may hold its lease."""
        expires_at = self.session(session_id).expires_at - seconds
        self.client("dynamodb").update_item(
            TableName=self.table("Sessions"),
            Key={"id": {"S": session_id}},
            UpdateExpression="SET expires_at = :at",
            ExpressionAttributeValues={":at": {"N": repr(expires_at)}},
        )

    def table(self, kind: str) -> str:
        """Name of a table: `Sessions` or `Connections`."""
        tables = self.template.ids("AWS::DynamoDB::Table")
        return next(self.template.name(logical) for logical in tables if kind in logical)

    def run_scheduled(self, task: str) -> InvocationResult:
        """Run an upkeep task (`recover`, `sweep`) now, with the input of its schedule in the template."""
        for rule in self.template.of_type("AWS::Events::Rule").values():
            for target in rule["Targets"]:
                if task in target.get("Input", ""):
                    return self.functions.invoke(target["Arn"], json.loads(target["Input"]))
        for schedule in self.template.of_type("AWS::Scheduler::Schedule").values():
            target = schedule["Target"]
            if task in target.get("Input", ""):
                return self.functions.invoke(target["Arn"], json.loads(target["Input"]))
        raise AssertionError(f"the template schedules no {task}")

    def _create_storage(self) -> None:
        """Create buckets, tables, topics, queues and e-mail identities with the template's properties."""
        s3, dynamodb, template = self.client("s3"), self.client("dynamodb"), self.template
        for logical in template.ids("AWS::S3::Bucket"):
            s3.create_bucket(
                Bucket=template.name(logical), CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        for logical, properties in template.of_type("AWS::DynamoDB::Table").items():
            options = {
                key: properties[key]
                for key in ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")
                if key in properties
            }
            if "StreamSpecification" in properties:
                stream = {"StreamEnabled": True, **properties["StreamSpecification"]}
                options["StreamSpecification"] = stream
            created = dynamodb.create_table(TableName=template.name(logical), **options)["TableDescription"]
            if "LatestStreamArn" in created:
                template.attributes[f"{logical}.StreamArn"] = created["LatestStreamArn"]
        for logical in template.ids("AWS::SNS::Topic"):
            self.client("sns").create_topic(Name=template.name(logical))
        for identity in template.of_type("AWS::SES::EmailIdentity").values():
            self.client("sesv2").create_email_identity(EmailIdentity=identity["EmailIdentity"])
        for logical, properties in template.of_type("AWS::SQS::Queue").items():
            attributes = {"VisibilityTimeout": str(properties.get("VisibilityTimeout", 30))}
            self.client("sqs").create_queue(QueueName=template.name(logical), Attributes=attributes)

    def _environment(self, role: str) -> Mapping[str, str]:
        """Environment variables of a process that acts as `role` and calls the simulated services."""
        return {
            **self.iam.credentials(role),
            "AWS_ENDPOINT_URL": self.gateway_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "UNBRAID_CACHE": os.environ["UNBRAID_CACHE"],
            "UNBRAID_OFFLINE": "1",
            **self._overrides,
        }

    def _endpoint(self) -> AsyncEndpoint | None:
        models = self.template.of_type("AWS::SageMaker::Model")
        if not models:
            return None
        (model,) = models.values()
        role = model["ExecutionRoleArn"]
        environment = {
            **self._environment(role),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT / "src"), *sys.path))),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
        }
        endpoint = AsyncEndpoint(
            self.template,
            self.client("s3", role),
            self.client("sns", role),
            environment,
            self.folder / "container.log",
        )
        self._exit_stack.callback(endpoint.close)
        return endpoint
