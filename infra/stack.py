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
from infra.cpu import NAME as SEPARATE
from infra.cpu import Cpu
from infra.dead_letters import DeadLetters
from infra.endpoint import Endpoint
from infra.functions import Functions
from infra.http_api import HttpApi
from infra.images import MODELS, Images
from infra.monitoring import Monitoring
from infra.notifications import Notifications
from infra.rights import Rights
from infra.settings import STACK, Settings
from infra.signin import SignIn
from infra.site import Site
from infra.socket_api import SocketApi
from infra.storage import BUCKET, Storage

FILES = f"https://{BUCKET}.s3.{Aws.REGION}.{Aws.URL_SUFFIX}"
"""Origin of the links to songs and stems."""


class UnbraidStack(Stack):
    """`bundle`: zip of the functions' code. `source`: zip of the image's source. `content`: hash of that source."""

    def __init__(
        self, scope: Construct, settings: Settings, bundle: Path, source: Path, content: str
    ) -> None:
        super().__init__(
            scope,
            STACK,
            description="Unbraid separates songs into stems",
            # The bootstrap rule would add a parameter that every update has to name.
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        Tags.of(self).add("application", STACK)
        tag = CfnParameter(
            self, "ImageTag", default="", description="Tag of the container image; empty: not built yet"
        )
        image = CfnCondition(
            self, "HasImage", expression=Fn.condition_not(Fn.condition_equals(tag.value_as_string, ""))
        )

        # The page and the APIs. They refer to each other by name to avoid circular references.
        sockets = SocketApi(self, "SocketApi")
        http = HttpApi(self, "HttpApi", settings.site)
        site = None
        origin = settings.site
        if origin is None:
            connect = [FILES, f"wss://{sockets.domain}", *(signin.ORIGINS if settings.sign_in else ())]
            site = Site(self, "Site", http.domain, connect)
            origin = site.origin
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
            self, "Images", assets.Asset(self, "Source", path=str(source)), f"{content}-{settings.compute}"
        )
        environment = {
            "UNBRAID_BUCKET": storage.bucket.bucket_name,
            "UNBRAID_TABLE": storage.sessions.table_name,
            "UNBRAID_CONNECTIONS": storage.connections.table_name,
            "UNBRAID_TOPIC": notifications.topic.topic_arn,
            "UNBRAID_SITE": origin,
            "UNBRAID_SOCKET_URL": sockets.url,
            "UNBRAID_SOCKET_API": sockets.push_url,
            "UNBRAID_MODELS": " ".join(MODELS),
        }
        if settings.sender is not None:
            environment["UNBRAID_SENDER"] = settings.sender
        if issuer is not None and client is not None:
            environment |= {"UNBRAID_OIDC_ISSUER": issuer, "UNBRAID_OIDC_CLIENT_ID": client}

        monitoring = Monitoring(self, "Watch", settings)
        monitoring.api(http)
        dead_letters = DeadLetters(self, "DeadLetters").queue
        endpoint = cpu = None
        if settings.compute == "gpu":
            endpoint = Endpoint(self, "Endpoint")
            environment["UNBRAID_ENDPOINT"] = STACK
            dispatch = endpoint.dispatch(rights)
        else:
            cpu = Cpu(self, "Cpu", dead_letters)
            environment["UNBRAID_QUEUE_URL"] = cpu.queue.queue_url
            dispatch = cpu.dispatch()

        functions = Functions(
            self,
            "Functions",
            code=lambda_.Code.from_asset(str(bundle)),
            environment=environment,
            storage=storage,
            dispatch=dispatch,
            notify=notifications.send(),
            push=sockets.push(),
            dead_letters=dead_letters,
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
                image, images, tag.value_as_string, settings.at_most, environment, work
            )
            monitoring.cpu(cpu.queue, SEPARATE)
        if settings.sender is not None:
            monitoring.email(notifications.count_refusals(senders))
        monitoring.dashboard()

        self._outputs(
            Api=http.url,
            Socket=sockets.url,
            Files=FILES,
            SignIn=" ".join(signin.ORIGINS) if sign_in is not None else None,
            People=None if sign_in is None else sign_in.pool.user_pool_id,
            Page=origin,
            PageBucket=None if site is None else site.bucket.bucket_name,
            SongsBucket=storage.bucket.bucket_name,
            Repository=images.repository.repository_name,
            Build=images.project.ref,
            WantedImage=images.tag,
        )

    def _outputs(self, **outputs: str | None) -> None:
        """Add the outputs that `unbraid deploy` reads."""
        for name, value in outputs.items():
            if value is not None:
                CfnOutput(self, f"{name}Output", value=value).override_logical_id(name)
