"""The stack of the page on CloudFront, apart from the rest.

AWS refuses CloudFront to accounts that it hasn't verified, and a stack with a refused resource is rolled back as a
whole. So API and engine stay if this one fails.
"""

from __future__ import annotations

from aws_cdk import CfnOutput, DefaultStackSynthesizer, Fn, Stack, Tags
from constructs import Construct

from infra import signin
from infra.settings import Settings, page_name
from infra.site import Site
from infra.stack import API_HOST, SOCKET_HOST


class PageStack(Stack):
    """`files`: origin of the links to songs and stems. The hosts of the APIs are exports of the main stack.

    `proxy_secret`: what CloudFront's calls carry, as in the main stack.
    """

    def __init__(self, scope: Construct, settings: Settings, files: str, proxy_secret: str) -> None:
        super().__init__(
            scope,
            page_name(settings.name),
            description="The page of Unbraid on CloudFront",
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        Tags.of(self).add("application", settings.name)
        api, socket = (Fn.import_value(f"{settings.name}-{export}") for export in (API_HOST, SOCKET_HOST))
        connect = [files, f"wss://{socket}", *(signin.origins(settings.name) if settings.sign_in else ())]
        site = Site(self, "Site", settings.name, api, proxy_secret, connect)
        for name, value in (("Page", site.origin), ("PageBucket", site.bucket.bucket_name)):
            CfnOutput(self, f"{name}Output", value=value).override_logical_id(name)
