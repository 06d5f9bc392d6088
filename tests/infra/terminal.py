"""A terminal in which `./unbraid deploy` runs against moto, for the tests of the manual.

The CDK's command line is replaced: it creates stacks in moto with the outputs that the real ones have, and prints `…`
instead of its own output. CodeBuild, Service Quotas and Lambda's limits, which moto lacks, are answered by botocore's
Stubber, which checks the answers.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shlex
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from infra.account import Account
from infra.quotas import BUILDS, instances
from infra.settings import NO_PAGE, Settings

from infra import builds, cdk_cli, deploy, page, settings
from unbraid.aws import credentials
from unbraid.cli import deploy as cli

CONTENT = "0f1e2d3c4b5a6978"
API = "a1b2c3d4e5"
PHASES = (
    "QUEUED",
    "PROVISIONING",
    "DOWNLOAD_SOURCE",
    "INSTALL",
    "PRE_BUILD",
    "BUILD",
    "POST_BUILD",
    "FINALIZING",
    "COMPLETED",
)


@cache
def session(region_name: str) -> boto3.Session:
    """Return a session. Opening one and its clients takes longer than all calls of a command."""
    return boto3.Session(region_name=region_name)


@cache
def opened(service: str, region: str) -> Any:
    """Return a client."""
    return session(region).client(service)  # type: ignore[call-overload]


class Typed(io.StringIO):
    """Standard input on which a user types `answers`, and which shows them in `screen`."""

    def __init__(self, screen: io.StringIO, answers: Sequence[str]) -> None:
        super().__init__()
        self._screen, self._answers = screen, list(answers)

    def isatty(self) -> bool:
        return True

    def readline(self, *_: Any) -> str:  # type: ignore[override]
        answer = self._answers.pop(0) + "\n"
        self._screen.write(answer)
        return answer


class Terminal:
    """Runs commands of the manual. `folder`: where settings are saved."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self._patch, self._folder = patch, folder
        self._stubs: dict[str, Stubber] = {}
        self._settings = Settings()
        self._origin: str | None = None
        self.screen = io.StringIO()
        self.refuses_cloudfront = self.running_build = False
        self.image_starts = True

        def client(account: Account, service: str) -> Any:
            stub = self._stubs.get(service)
            return opened(service, account.region) if stub is None else stub.client

        patch.setattr(Account, "client", client)
        patch.setattr(credentials, "boto3", SimpleNamespace(Session=session))
        patch.setattr(settings, "FOLDER", folder)
        patch.setattr(deploy, "ASSEMBLY", folder / "assembly")
        patch.setattr(deploy, "assemble", self._assemble)
        patch.setattr(cdk_cli, "_cdk", self._cdk)
        patch.setattr(page, "build_page", self._elsewhere)
        patch.setattr(page.publish, "__defaults__", (folder / "static",))
        patch.setattr(builds.build, "__defaults__", (self._sleep,))
        patch.setattr(cli, "environment", lambda: Path(sys.executable))
        patch.setattr(cli, "subprocess", SimpleNamespace(run=self._run))
        (folder / "static").mkdir()

    def account(self, *, builds: int = 1, memory_mb: int = 3008, functions: int = 10, gpus: int = 0) -> None:
        """Set what the account allows: by default that of a new one, after CodeBuild was asked for."""
        self._quotas = {BUILDS: builds, instances("ml.g4dn.xlarge"): gpus, instances("ml.g5.xlarge"): gpus}
        self._memory_mb, self._functions = memory_mb, functions

    def type(self, command: str, *answers: str) -> str:
        """Run a command and return what the terminal shows."""
        self._patch.setattr(sys, "stdin", Typed(self.screen, answers))
        self._patch.setattr(sys, "stdout", self.screen)
        self._patch.setattr(sys, "stderr", self.screen)
        words = shlex.split(command)
        while "=" in words[0]:
            self._patch.setenv(*words.pop(0).split("="))
        assert words[0] == "./unbraid"
        parser = argparse.ArgumentParser()
        cli.add_parser(parser.add_subparsers())
        self._answer(self._chosen(words))
        arguments = parser.parse_args(words[1:])
        before = len(self.screen.getvalue())
        arguments.run(arguments)
        for stub in self._stubs.values():
            stub.deactivate()
        self._patch.setattr(sys, "stdout", sys.__stdout__)
        self._patch.setattr(sys, "stderr", sys.__stderr__)
        return self.screen.getvalue()[before:]

    def _chosen(self, words: Sequence[str]) -> Settings:
        """Return the settings of a command."""
        parser = argparse.ArgumentParser()
        cli.add_parser(parser.add_subparsers())
        options = vars(parser.parse_args(words[1:]))
        return settings.load({name: options[name] for name in Settings.model_fields if options.get(name)})

    def _run(self, command: Sequence[str], **_: Any) -> SimpleNamespace:
        return SimpleNamespace(returncode=deploy.main([command[-1]]))

    def _answer(self, chosen: Settings) -> None:
        """Prepare AWS's answers for one command."""
        self._settings = chosen
        self._stubs = {
            name: Stubber(opened(name, "eu-central-1")) for name in ("service-quotas", "lambda", "codebuild")
        }
        quotas, functions, codebuild = self._stubs.values()
        for name, code in ((BUILDS, "L-4DDC4A99"), (instances(chosen.instance), "L-B67CFA0C")):
            if name == BUILDS or chosen.compute == "gpu":
                quota = {"QuotaName": name, "QuotaCode": code, "Value": self._quotas[name]}
                if name == instances("ml.g5.xlarge"):  # its code isn't built in
                    listed = {"QuotaName": name, "QuotaCode": "L-5"}
                    quotas.add_response("list_aws_default_service_quotas", {"Quotas": [listed]})
                quotas.add_response("get_service_quota", {"Quota": quota})
        if chosen.compute == "cpu":
            constraint = f"Member must have value less than or equal to {self._memory_mb}"
            functions.add_client_error(
                "create_function", "ValidationException", f"'MemorySize': {constraint}"
            )
        functions.add_response(
            "get_account_settings", {"AccountLimit": {"ConcurrentExecutions": self._functions}}
        )
        functions.add_response("list_event_source_mappings", {"EventSourceMappings": []})
        if self._quotas[BUILDS] == 0:
            self._answer_no_build(codebuild)
            codebuild.add_client_error("start_build", "AccountLimitExceededException")
        else:
            self._answer_build(codebuild, chosen)
        for stub in self._stubs.values():
            stub.activate()

    def _answer_build(self, codebuild: Stubber, chosen: Settings) -> None:
        phases = PHASES
        if self.running_build:
            variables = [{"name": "IMAGE_TAG", "value": f"{CONTENT}-{chosen.compute}"}]
            environment = {
                "type": "LINUX_CONTAINER",
                "image": "i",
                "computeType": "BUILD_GENERAL1_LARGE",
                "environmentVariables": variables,
            }
            running = {"id": "unbraid:1", "buildStatus": "IN_PROGRESS", "environment": environment}
            codebuild.add_response("list_builds_for_project", {"ids": ["unbraid:1"]})
            codebuild.add_response("batch_get_builds", {"builds": [running]})
            phases = PHASES[-4:]
        else:
            self._answer_no_build(codebuild)
            codebuild.add_response("start_build", {"build": {"id": "unbraid:1"}})
        for phase in phases:
            status = "SUCCEEDED" if phase == PHASES[-1] else "IN_PROGRESS"
            codebuild.add_response(
                "batch_get_builds", {"builds": [{"currentPhase": phase, "buildStatus": status}]}
            )

    @staticmethod
    def _answer_no_build(codebuild: Stubber) -> None:
        # The Stubber takes no empty list. A build that has expired has an id, and no description.
        codebuild.add_response("list_builds_for_project", {"ids": ["unbraid:0"]})
        codebuild.add_response("batch_get_builds", {"builds": []})

    def _sleep(self, _: float) -> None:
        """Between two looks at the build, which updates the stack at its end."""
        account = Account.opened(self._settings.name)
        tag = f"{CONTENT}-{self._settings.compute}"
        if self.image_starts and account.image_tag() != tag:
            self._deploy(account, tag)

    def _elsewhere(self) -> None:
        """Print what stands for the output of another program."""
        sys.stderr.write("…\n")

    def _assemble(self, _account: Account, chosen: Settings, origin: str | None) -> Path:
        self._settings, self._origin = chosen, chosen.site or origin
        file = self._folder / "template.json"
        file.write_text(json.dumps(self._template(Account.opened(chosen.name))))
        return file

    def _template(self, account: Account) -> dict[str, Any]:
        host = f"{API}.execute-api.{account.region}.amazonaws.com"
        bucket = f"{account.name}-{account.number}-{account.region}"
        outputs = {
            "Api": f"https://{host}",
            "Socket": f"wss://f6g7h8i9j0.execute-api.{account.region}.amazonaws.com/events",
            "Files": f"https://{bucket}.s3.{account.region}.amazonaws.com",
            "Page": self._origin or NO_PAGE,
            "SongsBucket": bucket,
            "WantedImage": f"{CONTENT}-{self._settings.compute}",
        }
        resources: dict[str, Any] = {"Topic": {"Type": "AWS::SNS::Topic"}}
        if self._settings.compute == "gpu":
            resources["Config"] = {
                "Type": "AWS::SageMaker::EndpointConfig",
                "Condition": "Never",
                "Properties": {"ProductionVariants": [{"InstanceType": self._settings.instance}]},
            }
        return {
            "Parameters": {"ImageTag": {"Type": "String", "Default": ""}},
            "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
            "Resources": resources,
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }

    def _cdk(self, account: Account, command: str, *arguments: str) -> int:
        self._elsewhere()
        if command == "bootstrap":
            account.client("ssm").put_parameter(
                Name="/cdk-bootstrap/hnb659fds/version", Value="28", Type="String", Overwrite=True
            )
        if command == "deploy" and arguments[0] == account.page_name:
            if self.refuses_cloudfront:
                return 1
            self._create_page(account)
        elif command == "deploy":
            (tag,) = re.findall(r"ImageTag=(\S*)", " ".join(arguments)) or [account.image_tag()]
            self._deploy(account, tag)
        return 0

    def _deploy(self, account: Account, tag: str) -> None:
        formation = account.client("cloudformation")
        new = account.stack() is None
        if not new:
            formation.delete_stack(StackName=account.name)
        else:
            self._bucket(account, f"{account.name}-{account.number}-{account.region}")
        formation.create_stack(
            StackName=account.name,
            TemplateBody=json.dumps(self._template(account)),
            Parameters=[{"ParameterKey": "ImageTag", "ParameterValue": tag}],
        )

    def _create_page(self, account: Account) -> None:
        if account.stack(account.page_name) is None:
            bucket = f"{account.page_name}-{account.number}-{account.region}"
            self._bucket(account, bucket)
            outputs = {"Page": "https://d111111abcdef8.cloudfront.net", "PageBucket": bucket}
            template = {
                "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
                "Outputs": {name: {"Value": value} for name, value in outputs.items()},
            }
            account.client("cloudformation").create_stack(
                StackName=account.page_name, TemplateBody=json.dumps(template)
            )

    @staticmethod
    def _bucket(account: Account, name: str) -> None:
        where = {"LocationConstraint": account.region}
        options = {} if account.region == "us-east-1" else {"CreateBucketConfiguration": where}
        account.client("s3").create_bucket(Bucket=name, **options)
