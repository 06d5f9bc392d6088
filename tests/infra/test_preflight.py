"""The preflight says what a new account lacks. Moto has no quotas and limits, so botocore's Stubber answers for AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from infra.account import Account
from infra.preflight import Report, allowed_memory, check
from infra.quotas import BUILDS, instances
from infra.settings import Settings
from tests.infra.template_queries import Template
from tests.infra.test_deploy import account, aws, moto_url

from infra import deploy, preflight

__all__ = ["account", "aws", "moto_url"]

Synth = Callable[..., Template]
G4DN = instances("ml.g4dn.xlarge")


class StubbedAccount(Account):
    """Account whose clients answer what `stubs` holds for their service."""

    stubs: dict[str, Stubber]

    def client(self, service: str) -> Any:
        return self.stubs[service].client


@pytest.fixture
def stubbed() -> StubbedAccount:
    """Return an account of which every call has to be answered beforehand."""
    session = boto3.Session("a", "b", region_name="eu-central-1")
    account = StubbedAccount(session, "123456789012", "eu-central-1", "unbraid")
    services = ("service-quotas", "lambda", "sesv2", "cloudfront", "cloudformation", "codebuild")
    stubs = {service: Stubber(session.client(service)) for service in services}
    for stub in stubs.values():
        stub.activate()
    object.__setattr__(account, "stubs", stubs)
    return account


def answer(account: StubbedAccount, service: str, call: str, content: dict[str, Any]) -> None:
    account.stubs[service].add_response(call, content)


def refuse(account: StubbedAccount, service: str, call: str, code: str, message: str = "no") -> None:
    account.stubs[service].add_client_error(call, code, message)


def answer_quota(account: StubbedAccount, name: str, value: float) -> None:
    content = {"QuotaName": name, "QuotaCode": "L-1", "Value": value}
    answer(account, "service-quotas", "get_service_quota", {"Quota": content})


def answer_concurrency(account: StubbedAccount, limit: int) -> None:
    answer(account, "lambda", "get_account_settings", {"AccountLimit": {"ConcurrentExecutions": limit}})


def refuse_memory(account: StubbedAccount, limit: int | None) -> None:
    """Refuse the function because of its memory, or (None) because its role is missing."""
    if limit is None:
        code, message = (
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed.",
        )
    else:
        code = "ValidationException"
        constraint = f"Member must have value less than or equal to {limit}"
        message = f"'MemorySize' value failed to satisfy constraint: {constraint}"
    refuse(account, "lambda", "create_function", code, message)


def found(report: Report, words: str) -> tuple[str, str]:
    (finding,) = (each for each in report.findings if words in each.text)
    return finding.level, finding.text


def test_an_account_with_enough_of_everything_lacks_nothing(stubbed: StubbedAccount) -> None:
    answer_quota(stubbed, BUILDS, 10)
    answer_quota(stubbed, G4DN, 3)
    answer_concurrency(stubbed, 1000)
    report = check(stubbed, Settings(compute="gpu"))
    assert {finding.level for finding in report.findings} == {"ok"}
    assert not report.missing
    assert report.settings == Settings(compute="gpu")


def test_a_new_account_gets_the_commands_that_ask_for_quotas(stubbed: StubbedAccount) -> None:
    answer_quota(stubbed, BUILDS, 0)
    answer_quota(stubbed, G4DN, 0)
    answer_concurrency(stubbed, 10)
    report = check(stubbed, Settings(compute="gpu", at_most=2))
    assert report.missing
    ask = "aws service-quotas request-service-quota-increase --region eu-central-1"
    level, text = found(report, "CodeBuild")
    assert (
        level == "missing"
        and f"{ask} --service-code codebuild --quota-code L-4DDC4A99 --desired-value 1" in text
    )
    level, text = found(report, G4DN)
    # At most 2, and 1 for the update that starts before the old instance stops.
    assert (
        level == "missing"
        and f"{ask} --service-code sagemaker --quota-code L-B67CFA0C --desired-value 3" in text
    )
    assert "--compute cpu" in text
    level, text = found(report, "functions that Lambda may run at the same time")
    assert (
        level == "note"
        and f"{ask} --service-code lambda --quota-code L-B99A9384 --desired-value 1000" in text
    )


def test_a_quota_that_is_too_small_for_updates_is_a_note(stubbed: StubbedAccount) -> None:
    answer_quota(stubbed, BUILDS, 1)
    answer_quota(stubbed, G4DN, 2)
    answer_concurrency(stubbed, 1000)
    report = check(stubbed, Settings(compute="gpu", at_most=2))
    assert found(report, G4DN)[0] == "note" and not report.missing


def test_finds_the_quota_of_another_instance_type_by_its_name(stubbed: StubbedAccount) -> None:
    name = instances("ml.c7i.2xlarge")
    answer_quota(stubbed, BUILDS, 1)
    listed = [{"QuotaName": "other", "QuotaCode": "L-2"}, {"QuotaName": name, "QuotaCode": "L-3", "Value": 0}]
    answer(stubbed, "service-quotas", "list_aws_default_service_quotas", {"Quotas": listed})
    # Service Quotas knows no value of this account yet: the default applies.
    refuse(stubbed, "service-quotas", "get_service_quota", "NoSuchResourceException")
    quota = {"QuotaName": name, "QuotaCode": "L-3", "Value": 0}
    answer(stubbed, "service-quotas", "get_aws_default_service_quota", {"Quota": quota})
    answer_concurrency(stubbed, 1000)
    report = check(stubbed, Settings(compute="gpu", instance="ml.c7i.2xlarge"))
    level, text = found(report, name)
    assert level == "missing" and "--quota-code L-3 --desired-value 3" in text


def test_a_known_code_with_another_name_is_not_trusted(stubbed: StubbedAccount) -> None:
    answer_quota(stubbed, "something else", 99)
    listed = [{"QuotaName": BUILDS, "QuotaCode": "L-NEW", "Value": 0}]
    answer(stubbed, "service-quotas", "list_aws_default_service_quotas", {"Quotas": listed})
    answer_quota(stubbed, BUILDS, 0)
    answer_quota(stubbed, G4DN, 3)
    answer_concurrency(stubbed, 1000)
    assert "--quota-code L-NEW" in found(check(stubbed, Settings(compute="gpu")), "CodeBuild")[1]


def test_functions_get_the_memory_that_the_account_allows(stubbed: StubbedAccount) -> None:
    answer_quota(stubbed, BUILDS, 1)
    refuse_memory(stubbed, 3008)
    answer_concurrency(stubbed, 10)
    report = check(stubbed, Settings(models=("htdemucs",)))
    level, text = found(report, "Lambda allows functions 3,008 MB")
    assert level == "note" and "takes about 4 minutes with htdemucs instead of 70 seconds" in text
    level, text = found(report, "songs of up to about 17 minutes")
    assert level == "note" and "htdemucs" in text
    assert report.settings == Settings(models=("htdemucs",), memory=3008)
    assert not report.missing


def test_says_which_model_auto_and_fast_are(stubbed: StubbedAccount) -> None:
    for models, level, words in (
        (
            ("htdemucs", "spleeter"),
            "ok",
            "`auto` is htdemucs; `fast` is spleeter (spleeter_lite for drums, bass",
        ),
        (
            ("spleeter",),
            "ok",
            "`auto` and `fast` are spleeter (spleeter_lite for drums, bass and other)",
        ),
        (("htdemucs_ft",), "note", "`auto` and `fast` are lite, the weakest. Add htdemucs or spleeter"),
    ):
        # Everything that isn't answered is "unknown".
        for _ in range(2):
            refuse(stubbed, "service-quotas", "get_service_quota", "AccessDeniedException")
        refuse(stubbed, "lambda", "get_account_settings", "AccessDeniedException")
        finding = found(check(stubbed, Settings(compute="gpu", models=models)), "models: auto, fast, lite")
        assert finding[0] == level and words in finding[1]


def test_says_which_model_is_too_slow_for_a_function(stubbed: StubbedAccount) -> None:
    answer_quota(stubbed, BUILDS, 1)
    refuse_memory(stubbed, 3008)
    answer_concurrency(stubbed, 1000)
    report = check(stubbed, Settings(models=("spleeter", "htdemucs_ft")))
    assert found(report, "htdemucs_ft separates songs of up to about 4 minutes")[0] == "note"
    assert not any("spleeter separates" in each.text for each in report.findings)


def test_an_account_that_allows_all_memory_keeps_it(stubbed: StubbedAccount) -> None:
    refuse_memory(stubbed, None)
    assert allowed_memory(stubbed, 10240) == 10240


def test_asking_for_the_memory_creates_no_function(account: Account) -> None:
    assert allowed_memory(account, 10240) == 10240
    assert account.client("lambda").list_functions()["Functions"] == []


def test_too_many_functions_for_the_account_are_missing(stubbed: StubbedAccount) -> None:
    answer_quota(stubbed, BUILDS, 1)
    refuse_memory(stubbed, None)
    answer_concurrency(stubbed, 10)
    report = check(stubbed, Settings(at_most=5))
    assert found(report, "functions that Lambda may run")[0] == "missing"


def test_a_missing_permission_is_a_line_and_no_failure(stubbed: StubbedAccount) -> None:
    for _ in range(2):
        refuse(stubbed, "service-quotas", "get_service_quota", "AccessDeniedException")
    refuse(stubbed, "lambda", "get_account_settings", "AccessDeniedException")
    report = check(stubbed, Settings(compute="gpu"))
    assert [finding.level for finding in report.findings] == ["ok", "unknown", "unknown", "unknown"]
    assert all(finding.text.startswith("couldn't check ") for finding in report.findings[1:])
    assert all("(AccessDeniedException)" in finding.text for finding in report.findings[1:])
    assert not report.missing


@pytest.mark.parametrize(("production", "level"), [(False, "note"), (True, "ok")])
def test_says_whether_ses_is_in_the_sandbox(stubbed: StubbedAccount, production: bool, level: str) -> None:
    answer_quota(stubbed, BUILDS, 1)
    answer_quota(stubbed, G4DN, 3)
    answer_concurrency(stubbed, 1000)
    answer(stubbed, "sesv2", "get_account", {"ProductionAccessEnabled": production})
    refuse(stubbed, "sesv2", "get_email_identity", "NotFoundException")
    report = check(stubbed, Settings(compute="gpu", sign_in=True, sender="songs@example.org"))
    assert found(report, "SES")[0] == level


@pytest.mark.parametrize(("owner", "missing"), [("unbraid", False), ("staging", True), (None, True)])
def test_a_sender_of_another_deployment_is_missing(
    stubbed: StubbedAccount, owner: str | None, missing: bool
) -> None:
    answer_quota(stubbed, BUILDS, 1)
    answer_quota(stubbed, G4DN, 3)
    answer_concurrency(stubbed, 1000)
    answer(stubbed, "sesv2", "get_account", {"ProductionAccessEnabled": True})
    answer(stubbed, "sesv2", "get_email_identity", {})
    if owner is None:
        refuse(stubbed, "cloudformation", "describe_stack_resources", "ValidationError")
    else:
        resource = {
            "StackName": owner,
            "LogicalResourceId": "Sender",
            "ResourceType": "AWS::SES::EmailIdentity",
            "Timestamp": "2026-01-01",
            "ResourceStatus": "CREATE_COMPLETE",
        }
        answer(stubbed, "cloudformation", "describe_stack_resources", {"StackResources": [resource]})
    report = check(stubbed, Settings(compute="gpu", sign_in=True, sender="songs@example.org"))
    assert report.missing is missing


@pytest.mark.parametrize(("distributions", "level"), [(0, "note"), (1, "ok")])
def test_says_that_cloudfront_may_be_refused(stubbed: StubbedAccount, distributions: int, level: str) -> None:
    answer_quota(stubbed, BUILDS, 1)
    answer_quota(stubbed, G4DN, 3)
    answer_concurrency(stubbed, 1000)
    listing = {"Marker": "", "MaxItems": 1, "IsTruncated": False, "Quantity": distributions}
    answer(stubbed, "cloudfront", "list_distributions", {"DistributionList": listing})
    assert found(check(stubbed, Settings(compute="gpu", cloudfront=True)), "CloudFront")[0] == level


def test_what_the_simulator_lacks_does_not_stop_the_check(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(cloudfront=True, sign_in=True, sender="songs@example.org")
    assert deploy.check(account, settings) == 0
    err = capsys.readouterr().err
    assert "unknown: couldn't check how many functions may run at the same time" in err
    assert err.splitlines()[-1] == "unbraid: nothing is missing"


def test_check_exits_with_1_if_something_is_missing(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report([preflight.Finding("missing", "no builds")], Settings())
    monkeypatch.setattr(preflight, "check", lambda *_: report)
    assert deploy.main([json.dumps({"check": True})]) == 1
    assert "unbraid:   missing: no builds\n" in capsys.readouterr().err
