"""docs/aws.md shows what its commands print: each quoted output is compared with that of the command."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import boto3
import infra.app
import pytest
import urllib3
from infra.account import Account
from infra.sources import ROOT
from tests.infra.terminal import CONTENT, Terminal
from tests.infra.test_redrive import SONG, Queues
from tests.simulators.moto_server import OTHERS, aws, moto_url

from unbraid.aws import credentials

__all__ = ["aws", "moto_url"]

PAGE = (ROOT / "docs" / "aws.md").read_text("utf-8")
QUOTED = {
    name: textwrap.dedent(block)
    for name, block in re.findall(r"^<!-- output: ([^\n]+) -->\n(.*?)<!-- end -->$", PAGE, re.M | re.S)
}
START = re.compile(r"unbraid: Apply these changes to AWS\? .*\n")


@pytest.fixture
def terminal(aws: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    """Return a terminal, with a new account of AWS that may build images."""
    urllib3.request("POST", f"{aws}/moto-api/reset")
    terminal = Terminal(monkeypatch, tmp_path)
    terminal.account()
    return terminal


def confirmed(terminal: Terminal, command: str) -> str:
    """Run a deployment, confirm it, and return what follows."""
    return START.split(terminal.type(command, "yes"))[1]


def deployed(terminal: Terminal, command: str = "./unbraid deploy") -> None:
    """Deploy for the first time."""
    terminal.type(command, "yes", "yes")


def with_image(compute: str = "cpu") -> None:
    """Create the image in the registry."""
    manifest = '{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}'
    ecr = boto3.client("ecr")
    ecr.create_repository(repositoryName="unbraid")
    ecr.put_image(repositoryName="unbraid", imageManifest=manifest, imageTag=f"{CONTENT}-{compute}")


def check(terminal: Terminal) -> str:
    terminal.account(builds=0)
    return terminal.type("./unbraid deploy --check")


def check_again(terminal: Terminal) -> str:
    return terminal.type("./unbraid deploy --check")


def no_region(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> str:
    found = ""
    for names in (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_REGION", "AWS_DEFAULT_REGION")):
        with monkeypatch.context() as patch:
            patch.setattr(credentials, "boto3", boto3)
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            for name in (*OTHERS, *names):
                patch.delenv(name, raising=False)
            found += terminal.type("./unbraid deploy --check")
    return found


def first_deployment(terminal: Terminal) -> str:
    return terminal.type("./unbraid deploy", "yes", "yes")


def with_something_missing(terminal: Terminal) -> str:
    terminal.account(builds=0)
    screen = terminal.type("./unbraid deploy", "yes", "yes", "yes").splitlines(keepends=True)
    return "".join(line for line in screen if "Something is missing, see" in line) + "…\n" + screen[-1]


def synth(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setattr(infra.app, "assembled", lambda settings, out: out / f"{settings.name}.template.json")
    monkeypatch.chdir(tmp_path)
    return terminal.type("./unbraid deploy --synth-only -o template").replace(
        str(tmp_path), "/home/you/unbraid"
    )


def models(terminal: Terminal) -> str:
    screen = terminal.type("./unbraid deploy --models htdemucs spleeter spleeter_lite", "no")
    return "".join(line for line in screen.splitlines(keepends=True) if "models:" in line or "Lambda" in line)


def netlify(terminal: Terminal) -> str:
    deployed(terminal)
    with_image()
    screen = confirmed(terminal, "./unbraid deploy --site https://NAME.netlify.app")
    return screen[screen.index("UNBRAID_API_URL") :]


def cloudfront(terminal: Terminal) -> str:
    deployed(terminal)
    with_image()
    return confirmed(terminal, "./unbraid deploy --cloudfront")


def cloudfront_refused(terminal: Terminal) -> str:
    deployed(terminal)
    terminal.refuses_cloudfront = True
    screen = confirmed(terminal, "./unbraid deploy --cloudfront")
    return "".join(line for line in screen.splitlines(keepends=True) if "CloudFront" in line)


def second_deployments(terminal: Terminal) -> str:
    deployed(terminal)
    commands = ("./unbraid deploy --name staging", "AWS_REGION=us-east-1 ./unbraid deploy")
    return "".join(terminal.type(each, "no").splitlines(keepends=True)[0] for each in commands)


def update(terminal: Terminal) -> str:
    deployed(terminal)
    with_image()
    return terminal.type("./unbraid deploy", "yes")


def build_running(terminal: Terminal) -> str:
    terminal.running_build = True
    deployed(terminal)
    (line,) = (line for line in terminal.screen.getvalue().splitlines(keepends=True) if "already" in line)
    return line


def image_did_not_start(terminal: Terminal) -> str:
    terminal.image_starts = False
    deployed(terminal)
    return terminal.screen.getvalue().splitlines(keepends=True)[-1]


def destroy(terminal: Terminal) -> str:
    deployed(terminal, "./unbraid deploy --cloudfront")
    return terminal.type("./unbraid deploy --destroy", "unbraid")


def redrive(terminal: Terminal) -> str:
    queues = Queues(Account.opened(), SongsQueue="songs")
    notice = {"Type": "Notification", "TopicArn": queues.topic, "Message": "x"}
    for message in (SONG, SONG, notice, {"requestPayload": {"task": "recover"}}, "?"):
        queues.fail(message)
    screen = terminal.type("./unbraid deploy --redrive")
    queues.sqs.purge_queue(QueueUrl=queues.dead)
    return screen + terminal.type("./unbraid deploy --redrive")


def check_gpu(terminal: Terminal) -> str:
    return terminal.type("./unbraid deploy --compute gpu --check")


def instance(terminal: Terminal) -> str:
    terminal.account(gpus=3)
    deployed(terminal, "./unbraid deploy --compute gpu")
    with_image("gpu")
    screen = confirmed(terminal, "./unbraid deploy --instance ml.g5.xlarge")
    return screen[: screen.index("UNBRAID_API_URL")]


SCENARIOS: dict[str, Callable[..., str]] = {
    "check": check,
    "check again": check_again,
    "check gpu": check_gpu,
    "no region": no_region,
    "deploy": first_deployment,
    "deploy with something missing": with_something_missing,
    "synth": synth,
    "models": models,
    "netlify": netlify,
    "cloudfront": cloudfront,
    "cloudfront refused": cloudfront_refused,
    "second deployments": second_deployments,
    "update": update,
    "build running": build_running,
    "image did not start": image_did_not_start,
    "destroy": destroy,
    "redrive": redrive,
    "instance": instance,
}


def shown(name: str, request: pytest.FixtureRequest) -> str:
    """Return what a scenario prints."""
    scenario = SCENARIOS[name]
    names = scenario.__code__.co_varnames[: scenario.__code__.co_argcount]
    return scenario(*(request.getfixturevalue(each) for each in names))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_manual_shows_what_the_command_prints(name: str, request: pytest.FixtureRequest) -> None:
    assert QUOTED[name].strip("\n") == shown(name, request).strip("\n")


def test_every_quoted_output_is_that_of_a_command() -> None:
    assert QUOTED.keys() == SCENARIOS.keys()
    assert PAGE.count("<!-- output:") == PAGE.count("<!-- end -->") == len(SCENARIOS)


def test_every_command_says_what_it_prints() -> None:
    """A command is followed, before the next one, by its output or by a link to that of another command."""
    parts = re.split(r"\n\n((?:    \S.*\n)+)", PAGE)
    for block, after in zip(parts[1::2], parts[2::2], strict=True):
        if re.search(r"^    (\S+=\S+ )?\./unbraid ", block, re.M):
            words = after.split("\n#")[0]
            assert re.search(r"<!-- output: |prints? what|prints the lines of", words), block
