"""Build the container image in the account, and wait until the stack runs it."""

from __future__ import annotations

import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from infra.account import Account, code
from infra.console import Stopped, say

POLL_S = 15
DURATION = {"cpu": "about a quarter of an hour", "gpu": "about half an hour"}
"""Estimates, by the kind of machine that ends the tag."""
MISSING = ("ImageNotFoundException", "RepositoryNotFoundException")


def image_exists(account: Account, tag: str) -> bool:
    """Whether an image with that tag exists."""
    try:
        account.client("ecr").describe_images(repositoryName=account.name, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if code(error) not in MISSING:
            raise
        return False
    return True


def build(account: Account, tag: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Start a build of the image, or wait for a running one, then wait for the stack. Raises Stopped."""
    project = account.client("codebuild")
    build_id = _running(account, tag)
    if build_id is None:
        try:
            build_id = project.start_build(projectName=account.name)["build"]["id"]
        except ClientError as error:
            if code(error) != "AccountLimitExceededException":
                raise
            raise Stopped(
                "AWS lets this account build nothing yet, so songs have to wait; everything else is deployed. "
                "`./unbraid deploy --check` prints the command that asks for a build. Then deploy again."
            ) from None
        duration = DURATION[tag.rpartition("-")[2]]
        say(f"building the image ({duration}); Ctrl-C stops waiting, not the build")
    else:
        say("the image is already being built; Ctrl-C stops waiting, not the build")
    phase = None
    while True:
        state = project.batch_get_builds(ids=[build_id])["builds"][0]
        if state.get("currentPhase") != phase:
            phase = state["currentPhase"]
            say(f"  {phase.lower().replace('_', ' ')}")
        if state["buildStatus"] != "IN_PROGRESS":
            break
        sleep(POLL_S)
    if state["buildStatus"] != "SUCCEEDED":
        log = state.get("logs", {}).get("deepLink", f"the log group /aws/codebuild/{account.name}")
        raise Stopped(f"The build of the image failed ({state['buildStatus'].lower()}). Its log: {log}")
    _wait_for_stack(account, tag, sleep)


def _running(account: Account, tag: str) -> str | None:
    """Return the id of a running or queued build of this image."""
    project = account.client("codebuild")
    ids = project.list_builds_for_project(projectName=account.name, sortOrder="DESCENDING")["ids"][:5]
    for build in project.batch_get_builds(ids=ids)["builds"] if ids else []:
        variables = build["environment"]["environmentVariables"]
        same_tag = any(each["name"] == "IMAGE_TAG" and each["value"] == tag for each in variables)
        if build["buildStatus"] == "IN_PROGRESS" and same_tag:
            return str(build["id"])
    return None


def _wait_for_stack(account: Account, tag: str, sleep: Callable[[float], None]) -> None:
    say("the image is ready; the stack is switching to it")
    while (status := (account.stack() or {}).get("StackStatus", "gone")).endswith("_IN_PROGRESS"):
        sleep(POLL_S)
    if account.image_tag() != tag or not status.endswith("_COMPLETE") or "ROLLBACK" in status:
        log = (
            f"sagemaker/Endpoints/{account.name}"
            if tag.endswith("-gpu")
            else f"lambda/{account.name}-separate"
        )
        raise Stopped(
            f"The new image did not start, or songs failed on it, and the stack is unchanged ({status}). See the "
            f"CloudFormation events of the stack {account.name} and the log group /aws/{log}."
        )
