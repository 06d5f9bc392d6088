"""The whole application as a template deploys it, on this machine: everything that takes part, and how it is joined."""

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
from tests.e2e.aws.bucket_cors import BucketCors
from tests.e2e.aws.deliveries import Poller, Topics
from tests.e2e.aws.door import Door
from tests.e2e.aws.endpoint import AsyncEndpoint
from tests.e2e.aws.functions import Answer, Functions
from tests.e2e.aws.http_api import HttpApi
from tests.e2e.aws.rights import Rights
from tests.e2e.aws.serving import free_port, serving, serving_moto
from tests.e2e.aws.socket_api import SocketApi
from tests.e2e.aws.template import REGION, Template

from unbraid.aws.container.__main__ import HANDLER as IMAGE_HANDLER
from unbraid.aws.items import session_of
from unbraid.jobs.session import Session

ROOT = Path(__file__).parents[3]
LEASE_S = 1

# So that what is gone is missed within seconds; and the model of the package, as nothing is downloaded here.
HERE = {"UNBRAID_LEASE_S": str(LEASE_S), "UNBRAID_MODELS": "lite"}


class World:
    """`address` is that of the HTTP API. `issuer`: who signs people in, where the template has a user pool."""

    def __init__(self, template: Template, folder: Path, site: str, issuer: str | None = None) -> None:
        self.template, self.folder, self.site = template, folder, site
        self._ends = ExitStack()
        self._moto = self._ends.enter_context(serving_moto(folder / "moto.log"))
        ports = {kind: free_port() for kind in ("HTTP", "WEBSOCKET")}
        for logical, api in template.of_type("AWS::ApiGatewayV2::Api").items():
            there, port = (
                f"{template.name(logical)}.execute-api.{REGION}.amazonaws.com",
                ports[api["ProtocolType"]],
            )
            template.addresses[f"https://{there}"] = f"http://127.0.0.1:{port}"
            template.addresses[f"wss://{there}"] = f"ws://127.0.0.1:{port}"
            template.attributes[f"{logical}.ApiEndpoint"] = f"http://127.0.0.1:{port}"
        for logical in template.ids("AWS::Cognito::UserPool"):
            assert issuer is not None
            template.addresses[f"https://cognito-idp.{REGION}.amazonaws.com/{template.name(logical)}"] = (
                issuer
            )
        self._keep()
        self.rights = Rights(template)
        buckets = {
            template.name(logical): BucketCors(said)
            for logical, said in template.of_type("AWS::S3::Bucket").items()
        }
        self.door = Door(self._moto, self.rights, buckets)
        self.door_address = "http://" + self._ends.enter_context(serving(self.door))
        self.functions = Functions(template, folder, self._environment, IMAGE_HANDLER)
        self._ends.callback(self.functions.close)
        self.door.functions = self.functions
        self.topics = Topics(self.functions)
        self.topics.subscribe(template, self.client("sns"), self._ends.enter_context(serving(self.topics)))
        self.api = HttpApi(template, self.functions)
        self.address = "http://" + self._ends.enter_context(serving(self.api, ports["HTTP"]))
        self.sockets = SocketApi(template, self.functions)
        self._ends.enter_context(serving(self.sockets, ports["WEBSOCKET"]))
        self.sockets_address = f"ws://127.0.0.1:{ports['WEBSOCKET']}/{self.sockets.stage}"
        self.endpoint = self._endpoint()
        self.door.endpoint = self.endpoint
        self.pollers = [
            self._poller(said) for said in template.of_type("AWS::Lambda::EventSourceMapping").values()
        ]
        for poller in self.pollers:
            self._ends.callback(poller.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    @cache  # noqa: B019 - as long as the world; to make one takes longer than most calls
    def client(self, service: str, role: str | None = None) -> Any:
        """A client of an AWS API: of the test's own, or as a role, which may do less."""
        said = (
            {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
            if role is None
            else self.rights.credentials(role)
        )
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            endpoint_url=self._moto if role is None else self.door_address,
            aws_access_key_id=said["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=said["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=said.get("AWS_SESSION_TOKEN"),
            config=Config(retries={"mode": "standard", "total_max_attempts": 3}, proxies={}),
        )

    def bucket(self) -> str:
        """The name of the bucket that songs are kept in."""
        return next(self.template.name(key) for key in self.template.ids("AWS::S3::Bucket") if "Songs" in key)

    def keys(self, session_id: str) -> list[str]:
        """What lies in the bucket of that session."""
        files = self.client("s3").list_objects_v2(Bucket=self.bucket()).get("Contents", [])
        return [file["Key"] for file in files if session_id in file["Key"]]

    def record(self, session_id: str) -> Session:
        """The session as the table has it."""
        item = self.client("dynamodb").get_item(
            TableName=self.table("Sessions"), Key={"id": {"S": session_id}}, ConsistentRead=True
        )["Item"]
        return session_of(item)

    def age(self, session_id: str, seconds: float) -> None:
        """Let so much time pass for a session that nobody works on: it expires that much earlier."""
        expires_at = self.record(session_id).expires_at - seconds
        self.client("dynamodb").update_item(
            TableName=self.table("Sessions"),
            Key={"id": {"S": session_id}},
            UpdateExpression="SET expires_at = :at",
            ExpressionAttributeValues={":at": {"N": repr(expires_at)}},
        )

    def table(self, kind: str) -> str:
        """The name of a table: `Sessions` or `Connections`."""
        tables = self.template.ids("AWS::DynamoDB::Table")
        return next(self.template.name(logical) for logical in tables if kind in logical)

    def scheduled(self, what: str) -> Answer:
        """Have upkeep do `what` now, as its schedule has it done: with the input that the template gives."""
        for rule in self.template.of_type("AWS::Events::Rule").values():
            for target in rule["Targets"]:
                if what in target.get("Input", ""):
                    return self._invoked(target["Arn"], target["Input"])
        for schedule in self.template.of_type("AWS::Scheduler::Schedule").values():
            target = schedule["Target"]
            if what in target.get("Input", ""):
                return self._invoked(target["Arn"], target["Input"])
        raise AssertionError(f"nothing in the template has {what} done")

    def _invoked(self, arn: str, said: str) -> Answer:
        return self.functions.invoke(arn, json.loads(said))

    def _keep(self) -> None:
        """Buckets, tables, topics and queues with the template's properties."""
        s3, dynamodb, template = self.client("s3"), self.client("dynamodb"), self.template
        for logical in template.ids("AWS::S3::Bucket"):
            s3.create_bucket(
                Bucket=template.name(logical), CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        for logical, said in template.of_type("AWS::DynamoDB::Table").items():
            wanted = {
                key: said[key]
                for key in ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")
                if key in said
            }
            if "StreamSpecification" in said:
                wanted["StreamSpecification"] = {"StreamEnabled": True, **said["StreamSpecification"]}
            made = dynamodb.create_table(TableName=template.name(logical), **wanted)["TableDescription"]
            if "LatestStreamArn" in made:
                template.attributes[f"{logical}.StreamArn"] = made["LatestStreamArn"]
        for logical in template.ids("AWS::SNS::Topic"):
            self.client("sns").create_topic(Name=template.name(logical))
        for said in template.of_type("AWS::SES::EmailIdentity").values():
            self.client("sesv2").create_email_identity(EmailIdentity=said["EmailIdentity"])
        for logical, said in template.of_type("AWS::SQS::Queue").items():
            seen_again = {"VisibilityTimeout": str(said.get("VisibilityTimeout", 30))}
            self.client("sqs").create_queue(QueueName=template.name(logical), Attributes=seen_again)

    def _environment(self, role: str) -> Mapping[str, str]:
        """Who a process is, and where the services are."""
        return {
            **self.rights.credentials(role),
            "AWS_ENDPOINT_URL": self.door_address,
            "AWS_EC2_METADATA_DISABLED": "true",
            "UNBRAID_CACHE": os.environ["UNBRAID_CACHE"],
            "UNBRAID_OFFLINE": "1",
            **HERE,
        }

    def _endpoint(self) -> AsyncEndpoint | None:
        models = self.template.of_type("AWS::SageMaker::Model")
        if not models:
            return None
        (model,) = models.values()
        role = model["ExecutionRoleArn"]
        environment = {
            **self._environment(role),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
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
        self._ends.callback(endpoint.close)
        return endpoint

    def _poller(self, said: dict[str, Any]) -> Poller:
        return Poller(said, self.functions, said["FunctionName"], self.client)
