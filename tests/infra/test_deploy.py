"""`unbraid deploy` against moto's server as AWS."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from infra.account import BOOTSTRAPPED, Account
from infra.console import Stopped
from infra.deploy import image_parameters, main, print_outputs
from infra.settings import STACK, Settings
from tests.simulators.moto_server import OTHERS, aws, moto_url

from infra import builds, cdk_cli, console, destroy, page

__all__ = ["aws", "moto_url"]


@pytest.fixture
def account(aws: str) -> Iterator[Account]:
    """Return an empty account."""
    urllib3.request("POST", f"{aws}/moto-api/reset")
    yield Account.opened()
    urllib3.request("POST", f"{aws}/moto-api/reset")


def test_opens_the_account_with_its_number_and_region(account: Account) -> None:
    assert (account.number, account.region) == ("123456789012", "eu-central-1")


def test_takes_the_region_of_aws_region(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert Account.opened().region == "us-east-1"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "No AWS credentials were found"),
        ({"AWS_REGION": None, "AWS_DEFAULT_REGION": None}, "Set AWS_REGION"),
        ({"AWS_PROFILE": "missing"}, "Set AWS_PROFILE to one of"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "AWS can't be reached"),
    ],
)
def test_reports_missing_credentials_in_one_line(
    aws: str, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str | None], words: str
) -> None:
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Stopped) as stopped:
        Account.opened()
    assert words in str(stopped.value) and "\n" not in str(stopped.value)


def test_detects_whether_the_cdk_is_bootstrapped(account: Account) -> None:
    assert not account.bootstrapped()
    account.client("ssm").put_parameter(Name=BOOTSTRAPPED, Value="28", Type="String")
    assert account.bootstrapped()


def stack(account: Account, tag: str = "", name: str | None = None, **outputs: str) -> None:
    """Create a stack, by default the main one, with an empty topic and these outputs."""
    template = {
        "Parameters": {"ImageTag": {"Type": "String", "Default": ""}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    account.client("cloudformation").create_stack(
        StackName=name or account.name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "ImageTag", "ParameterValue": tag}],
    )


def test_reads_outputs_and_image_tag_of_the_stack(account: Account) -> None:
    assert account.stack() is None
    assert (account.outputs(), account.image_tag()) == ({}, "")
    stack(account, "abc-gpu", Api="https://api.example.org")
    assert (account.outputs(), account.image_tag()) == ({"Api": "https://api.example.org"}, "abc-gpu")


def bucket(account: Account, name: str) -> Any:
    where = {"LocationConstraint": account.region}
    account.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
    return account.session.resource("s3").Bucket(name)


def test_uploads_the_page_with_content_types_and_cache_control(account: Account, tmp_path: Path) -> None:
    for name in (
        "index.html",
        "assets/page-1a2b.js",
        "assets/page-1a2b.js.br",
        "favicon.svg",
        "sw.js",
        ".built",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    place = bucket(account, "page")
    page.publish(account, "page", tmp_path)
    found = {each.key: each.Object() for each in place.objects.all()}
    assert {key: (each.content_type.split(";")[0], each.cache_control) for key, each in found.items()} == {
        "index.html": ("text/html", "no-cache"),
        "assets/page-1a2b.js": ("text/javascript", "public, max-age=31536000, immutable"),
        "favicon.svg": ("image/svg+xml", "no-cache"),
        "sw.js": ("text/javascript", "no-cache"),
    }


def test_a_page_never_refers_to_files_that_are_not_uploaded_yet(tmp_path: Path) -> None:
    for name in ("sw.js", "index.html", "assets/page-1a2b.js", "manifest.webmanifest"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    names = [path.name for path in page.publish_order(tmp_path)]
    assert names == ["page-1a2b.js", "manifest.webmanifest", "index.html", "sw.js"]


def test_destroy_deletes_stack_songs_and_page(account: Account) -> None:
    songs, site = bucket(account, "songs"), bucket(account, "page")
    for number in range(3):
        songs.put_object(Key=f"inputs/{number}/song.wav", Body=b"x")
    site.put_object(Key="index.html", Body=b"x")
    stack(account, SongsBucket="songs")
    stack(account, name="unbraid-page", PageBucket="page")
    destroy.destroy(account, yes=True)
    assert account.stack() is account.stack("unbraid-page") is None
    assert [*songs.objects.all(), *site.objects.all()] == []


def test_destroy_leaves_a_deployment_of_another_name(account: Account) -> None:
    staging = Account.opened("staging")
    stack(account)
    stack(staging)
    destroy.destroy(staging, yes=True)
    assert staging.stack() is None and account.stack() is not None


def test_destroy_asks_for_the_name_of_the_stack(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    stack(account, SongsBucket="songs")
    bucket(account, "songs").put_object(Key="inputs/1/song.wav", Body=b"x")

    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Typed("yes\n"))  # the stack's name is asked for
    with pytest.raises(Stopped, match=r"Nothing was changed\."):
        destroy.destroy(account, yes=False)
    assert account.stack() is not None
    assert len([*account.session.resource("s3").Bucket("songs").objects.all()]) == 1
    monkeypatch.setattr(sys, "stdin", Typed("unbraid\n"))
    destroy.destroy(account, yes=False)
    assert account.stack() is None


def test_destroy_reports_a_missing_stack(account: Account) -> None:
    with pytest.raises(Stopped, match="There is no stack unbraid in eu-central-1"):
        destroy.destroy(account, yes=True)


def test_a_question_without_a_terminal_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(Stopped, match="--yes"):
        console.ask("Continue?", yes=False)


def test_detects_whether_an_image_exists(account: Account) -> None:
    ecr = account.client("ecr")
    assert not builds.image_exists(account, "a-gpu")  # no repository either
    ecr.create_repository(repositoryName=STACK)
    assert not builds.image_exists(account, "a-gpu")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
    ecr.put_image(repositoryName=STACK, imageManifest=json.dumps(manifest), imageTag="a-gpu")
    assert builds.image_exists(account, "a-gpu")
    assert not builds.image_exists(account, "b-gpu")


@pytest.mark.parametrize(
    ("exists", "running", "parameters"),
    [
        (True, "", ["--parameters", "ImageTag=new-gpu"]),
        (True, "old-gpu", ["--parameters", "ImageTag=new-gpu"]),
        (False, "", []),
        (False, "old-gpu", []),  # keeps running that one until the new one is built
        (False, "old-cpu", ["--parameters", "ImageTag="]),
    ],
)
def test_the_stack_switches_to_an_image_once_it_exists(
    exists: bool, running: str, parameters: list[str]
) -> None:
    assert image_parameters("new-gpu", exists, running) == parameters


def project(account: Account, tag: str) -> None:
    account.client("codebuild").create_project(
        name=STACK,
        source={"type": "S3", "location": "assets/source.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_LARGE",
            "environmentVariables": [{"name": "IMAGE_TAG", "value": tag}],
        },
        serviceRole="arn:aws:iam::123456789012:role/build",
    )


def test_starts_a_build_and_waits_until_the_stack_runs_its_image(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    project(account, "new-gpu")
    stack(account, "new-gpu")  # as the build leaves it
    builds.build(account, "new-gpu", sleep=lambda _: None)
    assert len(account.client("codebuild").list_builds_for_project(projectName=STACK)["ids"]) == 1
    assert "building the image" in capsys.readouterr().err


def test_reports_an_image_that_did_not_start(account: Account) -> None:
    project(account, "new-gpu")
    stack(account, "old-gpu")
    with pytest.raises(Stopped, match="did not start, or songs failed on it, and the stack is unchanged"):
        builds.build(account, "new-gpu", sleep=lambda _: None)


def test_prints_the_variables_of_a_page_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outputs = {
        "Api": "https://api.example.org",
        "Socket": "wss://socket.example.org/events",
        "Files": "https://files.example.org",
        "SignIn": "https://a.example.org https://b.example.org",
        "People": "pool",
    }
    settings = Settings(site="https://music.example.org", sign_in=True, sender="songs@example.org")
    print_outputs(outputs, settings)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "UNBRAID_API_URL=https://api.example.org",
        "UNBRAID_SOCKET_URL=wss://socket.example.org/events",
        "UNBRAID_FILES_URL=https://files.example.org",
        "UNBRAID_SIGN_IN_URLS=https://a.example.org https://b.example.org",
    ]
    assert "Netlify" in err and "--user-pool-id pool" in err and "songs@example.org receives an e-mail" in err


def test_says_how_to_receive_alarms_if_no_address_does(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = dict.fromkeys(("Api", "Socket", "Files"), "https://api.example.org")
    print_outputs(outputs, Settings())
    assert "./unbraid deploy --alarms you@example.org" in capsys.readouterr().err
    print_outputs(outputs, Settings(alarms="me@example.org"))
    err = capsys.readouterr().err
    assert "you@example.org" not in err and "me@example.org receives an e-mail" in err


@pytest.mark.parametrize("version", [None, "v16.20.2", "v18.17.1"])
def test_asks_for_a_recent_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], version: str | None
) -> None:
    if version is not None:
        (tmp_path / "node").write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([json.dumps({"synth_only": True})]) == 1
    assert "Node.js 18.18 or newer is missing" in capsys.readouterr().err
    (tmp_path / "node").write_text("#!/bin/sh\necho v18.18.0\n")
    (tmp_path / "node").chmod(0o755)
    cdk_cli.check_node()


def test_an_invalid_setting_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([json.dumps({"site": "nowhere"})]) == 2
    assert capsys.readouterr().err == "unbraid: site: should look like https://music.example.org\n"


def test_stops_without_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in (*OTHERS, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert main([json.dumps({"yes": True})]) == 1
    assert "No AWS credentials were found" in capsys.readouterr().err
