"""The WebSocket API: a page subscribes to sessions and receives each change."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_apigatewayv2_integrations import WebSocketLambdaIntegration
from constructs import Construct

from infra.http_api import BURST, RATE
from infra.nag import acknowledged, explained
from infra.names import stack_name
from infra.rights import allow, named

STAGE = "events"


class SocketApi(Construct):
    """Its URL exists before its functions, which need it."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        self.api = api.WebSocketApi(self, "Api", api_name=f"{stack_name(self)}-events")
        logical_id = Stack.of(self).get_logical_id(self.api.node.default_child)  # type: ignore[arg-type]
        acknowledged(
            Stack.of(self),
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:"
            f"<{logical_id}>/{STAGE}/POST/@connections/*]",
            "API Gateway assigns connection ids.",
        )
        stage = api.WebSocketStage(
            self,
            "Stage",
            web_socket_api=self.api,
            stage_name=STAGE,
            auto_deploy=True,
            throttle=api.ThrottleSettings(rate_limit=RATE, burst_limit=BURST),
        )
        explained(
            stage,
            APIG1="Needs a role for all APIs of the account; the functions log connections themselves.",
        )

    @property
    def domain(self) -> str:
        """Host of the API."""
        stack = Stack.of(self)
        return f"{self.api.api_id}.execute-api.{stack.region}.{stack.url_suffix}"

    @property
    def url(self) -> str:
        """URL that pages connect to."""
        return f"wss://{self.domain}/{STAGE}"

    @property
    def push_url(self) -> str:
        """URL that functions post messages to."""
        return f"https://{self.domain}/{STAGE}"

    def push(self) -> iam.PolicyStatement:
        """Return the right to send messages to connections."""
        return allow(
            ["execute-api:ManageConnections"],
            named("execute-api", f"{self.api.api_id}/{STAGE}/POST/@connections/*"),
        )

    def add_routes(self, connect: lambda_.IFunction, disconnect: lambda_.IFunction) -> None:
        """Add the routes. Every message of a connected page asks for the status of its sessions."""
        for route, function in (("$connect", connect), ("$default", connect), ("$disconnect", disconnect)):
            self.api.add_route(
                route, integration=WebSocketLambdaIntegration(f"{route[1:].title()}Call", function)
            )
        explained(
            self,
            APIG4="As with HTTP, a session's id is its key. With sign-in, the function checks the token in the "
            "subprotocol, because a browser can't send a header with a WebSocket.",
        )
