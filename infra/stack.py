"""The stack: all constructs, and what they know of each other."""

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
from infra.monitoring import Watch
from infra.notifications import Letters
from infra.rights import Rights
from infra.settings import STACK, Settings
from infra.signin import SignIn
from infra.site import Site
from infra.socket_api import SocketApi
from infra.storage import BUCKET, Storage

FILES = f"https://{BUCKET}.s3.{Aws.REGION}.{Aws.URL_SUFFIX}"
"""Origin of the links to songs and stems."""


class UnbraidStack(Stack):
    """`bundle`: zip of the functions' code. `source`: what the image is built from; `content` names what is in it."""

    def __init__(
        self, scope: Construct, settings: Settings, bundle: Path, source: Path, content: str
    ) -> None:
        super().__init__(
            scope,
            STACK,
            description="Unbraid takes songs apart",
            # The rule would be a second parameter, which every update had to name.
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        Tags.of(self).add("application", STACK)
        tag = CfnParameter(
            self, "ImageTag", default="", description="Image that separates; empty: there is none yet"
        )
        image = CfnCondition(
            self, "HasImage", expression=Fn.condition_not(Fn.condition_equals(tag.value_as_string, ""))
        )

        # The page and the ways in. What they know of each other by name keeps this from going round in circles.
        sockets = SocketApi(self, "SocketApi")
        http = HttpApi(self, "HttpApi", settings.site)
        site = None
        origin = settings.site
        if origin is None:
            connect = [FILES, f"wss://{sockets.domain}", *(signin.ORIGINS if settings.sign_in else ())]
            site = Site(self, "Site", http.domain, connect)
            origin = site.origin
        people = SignIn(self, "SignIn", origin) if settings.sign_in else None
        issuer = None if people is None else people.issuer
        client = None if people is None else people.client.user_pool_client_id

        # What the functions and the container work with, and what they are told of it.
        storage = Storage(self, "Storage", origin)
        rights = Rights(storage)
        rights.explain(self)
        letters = Letters(self, "Letters", settings.sender)
        images = Images(
            self, "Images", assets.Asset(self, "Source", path=str(source)), f"{content}-{settings.compute}"
        )
        environment = {
            "UNBRAID_BUCKET": storage.bucket.bucket_name,
            "UNBRAID_TABLE": storage.sessions.table_name,
            "UNBRAID_CONNECTIONS": storage.connections.table_name,
            "UNBRAID_TOPIC": letters.topic.topic_arn,
            "UNBRAID_SITE": origin,
            "UNBRAID_SOCKET_URL": sockets.url,
            "UNBRAID_SOCKET_API": sockets.push_url,
            "UNBRAID_MODELS": " ".join(MODELS),
        }
        if settings.sender is not None:
            environment["UNBRAID_SENDER"] = settings.sender
        if issuer is not None and client is not None:
            environment |= {"UNBRAID_OIDC_ISSUER": issuer, "UNBRAID_OIDC_CLIENT_ID": client}

        watch = Watch(self, "Watch", settings)
        watch.api(http)
        put_aside = DeadLetters(self, "DeadLetters").queue
        endpoint = cpu = None
        if settings.compute == "gpu":
            endpoint = Endpoint(self, "Endpoint")
            environment["UNBRAID_ENDPOINT"] = STACK
            dispatch = endpoint.dispatch(rights)
        else:
            cpu = Cpu(self, "Cpu", put_aside)
            environment["UNBRAID_QUEUE_URL"] = cpu.queue.queue_url
            dispatch = cpu.dispatch()

        functions = Functions(
            self,
            "Functions",
            code=lambda_.Code.from_asset(str(bundle)),
            environment=environment,
            storage=storage,
            dispatch=dispatch,
            letters=letters.send(),
            push=sockets.push(),
            dead_letters=put_aside,
        )
        http.add_routes(functions.by_name, issuer, client)
        sockets.add_routes(functions.by_name["connect"], functions.by_name["disconnect"])
        watch.functions(list(functions.by_name), put_aside)

        work = [*rights.work(), *dispatch, *letters.send()]
        if endpoint is not None:
            endpoint.run(image, images, tag.value_as_string, settings, environment, work, rights)
            functions.hear_of(endpoint.succeeded, endpoint.failed)
            watch.endpoint(endpoint)
        if cpu is not None:
            cpu.run(image, images, tag.value_as_string, settings.at_most, environment, work)
            watch.cpu(cpu.queue, SEPARATE)
        watch.dashboard()

        self._tell(
            Api=http.url,
            Socket=sockets.url,
            Files=FILES,
            SignIn=" ".join(signin.ORIGINS) if people is not None else None,
            People=None if people is None else people.pool.user_pool_id,
            Page=origin,
            PageBucket=None if site is None else site.bucket.bucket_name,
            SongsBucket=storage.bucket.bucket_name,
            Repository=images.repository.repository_name,
            Build=images.project.ref,
            WantedImage=images.tag,
        )

    def _tell(self, **outputs: str | None) -> None:
        """What `unbraid deploy` reads after it."""
        for name, value in outputs.items():
            if value is not None:
                CfnOutput(self, f"{name}Output", value=value).override_logical_id(name)
