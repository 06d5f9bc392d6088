"""Security properties of the template, for every combination of settings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.infra.conftest import PAGE
from tests.infra.template_queries import (
    Template,
    listed,
    one,
    resources,
    text,
)

Synth = Callable[..., Template]


@pytest.fixture(params=["main", "page"])
def with_buckets(synth: Synth, request: pytest.FixtureRequest) -> Template:
    """Return each of the two templates of a deployment on CloudFront."""
    return synth(stack=request.param, cloudfront=True)


def test_buckets_are_private(with_buckets: Template) -> None:
    template = with_buckets
    for bucket in resources(template, "S3::Bucket").values():
        assert bucket["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        assert "AccessControl" not in bucket
        assert "WebsiteConfiguration" not in bucket


def test_buckets_are_encrypted(with_buckets: Template) -> None:
    template = with_buckets
    for bucket in resources(template, "S3::Bucket").values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


@pytest.mark.parametrize(
    ("kind", "policy", "of"),
    [("S3::Bucket", "S3::BucketPolicy", "Bucket"), ("SQS::Queue", "SQS::QueuePolicy", "Queues")],
)
def test_buckets_and_queues_require_tls(with_buckets: Template, kind: str, policy: str, of: str) -> None:
    template = with_buckets
    denied = set()
    for properties in resources(template, policy).values():
        for statement in properties["PolicyDocument"]["Statement"]:
            if statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}:
                assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": "*"})
                assert statement["Action"] == {"S3::Bucket": "s3:*", "SQS::Queue": "sqs:*"}[kind]
                denied |= {ref["Ref"] for ref in listed(properties[of])}
    assert denied == resources(template, kind).keys()


def test_buckets_refuse_old_versions_of_tls(with_buckets: Template) -> None:
    template = with_buckets
    for properties in resources(template, "S3::BucketPolicy").values():
        conditions = [each.get("Condition") for each in properties["PolicyDocument"]["Statement"]]
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in conditions


def test_topics_require_tls(template: Template) -> None:
    denied = {
        ref["Ref"]
        for properties in resources(template, "SNS::TopicPolicy").values()
        for statement in properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Action"] == "sns:Publish"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for ref in properties["Topics"]
    }
    assert denied == resources(template, "SNS::Topic").keys()


def test_the_notification_topic_and_all_queues_are_encrypted(template: Template) -> None:
    ended = one(template, "SNS::Topic", "Letters")
    assert text(ended["KmsMasterKeyId"]).endswith("alias/aws/sns")
    assert all(queue["SqsManagedSseEnabled"] for queue in resources(template, "SQS::Queue").values())


def test_no_customer_managed_key_has_to_be_paid(template: Template) -> None:
    assert resources(template, "KMS::Key") == {}
    for table in resources(template, "DynamoDB::Table").values():
        assert "SSESpecification" not in table  # the AWS-owned key is free


def test_api_stages_are_throttled(template: Template) -> None:
    stages = resources(template, "ApiGatewayV2::Stage").values()
    assert len(stages) == 2
    for stage in stages:
        settings = stage["DefaultRouteSettings"]
        assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (100, 100)


def test_cors_allows_only_the_page(synth: Synth) -> None:
    template = synth(site=PAGE)
    cors = one(template, "ApiGatewayV2::Api", "HttpApi")["CorsConfiguration"]
    assert cors["AllowOrigins"] == [PAGE]
    assert sorted(cors["AllowMethods"]) == ["GET", "POST"]
    assert not cors.get("AllowCredentials", False)
    (rule,) = one(template, "S3::Bucket", "StorageSongs")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == [PAGE]
    assert sorted(rule["AllowedMethods"]) == ["GET", "HEAD", "PUT"]
    assert "etag" in rule["ExposedHeaders"]


def test_with_cloudfront_no_other_origin_may_call(synth: Synth) -> None:
    template = synth(cloudfront=True)
    assert "CorsConfiguration" not in one(template, "ApiGatewayV2::Api", "HttpApi")
    (rule,) = one(template, "S3::Bucket", "StorageSongs")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == [PAGE]


def test_without_a_page_no_origin_may_call(synth: Synth) -> None:
    template = synth()
    assert "CorsConfiguration" not in one(template, "ApiGatewayV2::Api", "HttpApi")
    (rule,) = one(template, "S3::Bucket", "StorageSongs")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == ["https://page.invalid"]


def routes(template: Template, api: str) -> dict[str, dict[str, Any]]:
    (name,) = (name for name in resources(template, "ApiGatewayV2::Api") if name.startswith(api))
    return {
        route["RouteKey"]: route
        for route in resources(template, "ApiGatewayV2::Route").values()
        if route["ApiId"] == {"Ref": name}
    }


def test_with_sign_in_all_routes_but_the_public_ones_need_a_token(synth: Synth) -> None:
    template = synth(site=PAGE, sign_in=True)
    (authorizer,) = resources(template, "ApiGatewayV2::Authorizer")
    for key, route in routes(template, "HttpApi").items():
        if key in ("GET /config", "GET /healthz", "GET /shared/{shareId}"):
            assert route.get("AuthorizationType", "NONE") == "NONE"
        else:
            assert route["AuthorizationType"] == "JWT", key
            assert route["AuthorizerId"] == {"Ref": authorizer}
    settings = resources(template, "ApiGatewayV2::Authorizer")[authorizer]
    (client,), (pool,) = (
        resources(template, "Cognito::UserPoolClient"),
        resources(template, "Cognito::UserPool"),
    )
    assert settings["JwtConfiguration"]["Audience"] == [{"Ref": client}]
    assert text(settings["JwtConfiguration"]["Issuer"]).endswith(f"/<{pool}>")
    assert settings["IdentitySource"] == ["$request.header.Authorization"]


def test_users_are_invited_and_the_page_is_a_public_client(synth: Synth) -> None:
    template = synth(site=PAGE, sign_in=True)
    pool, client = one(template, "Cognito::UserPool"), one(template, "Cognito::UserPoolClient")
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["GenerateSecret"] is False
    assert client["CallbackURLs"] == client["LogoutURLs"] == [f"{PAGE}/"]
    assert client["PreventUserExistenceErrors"] == "ENABLED"


def test_every_function_logs_for_a_month(template: Template) -> None:
    groups = resources(template, "Logs::LogGroup")
    assert {group["RetentionInDays"] for group in groups.values()} == {30}
    for function in resources(template, "Lambda::Function").values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups
    names = {group["LogGroupName"] for group in groups.values()}
    assert {"/aws/vendedlogs/unbraid/http", "/aws/codebuild/unbraid"} <= names


def test_the_api_logs_every_call_without_session_ids(template: Template) -> None:
    settings = one(template, "ApiGatewayV2::Stage", "HttpApi")["AccessLogSettings"]
    assert text(settings["DestinationArn"]).startswith("<HttpApiLog")
    assert "$context.routeKey" in settings["Format"] and "$context.status" in settings["Format"]
    assert "$context.path" not in settings["Format"]


def test_records_can_be_restored_and_everything_expires(template: Template) -> None:
    sessions = one(template, "DynamoDB::Table", "StorageSessions")
    assert sessions["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    for table in resources(template, "DynamoDB::Table").values():
        assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    rules = one(template, "S3::Bucket", "StorageSongs")["LifecycleConfiguration"]["Rules"]
    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "Prefix" in rule}
    assert days == {"inputs/": 10, "outputs/": 10, "requests/": 2, "answers/": 2, "training/": 7}
    (abort,) = (rule for rule in rules if "AbortIncompleteMultipartUpload" in rule)
    assert abort["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "Prefix" not in abort
    assert all(rule["Status"] == "Enabled" for rule in rules)


def test_images_are_scanned_and_tags_are_immutable(template: Template) -> None:
    repository = one(template, "ECR::Repository")
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["ImageTagMutability"] == "IMMUTABLE"


def test_no_lifecycle_rule_can_delete_the_image_that_runs(template: Template) -> None:
    """ECR counts and dates images without knowing which one runs. The build deletes tagged images."""
    policy = json.loads(one(template, "ECR::Repository")["LifecyclePolicy"]["LifecyclePolicyText"])
    untagged, training = (rule["selection"] for rule in policy["rules"])
    assert untagged["tagStatus"] == "untagged"
    assert training["tagPrefixList"] == ["training-"]  # no stack runs such an image


def test_the_page_may_run_only_its_script_and_call_only_its_services(synth: Synth) -> None:
    headers = one(synth(stack="page", cloudfront=True), "CloudFront::ResponseHeadersPolicy")[
        "ResponseHeadersPolicyConfig"
    ]
    security = headers["SecurityHeadersConfig"]
    policy = text(security["ContentSecurityPolicy"]["ContentSecurityPolicy"])
    directives = dict(each.split(" ", 1) for each in policy.split("; "))
    assert directives["default-src"] == directives["frame-ancestors"] == "'none'"
    assert directives["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert directives["style-src"] == "'self'"
    assert re.fullmatch(
        r"'self' https://unbraid-<AWS::AccountId>-<AWS::Region>\.s3\.<AWS::Region>\.<AWS::URLSuffix>"
        r' wss://{"Fn::ImportValue": "unbraid-socket-host"}',
        directives["connect-src"],
    )
    assert re.fullmatch(r"'self' blob: https://unbraid-\S+\.s3\.\S+", directives["media-src"])
    assert security["FrameOptions"] == {"FrameOption": "DENY", "Override": True}
    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31536000
    assert security["ContentTypeOptions"] == {"Override": True}
    assert security["ReferrerPolicy"]["ReferrerPolicy"] == "no-referrer"


def test_only_cloudfront_reads_the_pages_bucket(synth: Synth) -> None:
    template = synth(stack="page", cloudfront=True)
    policy = one(template, "S3::BucketPolicy", "SitePage")["PolicyDocument"]["Statement"]
    (allowed,) = (statement for statement in policy if statement["Effect"] == "Allow")
    assert (allowed["Principal"], allowed["Action"]) == (
        {"Service": "cloudfront.amazonaws.com"},
        "s3:GetObject",
    )
    assert "distribution/<SiteDistribution" in text(allowed["Condition"]["StringEquals"]["AWS:SourceArn"])
    config = one(template, "CloudFront::Distribution")["DistributionConfig"]
    behaviours = [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]
    assert {each["ViewerProtocolPolicy"] for each in behaviours} == {"redirect-to-https", "https-only"}
    for origin in config["Origins"]:
        custom = origin.get("CustomOriginConfig")
        assert custom is None or custom["OriginProtocolPolicy"] == "https-only"


def test_nothing_has_a_fixed_cost(template: Template) -> None:
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert not kinds & {"AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint", "AWS::WAFv2::WebACL"}
    for table in resources(template, "DynamoDB::Table").values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
    for function in resources(template, "Lambda::Function").values():
        assert "ReservedConcurrentExecutions" not in function
    for kind in ("Lambda::Version", "Lambda::Alias"):
        for each in resources(template, kind).values():
            assert "ProvisionedConcurrencyConfig" not in each
    for target in resources(template, "ApplicationAutoScaling::ScalableTarget").values():
        assert target["MinCapacity"] == 0
    # The account's first ten are free; target tracking makes two more of its own.
    assert len(resources(template, "CloudWatch::Alarm")) <= 8
