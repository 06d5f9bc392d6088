"""Services with AWS's JSON protocol that moto lacks, or that do nothing there: trainings, builds, quotas, prices."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
from tests.simulators.training_jobs import Refused, TrainingJobs

Call = Callable[[dict[str, Any]], dict[str, Any]]


class JsonServices:
    """An ASGI app for SageMaker's trainings, CodeBuild, Service Quotas and the price list.

    `repository`: of the images that builds push. `quotas`: by name. `prices`: products of the price list.
    """

    def __init__(self, jobs: TrainingJobs, repository: str) -> None:
        self._repository = repository
        self.quotas: dict[str, float] = {}
        self.prices: list[dict[str, Any]] = []
        self.builds: list[dict[str, str]] = []
        self._calls: dict[str, Call] = {
            "CreateTrainingJob": jobs.create,
            "DescribeTrainingJob": jobs.describe,
            "StopTrainingJob": jobs.stop,
            "StartBuild": self._start_build,
            "StopBuild": lambda _: {},
            "BatchGetBuilds": lambda _: {
                "builds": [{"id": "unbraid:1", "currentPhase": "COMPLETED", "buildStatus": "SUCCEEDED"}]
            },
            "ListAWSDefaultServiceQuotas": lambda _: {
                "Quotas": [{"QuotaName": name, "QuotaCode": "L-1", "Value": 0.0} for name in self.quotas]
            },
            "GetServiceQuota": lambda _: {"Quota": {"QuotaCode": "L-1", "Value": max(self.quotas.values())}},
            "GetProducts": lambda _: {"PriceList": [json.dumps(product) for product in self.prices]},
        }

    def _start_build(self, request: dict[str, Any]) -> dict[str, Any]:
        variables = {each["name"]: each["value"] for each in request["environmentVariablesOverride"]}
        self.builds.append(variables)
        put_image(self._repository, variables["IMAGE_TAG"])
        return {"build": {"id": "unbraid:1", "currentPhase": "QUEUED", "buildStatus": "IN_PROGRESS"}}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a call."""
        body = b""
        while (message := await receive()).get("more_body") or message.get("body"):
            body += message["body"]
            if not message.get("more_body"):
                break
        headers = {name.lower(): value.decode() for name, value in scope["headers"]}
        status, answer = 200, {}
        try:
            answer = self._calls[headers[b"x-amz-target"].rpartition(".")[2]](json.loads(body))
        except Refused as error:
            status, answer = 400, {"__type": error.code, "message": str(error)}
        content = [(b"content-type", headers.get(b"content-type", "application/x-amz-json-1.1").encode())]
        await send({"type": "http.response.start", "status": status, "headers": content})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def put_image(repository: str, tag: str) -> None:
    """Push an image of nothing."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 1,
            "digest": f"sha256:{hash(tag) & (2**256 - 1):064x}",
        },
        "layers": [],
    }
    boto3.client("ecr").put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)
