"""A new account with the lowest quotas: the template and the messages that it gets by default."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from infra.account import Account
from infra.console import Stopped
from infra.preflight import Report, check
from infra.quotas import BUILDS
from infra.settings import Settings
from tests.infra.template_queries import Template, one, resources
from tests.infra.test_deploy import account, aws, moto_url
from tests.infra.test_preflight import (
    StubbedAccount,
    answer,
    answer_concurrency,
    answer_quota,
    found,
    refuse,
    refuse_memory,
    stubbed,
)

from infra import builds, deploy, preflight

__all__ = ["account", "aws", "moto_url", "stubbed"]

Synth = Callable[..., Template]


def test_the_default_needs_no_quota_of_a_new_account_but_a_build(stubbed: StubbedAccount) -> None:
    """A song may be separated in the account as it is: nothing about instances with a graphics card is asked."""
    answer_quota(stubbed, BUILDS, 1)
    refuse_memory(stubbed, 3008)
    answer_concurrency(stubbed, 10)
    report = check(stubbed, Settings())
    assert not report.missing
    assert found(report, "models:")[1].count("`auto` and `fast` are spleeter ") == 1
    assert not any("endpoint usage" in finding.text for finding in report.findings)


def test_the_models_by_default_suit_a_new_account(stubbed: StubbedAccount) -> None:
    answer_quota(stubbed, BUILDS, 1)
    refuse_memory(stubbed, 3008)
    answer_concurrency(stubbed, 1000)
    report = check(stubbed, Settings())
    assert not any("separates songs of up to" in each.text for each in report.findings)


def test_deploy_asks_before_it_creates_anything_if_something_is_missing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Report([preflight.Finding("missing", "no builds")], Settings())
    monkeypatch.setattr(preflight, "check", lambda *_: report)
    with pytest.raises(Stopped, match="Deploy everything else"):
        deploy.deploy(account, Settings(), yes=False)


def test_the_template_fits_a_new_account_with_the_lowest_quotas(
    stubbed: StubbedAccount, synth: Synth
) -> None:
    answer_quota(stubbed, BUILDS, 0)
    refuse_memory(stubbed, 3008)
    answer_concurrency(stubbed, 10)
    settings = check(stubbed, Settings()).settings
    template = synth(**settings.model_dump(exclude_defaults=True))
    # CodeBuild refuses a limit above the account's, which is 0.
    assert "ConcurrentBuildLimit" not in one(template, "CodeBuild::Project")
    memory = [each["MemorySize"] for each in resources(template, "Lambda::Function").values()]
    assert max(memory) == 3008
    assert not any("CloudFront" in each["Type"] for each in template["Resources"].values())
    assert all(
        "ReservedConcurrentExecutions" not in each
        for each in resources(template, "Lambda::Function").values()
    )


def test_a_build_that_the_account_may_not_run_says_what_to_do(stubbed: StubbedAccount) -> None:
    answer(stubbed, "codebuild", "list_builds_for_project", {"ids": ["old"]})
    answer(stubbed, "codebuild", "batch_get_builds", {"builds": []})
    refuse(stubbed, "codebuild", "start_build", "AccountLimitExceededException")
    with pytest.raises(Stopped, match="deploy --check"):
        builds.build(stubbed, "new-gpu", sleep=lambda _: None)
