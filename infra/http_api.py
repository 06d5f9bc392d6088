"""The HTTP API: routes to Lambda functions, CORS for one origin, and rate limits."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_apigatewayv2_authorizers import HttpJwtAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.log_groups import log_group
from infra.nag import explained
from infra.names import stack_name
from unbraid.api.routes import ROUTES

RATE, BURST = 100, 100
"""Requests of all clients per second, and the largest burst. Each client has a limit of its own for calls that cost
something (`unbraid.jobs.use`). At 50 ms a call, 100 a second need 5 of the 10 concurrent functions of a new account."""

# The route, not the path: a path may contain a session id, and anyone who has it can download the stems.
LOGGED = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "agent": "$context.identity.userAgent",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "ms": "$context.responseLatency",
    "error": "$context.error.message",
    "integrationError": "$context.integrationErrorMessage",
    "authorizerError": "$context.authorizer.error",
}


class HttpApi(Construct):
    """`origin`: origin whose pages may call; None: only the page that CloudFront serves from the same host."""

    def __init__(self, scope: Construct, name: str, origin: str | None) -> None:
        super().__init__(scope, name)
        self.api = api.HttpApi(
            self,
            "Api",
            api_name=stack_name(self),
            create_default_stage=False,
            cors_preflight=None
            if origin is None
            else api.CorsPreflightOptions(
                allow_origins=[origin],
                allow_methods=[api.CorsHttpMethod.GET, api.CorsHttpMethod.POST],
                allow_headers=["authorization", "content-type", "x-browser-token"],
                expose_headers=["retry-after"],
                max_age=Duration.hours(1),
            ),
        )
        # Log groups below /aws/vendedlogs/ share one resource policy, whose size is limited.
        log = log_group(self, f"/aws/vendedlogs/{stack_name(self)}/http")
        self.stage = api.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            auto_deploy=True,
            throttle=api.ThrottleSettings(rate_limit=RATE, burst_limit=BURST),
        )
        stage = self.stage.node.default_child
        assert isinstance(stage, api.CfnStage)
        stage.access_log_settings = api.CfnStage.AccessLogSettingsProperty(
            destination_arn=log.log_group_arn, format=json.dumps(LOGGED)
        )

    @property
    def domain(self) -> str:
        """Host name of the API."""
        stack = Stack.of(self)
        return f"{self.api.api_id}.execute-api.{stack.region}.{stack.url_suffix}"

    @property
    def url(self) -> str:
        """URL of the API, without a final `/`."""
        return f"https://{self.domain}"

    def add_routes(
        self, functions: Mapping[str, lambda_.IFunction], issuer: str | None, client: str | None
    ) -> None:
        """Add every route of the table, with the sign-in at `issuer` as authorizer; None: no sign-in."""
        authorizer = None
        if issuer is not None and client is not None:
            authorizer = HttpJwtAuthorizer("SignIn", issuer, jwt_audience=[client])
        integrations = {
            name: HttpLambdaIntegration(name.title(), functions[name])
            for name in {route.function for route in ROUTES}
        }
        for route in ROUTES:
            self.api.add_routes(
                path=route.path,
                methods=[api.HttpMethod(route.method)],
                integration=integrations[route.function],
                authorizer=None if route.public else authorizer,
            )
        explained(
            self,
            APIG4="Without sign-in, a session's id of 128 random bits is its key. With sign-in, only /config, which "
            "names the provider, and /healthz are public.",
        )
