"""The page: a private bucket behind CloudFront, which also forwards API calls."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from constructs import Construct

from infra.buckets import private_bucket
from infra.nag import explained
from unbraid.api.headers import ALWAYS, page_policy
from unbraid.api.routes import ROUTES
from unbraid.aws.addresses import SECRET_HEADER


class Site(Construct):
    """`of`: name of the deployment. `api`: host of the HTTP API. `connect`: further origins that the page may call.
    `secret`: what proves to the API that a call comes from CloudFront.

    CloudFront has no regions, and its names are unique in the account, so they contain the region.
    """

    def __init__(
        self, scope: Construct, name: str, of: str, api: str, secret: str, connect: Sequence[str]
    ) -> None:
        super().__init__(scope, name)
        self.unique = f"{of}-{Aws.REGION}"
        self.bucket = private_bucket(self, "Page")
        explained(self.bucket, S1="Holds the public page, and only CloudFront reads it.")
        calls = cloudfront.BehaviorOptions(
            origin=origins.HttpOrigin(
                api,
                protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
                origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
                custom_headers={SECRET_HEADER: secret},
            ),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        )
        paths = {route.path.replace("{sessionId}", "*") for route in ROUTES}
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=self.unique,
            default_root_object="index.html",
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(
                    self.bucket,
                    origin_access_control=cloudfront.S3OriginAccessControl(
                        self, "Access", origin_access_control_name=self.unique
                    ),
                ),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                response_headers_policy=self._headers(connect),
                compress=True,
            ),
            additional_behaviors=dict.fromkeys(sorted(paths), calls),
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
        )
        explained(
            self.distribution,
            CFR1="Users may be in any country.",
            CFR2="A firewall costs a monthly fee; the API has its own limits.",
            CFR3="The API logs every call; requests for the page's files need no log.",
            CFR4="The domain is CloudFront's own, whose certificate comes with its choice of TLS versions; all "
            "browsers of the last ten years take 1.2 or newer.",
        )

    @property
    def origin(self) -> str:
        """Origin of the page."""
        return f"https://{self.distribution.distribution_domain_name}"

    def _headers(self, connect: Sequence[str]) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            response_headers_policy_name=self.unique,
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=page_policy(connect),
                    override=True,
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=Duration.days(365), override=True
                ),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=ALWAYS[name], override=True)
                    for name in ("cross-origin-opener-policy", "permissions-policy")
                ]
            ),
        )
