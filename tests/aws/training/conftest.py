"""A simulated account with the app deployed, in which trainings run in processes of this machine."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from tests.finetuning.synthetic import write_songs, write_tiny_model
from tests.simulators.json_services import JsonServices, put_image
from tests.simulators.local_servers import serve_app
from tests.simulators.moto_server import aws, moto_url, new_bucket
from tests.simulators.training_jobs import TrainingJobs

from unbraid.aws import credentials
from unbraid.aws.training import image, run

__all__ = ["aws", "moto_url"]

ROOT = Path(__file__).parents[3]
STACK, CONTENT = "unbraid", "0f1e2d3c4b5a6978"
SPOT = "ml.c7i.2xlarge for spot training job usage"
SERVICES = ("SAGEMAKER", "CODEBUILD", "SERVICE_QUOTAS", "PRICING")


@dataclass
class SimulatedAccount:
    """The account: its trainings, its other services, and the bucket of the app."""

    jobs: TrainingJobs
    services: JsonServices
    bucket: str
    repository: str

    def keys(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        found = boto3.client("s3").list_objects_v2(Bucket=self.bucket)
        return [each["Key"] for each in found.get("Contents", [])]

    def images(self) -> set[str]:
        """Return the tags of all images."""
        found = boto3.client("ecr").list_images(repositoryName=self.repository)["imageIds"]
        return {each["imageTag"] for each in found}

    def log_streams(self) -> list[str]:
        """Return the logs of trainings that exist."""
        found = boto3.client("logs").describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")
        return [each["logStreamName"] for each in found["logStreams"]]


def deploy(bucket: str, repository: str, *, image_tag: str, outputs: dict[str, str]) -> None:
    """Create the stack with its outputs."""
    template = {
        "Parameters": {"ImageTag": {"Type": "String", "Default": ""}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {
            name: {"Value": value}
            for name, value in {
                "SongsBucket": bucket,
                "Repository": repository,
                "Build": STACK,
                "WantedImage": f"{CONTENT}-cpu",
                **outputs,
            }.items()
        },
    }
    boto3.client("cloudformation").create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "ImageTag", "ParameterValue": image_tag}],
    )


@functools.cache
def session(region_name: str) -> boto3.Session:
    """Return a session. Opening one for each command takes longer than all calls of a command."""
    return boto3.Session(region_name=region_name)


@pytest.fixture
def account(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAccount]:
    """A deployment with --compute cpu, whose image has no PyTorch."""
    bucket, repository = new_bucket(), f"unbraid-{tmp_path.name}".lower().replace("_", "-")[:60].rstrip("-")
    boto3.client("ecr").create_repository(repositoryName=repository)
    put_image(repository, f"{CONTENT}-cpu")
    role = {"TrainingRole": "arn:aws:iam::123456789012:role/unbraid-training"}
    deploy(bucket, repository, image_tag=f"{CONTENT}-cpu", outputs=role)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    # As in a job with network isolation, the container has no credentials.
    environment = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "tests.aws.training.short_container", "train"]
    jobs = TrainingJobs(tmp_path, command, environment)
    services = JsonServices(jobs, repository)
    services.quotas[SPOT] = 1
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(credentials, "boto3", SimpleNamespace(Session=session))
    monkeypatch.setattr(run, "POLL_S", 0.2)
    monkeypatch.setattr(run, "STOPPING_POLL_S", 0.2)
    monkeypatch.setattr(image, "POLL_S", 0.0)
    with serve_app(services) as address:
        for service in SERVICES:
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://{address}")
        yield SimulatedAccount(jobs, services, bucket, repository)
        jobs.close()
    boto3.client("cloudformation").delete_stack(StackName=STACK)


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Songs of a low and a high tone."""
    return write_songs(tmp_path_factory.mktemp("songs"), ("low", "high"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of an untrained network."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def product(usage: str, usd: str) -> dict[str, Any]:
    """Return a product of AWS's price list, in the form of `get_products`."""
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": usd}}
    return {
        "product": {"attributes": {"usagetype": usage, "regionCode": "eu-central-1"}},
        "terms": {"OnDemand": {"a.b": {"priceDimensions": {"a.b.c": dimension}}}},
    }
