"""The image: whether it is there, its build in the account, and the stack taking it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infra.account import Account, code
from infra.console import Stopped, say
from infra.settings import STACK

LOOK_EVERY_S = 15
MISSING = ("ImageNotFoundException", "RepositoryNotFoundException")


def there(account: Account, tag: str) -> bool:
    """Whether there is an image with that tag."""
    try:
        account.client("ecr").describe_images(repositoryName=STACK, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if code(error) not in MISSING:
            raise
        return False
    return True


def build(account: Account, tag: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Have it built, or wait for a build of it that runs; then until the stack has it. Raises Stopped."""
    project = account.client("codebuild")
    build_id = _running(project, tag)
    if build_id is None:
        build_id = project.start_build(projectName=STACK)["build"]["id"]
        say(
            "the image is being built, which takes about half an hour; Ctrl-C stops the waiting, not the build"
        )
    else:
        say("the image is being built already; Ctrl-C stops the waiting, not the build")
    phase = None
    while True:
        state = project.batch_get_builds(ids=[build_id])["builds"][0]
        if state.get("currentPhase") != phase:
            phase = state["currentPhase"]
            say(f"  {phase.lower().replace('_', ' ')}")
        if state["buildStatus"] != "IN_PROGRESS":
            break
        sleep(LOOK_EVERY_S)
    if state["buildStatus"] != "SUCCEEDED":
        log = state.get("logs", {}).get("deepLink", f"the log group /aws/codebuild/{STACK}")
        raise Stopped(f"The image could not be built ({state['buildStatus'].lower()}): {log}")
    _taken(account, tag, sleep)


def _running(project: Any, tag: str) -> str | None:
    """Id of the build of this image that runs, or waits to."""
    ids = project.list_builds_for_project(projectName=STACK, sortOrder="DESCENDING")["ids"][:5]
    for build in project.batch_get_builds(ids=ids)["builds"] if ids else []:
        variables = build["environment"]["environmentVariables"]
        wanted = any(each["name"] == "IMAGE_TAG" and each["value"] == tag for each in variables)
        if build["buildStatus"] == "IN_PROGRESS" and wanted:
            return str(build["id"])
    return None


def _taken(account: Account, tag: str, sleep: Callable[[float], None]) -> None:
    say("the image is there; what separates is being set up with it")
    while (status := (account.stack() or {}).get("StackStatus", "gone")).endswith("_IN_PROGRESS"):
        sleep(LOOK_EVERY_S)
    if account.image_tag() != tag or not status.endswith("_COMPLETE") or "ROLLBACK" in status:
        raise Stopped(
            f"The new image did not come up, and the stack is as before ({status}): CloudFormation's events of "
            f"the stack {STACK} say why, and the log group /aws/sagemaker/Endpoints/{STACK}."
        )
