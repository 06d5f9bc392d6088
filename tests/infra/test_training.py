"""Trainings (`unbraid finetune --aws`): their role reaches only their own files, and nothing costs while none runs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from infra.storage import TRAINING_DAYS
from tests.infra.template_queries import Template, listed, one, resources, statements, text

from unbraid.aws.training.deployment import Deployment
from unbraid.aws.training.job import LONGEST_WAIT_H, MOST_HOURS, request_of
from unbraid.aws.training.names import IMAGE_PREFIX
from unbraid.aws.training.state import State

Synth = Callable[..., Template]


def role(template: Template) -> str:
    (found,) = (name for name in resources(template, "IAM::Role") if name.startswith("Training"))
    return found


def test_role_is_for_sagemaker_and_in_the_outputs(template: Template) -> None:
    name = role(template)
    (statement,) = resources(template, "IAM::Role")[name]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert template["Outputs"]["TrainingRole"]["Value"] == {"Fn::GetAtt": [name, "Arn"]}


def test_role_reaches_no_songs_sessions_or_other_log(template: Template) -> None:
    found: dict[str, set[str]] = {}
    for statement in statements(template, role(template)):
        for action in listed(statement["Action"]):
            found.setdefault(action, set()).update(map(text, listed(statement["Resource"])))
        if statement["Action"] == "s3:ListBucket":
            assert statement["Condition"] == {"StringLike": {"s3:prefix": "training/*"}}
        if statement["Action"] == "cloudwatch:PutMetricData":
            namespace = {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"}
            assert statement["Condition"] == {"StringEquals": namespace}
    services = {action.partition(":")[0] for action in found}
    assert services == {"s3", "ecr", "logs", "cloudwatch"}
    for action in ("s3:GetObject", "s3:PutObject"):
        (resource,) = found[action]
        assert resource.endswith(".Arn>/training/*")
    assert {action for action in found if action.startswith("s3:")} == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
    }
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        (resource,) = found[action]
        assert resource.endswith("log-group:/aws/sagemaker/TrainingJobs:log-stream:unbraid-*")
    assert "logs:CreateLogGroup" not in found


def test_songs_expire_a_week_after_their_upload_and_later_than_any_training(template: Template) -> None:
    rules = one(template, "S3::Bucket", "StorageSongs")["LifecycleConfiguration"]["Rules"]
    (rule,) = (rule for rule in rules if rule.get("Prefix") == "training/")
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", TRAINING_DAYS) == ("Enabled", 7)
    assert math.ceil((MOST_HOURS + LONGEST_WAIT_H) / 24) < TRAINING_DAYS


def test_kept_images_for_training_expire_and_no_other_image_has_their_tag(template: Template) -> None:
    policy = json.loads(one(template, "ECR::Repository")["LifecyclePolicy"]["LifecyclePolicyText"])
    (rule,) = (rule["selection"] for rule in policy["rules"] if rule["selection"]["tagStatus"] == "tagged")
    assert (rule["tagPrefixList"], rule["countNumber"]) == ([IMAGE_PREFIX], 30)
    assert not str(template["Outputs"]["WantedImage"]["Value"]).startswith(IMAGE_PREFIX)


def test_the_stack_has_no_training_of_its_own(template: Template) -> None:
    assert not [
        kind for kind in (each["Type"] for each in template["Resources"].values()) if "Training" in kind
    ]


@pytest.mark.parametrize("spot", [True, False])
def test_request_uses_only_what_the_role_allows(synth: Synth, spot: bool) -> None:
    outputs = synth()["Outputs"]
    assert {"SongsBucket", "Repository", "Build", "WantedImage", "TrainingRole"} <= outputs.keys()
    deployment = Deployment(
        _Session(), "123456789012", "unbraid", "songs", "arn:role", "r", "b", "c-cpu", "c-cpu"
    )
    state = State(
        "123456789012", "eu-central-1", "unbraid", {}, [], "lite", "ml.c7i.2xlarge", spot, 0.4, 5, 30, False
    )
    state.jobs = 1
    request = request_of(state, deployment, "image")
    places = [
        request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"],
        request["OutputDataConfig"]["S3OutputPath"],
        request["CheckpointConfig"]["S3Uri"],
    ]
    assert all(place.startswith(f"s3://songs/training/{state.id}/") for place in places)
    assert request["TrainingJobName"].startswith("unbraid-") and len(request["TrainingJobName"]) <= 63
    assert request["EnableNetworkIsolation"] and request["EnableManagedSpotTraining"] == spot
    limits = request["StoppingCondition"]
    assert limits["MaxRuntimeInSeconds"] == 5 * 3600
    assert limits.get("MaxWaitTimeInSeconds", 0) == (29 * 3600 if spot else 0)


class _Session:
    """A session that opens nothing."""

    def client(self, *_: Any, **__: Any) -> None:
        """Return no client."""
