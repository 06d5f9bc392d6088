"""The page on CloudFront has a stack of its own, so that a refusal of CloudFront leaves API and engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from infra.account import Account
from infra.console import Stopped
from infra.settings import NO_PAGE, Settings
from tests.infra.template_queries import Template, one, resources
from tests.infra.test_deploy import account, aws, bucket, moto_url, stack

from infra import builds, cdk_cli, deploy, page

__all__ = ["account", "aws", "moto_url"]

Synth = Callable[..., Template]
CLOUDFRONT = "https://d111.cloudfront.net"


def test_the_main_stack_has_no_cloudfront(synth: Synth) -> None:
    for settings in ({}, {"cloudfront": True}):
        kinds = {resource["Type"] for resource in synth(**settings)["Resources"].values()}
        assert not {kind for kind in kinds if "CloudFront" in kind}
    assert resources(synth(stack="page", cloudfront=True), "CloudFront::Distribution")


def test_the_page_imports_what_the_main_stack_always_exports(synth: Synth) -> None:
    imported = json.dumps(synth(stack="page", cloudfront=True))
    for settings in ({}, {"site": "https://music.example.org"}, {"cloudfront": True}):
        exports = {
            each["Export"]["Name"] for each in synth(**settings)["Outputs"].values() if "Export" in each
        }
        assert exports == {"unbraid-api-host", "unbraid-socket-host"}
    assert all(f'{{"Fn::ImportValue": "{name}"}}' in imported for name in exports)


def test_the_page_forwards_calls_to_the_api(synth: Synth) -> None:
    config = one(synth(stack="page", cloudfront=True), "CloudFront::Distribution")["DistributionConfig"]
    hosts = [origin["DomainName"] for origin in config["Origins"]]
    assert {"Fn::ImportValue": "unbraid-api-host"} in hosts


def test_calls_of_cloudfront_carry_a_secret_that_only_counting_functions_know(synth: Synth) -> None:
    main = synth(cloudfront=True)
    secret = main["Outputs"]["ProxySecret"]["Value"]
    assert len(secret) == 43
    config = one(synth(stack="page", cloudfront=True), "CloudFront::Distribution")["DistributionConfig"]
    headers = [origin.get("OriginCustomHeaders", []) for origin in config["Origins"]]
    assert sorted(headers, key=len) == [[], [{"HeaderName": "x-proxy-secret", "HeaderValue": secret}]]
    knowing = {name for name, each in main["Resources"].items() if f'"{secret}"' in json.dumps(each)}
    assert {main["Resources"][name]["Properties"]["FunctionName"] for name in knowing} == {
        "unbraid-library",
        "unbraid-upload",
        "unbraid-process",
    }
    assert synth(site="https://music.example.org")["Outputs"]["ProxySecret"]["Value"] != secret


def test_a_later_deployment_keeps_the_secret(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from infra import app

    given = list[str | None]()

    def assembled(_settings: Settings, out: Path, _page: str | None, proxy_secret: str | None) -> Path:
        given.append(proxy_secret)
        return out

    monkeypatch.setattr(deploy, "ASSEMBLY", tmp_path / "assembly")
    monkeypatch.setattr(app, "assembled", assembled)
    deploy.assemble(account, Settings(), None)
    stack(account, ProxySecret="abc")
    deploy.assemble(account, Settings(), None)
    assert given == [None, "abc"]


class FakeCdk:
    """Stands for the CDK's command line: creates the stacks in moto. `refuse`: CloudFront refuses the account."""

    def __init__(self, account: Account, refuse: bool = False) -> None:
        self.account, self.refuse = account, refuse
        self.origins: list[str | None] = []
        self.deployed: list[tuple[str, str | None]] = []

    def assemble(self, account: Account, settings: Settings, origin: str | None) -> Path:
        self.origins.append(settings.site or origin)
        template = deploy.ASSEMBLY.parent / "template.json"
        template.parent.mkdir(parents=True, exist_ok=True)
        template.write_text(json.dumps({"Outputs": {"WantedImage": {"Value": "new-gpu"}}, "Resources": {}}))
        return template

    def cdk(self, assembly: Path, account: Account, command: str, *arguments: str) -> None:
        if command != "deploy":
            return
        name = arguments[0]
        if name == account.page_name:
            if self.refuse:
                raise Stopped("`cdk deploy` failed. Its output is above.")
            if account.stack(name) is None:
                bucket(account, "page")
                stack(account, name=name, Page=CLOUDFRONT, PageBucket="page")
        else:
            if account.stack() is not None:
                account.client("cloudformation").delete_stack(StackName=name)
            outputs = {"Api": "https://api", "Socket": "wss://socket", "Files": "https://files"}
            stack(account, Page=self.origins[-1] or NO_PAGE, **outputs)
        self.deployed.append((name, self.origins[-1]))


@pytest.fixture
def fake_cdk(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCdk:
    fake = FakeCdk(account)
    monkeypatch.setattr(deploy, "ASSEMBLY", tmp_path / "assembly")
    monkeypatch.setattr(deploy, "assemble", fake.assemble)
    monkeypatch.setattr(deploy, "save", lambda _: None)
    monkeypatch.setattr(cdk_cli, "cdk", fake.cdk)
    monkeypatch.setattr(Account, "bootstrapped", lambda _: True)
    monkeypatch.setattr(builds, "build", lambda *_: None)
    monkeypatch.setattr(page, "build_page", lambda: None)
    (tmp_path / "static").mkdir()
    monkeypatch.setattr(page.publish, "__defaults__", (tmp_path / "static",))
    return fake


def test_a_new_page_is_created_after_the_api_which_then_accepts_it(
    account: Account, fake_cdk: FakeCdk
) -> None:
    deploy.deploy(account, Settings(cloudfront=True), yes=True)
    assert fake_cdk.deployed == [("unbraid", None), ("unbraid-page", None), ("unbraid", CLOUDFRONT)]
    assert account.outputs()["Page"] == CLOUDFRONT


def test_a_later_deployment_knows_the_page_from_the_start(account: Account, fake_cdk: FakeCdk) -> None:
    bucket(account, "page")
    stack(account, name=account.page_name, Page=CLOUDFRONT, PageBucket="page")
    deploy.deploy(account, Settings(cloudfront=True), yes=True)
    assert fake_cdk.deployed == [("unbraid", CLOUDFRONT), ("unbraid-page", CLOUDFRONT)]


def test_a_refusal_of_cloudfront_leaves_api_and_engine(
    account: Account, fake_cdk: FakeCdk, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_cdk.refuse = True
    deploy.deploy(account, Settings(cloudfront=True), yes=True)
    assert fake_cdk.deployed == [("unbraid", None)]
    out, err = capsys.readouterr()
    assert "UNBRAID_API_URL=https://api\n" in out
    assert "If the account must be verified, ask for that at" in err
    assert "ready: https://api\n" in err


def test_moving_the_page_to_another_host_deletes_the_one_on_cloudfront(
    account: Account, fake_cdk: FakeCdk
) -> None:
    deploy.deploy(account, Settings(cloudfront=True), yes=True)
    deploy.deploy(account, Settings(site="https://music.example.org"), yes=True)
    assert account.stack(account.page_name) is None
    assert account.outputs()["Page"] == "https://music.example.org"


def test_without_a_page_says_how_to_host_one(
    account: Account, fake_cdk: FakeCdk, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.deploy(account, Settings(), yes=True)
    err = capsys.readouterr().err
    assert "--site https://NAME.netlify.app" in err and "--cloudfront" in err
