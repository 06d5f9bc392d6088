"""The stack: creates all constructs and connects them."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import (
    Aws,
    CfnCondition,
    CfnOutput,
    CfnParameter,
    DefaultStackSynthesizer,
    Fn,
    Stack,
    Tags,
)
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra import signin
from infra.canary import Canary
from infra.cpu import Cpu
from infra.dead_letters import DeadLetters
from infra.endpoint import Endpoint
from infra.functions import Functions
from infra.http_api import HttpApi
from infra.images import Images
from infra.models import names, offered
from infra.monitoring import Monitoring
from infra.names import bucket_name
from infra.notifications import Notifications, webhook_secret
from infra.rights import Rights
from infra.settings import NO_PAGE, Settings
from infra.signin import SignIn
from infra.socket_api import SocketApi
from infra.spending import SpendingLimit
from infra.storage import Storage
from infra.training import Training

API_HOST, SOCKET_HOST = "api-host", "socket-host"
"""Exports of the stack after its name, which the page's stack imports."""


class UnbraidStack(Stack):
    """`bundle`: zip of the functions' code. `source`: zip of the image's source. `content`: hash of that source.

    `page`: origin of the page on CloudFront; None before it exists. It is in the stack of `page_stack`, which needs
    this one, so this one can't refer to it. `proxy_secret`: what CloudFront's calls carry (`unbraid.aws.addresses`).
    """

    def __init__(
        self,
        scope: Construct,
        settings: Settings,
        bundle: Path,
        source: Path,
        content: str,
        page: str | None,
        proxy_secret: str,
    ) -> None:
        super().__init__(
            scope,
            settings.name,
            description="Unbraid separates songs into stems",
            # The bootstrap rule would add a parameter that every update has to name.
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        Tags.of(self).add("application", settings.name)
        tag = CfnParameter(
            self, "ImageTag", default="", description="Tag of the container image; empty: not built yet"
        )
        image = CfnCondition(
            self, "HasImage", expression=Fn.condition_not(Fn.condition_equals(tag.value_as_string, ""))
        )

        sockets = SocketApi(self, "SocketApi")
        http = HttpApi(self, "HttpApi", settings.site)
        origin = settings.site or page or NO_PAGE
        sign_in = SignIn(self, "SignIn", origin) if settings.sign_in else None
        issuer = None if sign_in is None else sign_in.issuer
        client = None if sign_in is None else sign_in.client.user_pool_client_id

        # Storage and notifications, and the environment of functions and container.
        storage = Storage(self, "Storage", origin)
        rights = Rights(storage)
        rights.explain(self)
        # Construct ids name the resources in AWS, so they stay when a class is renamed.
        notifications = Notifications(self, "Letters", settings.sender)
        images = Images(
            self,
            "Images",
            assets.Asset(self, "Source", path=str(source)),
            f"{content}-{settings.compute}",
            names(settings.image_models),
        )
        training = Training(self, "Training", images, rights)
        environment = {
            "UNBRAID_BUCKET": storage.bucket.bucket_name,
            "UNBRAID_TABLE": storage.sessions.table_name,
            "UNBRAID_CONNECTIONS": storage.connections.table_name,
            "UNBRAID_TOPIC": notifications.topic.topic_arn,
            "UNBRAID_SITE": origin,
            "UNBRAID_SOCKET_URL": sockets.url,
            "UNBRAID_SOCKET_API": sockets.push_url,
            "UNBRAID_MODELS": " ".join(offered(settings.image_models)),
        }
        if settings.sender is not None:
            environment["UNBRAID_SENDER"] = settings.sender
        secret = webhook_secret(proxy_secret) if settings.webhooks else None
        if secret is not None:
            environment["UNBRAID_WEBHOOK_SECRET"] = secret
        if issuer is not None and client is not None:
            environment |= {"UNBRAID_OIDC_ISSUER": issuer, "UNBRAID_OIDC_CLIENT_ID": client}

        monitoring = Monitoring(self, "Watch", settings)
        monitoring.api(http)
        dead_letters = DeadLetters(self, "DeadLetters").queue
        endpoint = cpu = None
        if settings.compute == "gpu":
            endpoint = Endpoint(self, "Endpoint")
            environment["UNBRAID_ENDPOINT"] = endpoint.name
            dispatch = endpoint.dispatch(rights)
        else:
            cpu = Cpu(self, "Cpu", dead_letters)
            environment["UNBRAID_QUEUE_URL"] = cpu.queue.queue_url
            dispatch = cpu.dispatch()

        if settings.at_most_usd is not None:
            environment["UNBRAID_AT_MOST_USD"] = str(settings.at_most_usd)
        functions = Functions(
            self,
            "Functions",
            code=lambda_.Code.from_asset(str(bundle)),
            environment=environment,
            use_limits={
                "UNBRAID_USAGE": storage.usage.table_name,
                "UNBRAID_SONGS_PER_HOUR": str(settings.songs_per_hour),
                "UNBRAID_PROXY_SECRET": proxy_secret,
            },
            storage=storage,
            dispatch=dispatch,
            notify=notifications.send(),
            push=sockets.push(),
            dead_letters=dead_letters,
        )
        if settings.canary:
            Canary(self, "Canary", settings, lambda_.Code.from_asset(str(bundle)), http.url)
            monitoring.canary()
        if settings.at_most_usd is not None:
            SpendingLimit(
                self,
                "Spending",
                settings,
                lambda_.Code.from_asset(str(bundle)),
                environment,
                rights,
                monitoring.topic,
            )
        http.add_routes(functions.by_name, issuer, client)
        sockets.add_routes(functions.by_name["connect"], functions.by_name["disconnect"])
        monitoring.functions(list(functions.by_name), dead_letters)

        work = [*rights.work(), *dispatch, *notifications.send()]
        senders = {name: functions.by_name[name].log_group.log_group_name for name in functions.notifying}
        if endpoint is not None:
            senders["container"] = endpoint.run(
                image, images, tag.value_as_string, settings, environment, work, rights
            )
            functions.subscribe(endpoint.succeeded, endpoint.failed)
            monitoring.endpoint(endpoint)
        if cpu is not None:
            senders["container"] = cpu.run(
                image,
                images,
                tag.value_as_string,
                settings,
                environment,
                work,
                lambda_.Code.from_asset(str(bundle)),
            )
            monitoring.cpu(cpu, image)
        if settings.sender is not None:
            monitoring.email(notifications.count_refusals(senders))
        monitoring.dashboard()

        # Origin of the links to songs and stems.
        self.files = f"https://{bucket_name(self)}.s3.{Aws.REGION}.{Aws.URL_SUFFIX}"
        self._outputs(
            Api=http.url,
            Socket=sockets.url,
            Files=self.files,
            SignIn=" ".join(signin.origins(settings.name)) if sign_in is not None else None,
            People=None if sign_in is None else sign_in.pool.user_pool_id,
            Page=origin,
            ProxySecret=proxy_secret,
            WebhookSecret=secret,
            SongsBucket=storage.bucket.bucket_name,
            SongsQueue=None if cpu is None else cpu.queue.queue_url,
            DeadLetters=dead_letters.queue_url,
            Repository=images.repository.repository_name,
            Build=images.project.ref,
            WantedImage=images.tag,
            TrainingRole=training.role.role_arn,
        )
        for export, host in ((API_HOST, http.domain), (SOCKET_HOST, sockets.domain)):
            CfnOutput(self, f"Export{export}", value=host, export_name=f"{settings.name}-{export}")

    def _outputs(self, **outputs: str | None) -> None:
        """Add the outputs that `unbraid deploy` reads."""
        for name, value in outputs.items():
            if value is not None:
                CfnOutput(self, f"{name}Output", value=value).override_logical_id(name)
