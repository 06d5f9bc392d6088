"""A deployment without a spending limit starts machines that the limit has stopped, against moto."""

from __future__ import annotations

import boto3
from infra.account import Account
from infra.resume import resume
from infra.settings import Settings
from tests.aws.test_spending import deploy_endpoint, deploy_function
from tests.infra.test_deploy import account
from tests.simulators.moto_server import aws, moto_url

from unbraid.aws.spending import EndpointMachines, FunctionMachines

__all__ = ["account", "aws", "moto_url"]


def test_the_first_song_starts_an_instance_again(account: Account) -> None:
    deploy_endpoint()
    EndpointMachines("unbraid", "all", "unbraid-wake").stop()

    def acts() -> bool:
        (alarm,) = boto3.client("cloudwatch").describe_alarms(AlarmNames=["unbraid-wake"])["MetricAlarms"]
        return alarm["ActionsEnabled"]

    resume(account, Settings(compute="gpu", at_most_usd=20))
    assert not acts()  # the limit decides
    resume(account, Settings(compute="gpu"))
    assert acts()


def test_the_function_takes_songs_again(account: Account) -> None:
    lambda_ = deploy_function()
    FunctionMachines("unbraid-separate").stop()

    def state() -> str:
        (mapping,) = lambda_.list_event_source_mappings()["EventSourceMappings"]
        return str(mapping["State"])

    assert state() == "Disabled"
    resume(account, Settings(at_most_usd=20))
    assert state() == "Disabled"
    resume(account, Settings())
    assert state() == "Enabled"


def test_a_first_deployment_has_nothing_to_start(account: Account) -> None:
    resume(account, Settings(compute="gpu"))
    resume(account, Settings())


def test_another_deployment_stays_stopped(account: Account) -> None:
    deploy_endpoint()
    EndpointMachines("unbraid", "all", "unbraid-wake").stop()
    resume(Account.opened("staging"), Settings(name="staging", compute="gpu"))
    (alarm,) = boto3.client("cloudwatch").describe_alarms(AlarmNames=["unbraid-wake"])["MetricAlarms"]
    assert not alarm["ActionsEnabled"]
