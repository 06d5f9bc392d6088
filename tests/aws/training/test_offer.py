"""What a training in AWS costs is said before anything is uploaded, and each obstacle in one line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import boto3
import pytest
from tests.aws.training.conftest import (
    CONTENT,
    SPOT,
    STACK,
    SimulatedAccount,
    deploy,
    product,
)
from tests.simulators.json_services import put_image

from unbraid.aws import credentials
from unbraid.aws.training.image import Image
from unbraid.aws.training.offer import WITH_CARD, WITHOUT, default_hours, default_instance
from unbraid.cli.main import main

Screen = pytest.CaptureFixture[str]


def command(songs: Path, tiny: Path, *options: str) -> Sequence[str]:
    return ["finetune", str(songs), "-o", "my-band", "--from", str(tiny), "--aws", *options]


def refused(account: SimulatedAccount, screen: Screen, arguments: Sequence[str], code: int = 2) -> str:
    """Run a command that starts nothing, and return its last line."""
    assert main(arguments) == code
    assert account.keys() == [] and account.jobs.jobs == {} and account.services.builds == []
    return screen.readouterr().err.splitlines()[-1].removeprefix("unbraid: ")


def test_says_what_it_does_and_costs_and_starts_nothing_without_a_yes(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    assert main(command(songs, tiny, "--minutes", "60")) == 2
    assert capsys.readouterr().err.splitlines()[-8:] == [
        "unbraid: This will happen in AWS (account 123456789012, region eu-central-1, deployment unbraid):",
        f"unbraid:   Up to 0.023 GB of stems are uploaded to {account.bucket}, and deleted at the end.",
        "unbraid:   The image with PyTorch is built: about 30 minutes, 0.60 dollars. It is deleted at the end; "
        "--keep-image keeps it for the next time.",
        "unbraid:   One ml.c7i.2xlarge trains for about 60 minutes, and at most 2 hours.",
        "unbraid:   It is a spot machine: it may have to wait, up to 24 hours, and costs at most 0.43 dollars an hour, "
        "usually much less.",
        "unbraid:   Source of the price: AWS's price list for N. Virginia, without tax; the price in eu-central-1 may "
        "differ.",
        "unbraid: Together at most 1.46 dollars, and some cents for storage.",
        "unbraid: There is no terminal to answer on. Add --yes to start without a question.",
    ]
    assert account.keys() == [] and account.jobs.jobs == {} and account.services.builds == []


def test_price_of_the_region_is_that_of_trainings_on_demand(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    account.services.prices = [
        product("EUC1-Host:ml.c7i.2xlarge", "9.0"),
        product("EUC1-Train:ml.c7i.2xlarge", "0.5"),
        product("EUC1-TrainSomethingElse:ml.c7i.2xlarge", "8.0"),
    ]
    account.services.quotas["ml.c7i.2xlarge for training job usage"] = 1
    assert main(command(songs, tiny, "--json", "--on-demand", "--at-most-hours", "3")) == 2
    offer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (offer["usd_per_hour"], offer["spot"], offer["most_usd"]) == (0.5, False, 2.1)


def test_instance_without_a_known_price_needs_one(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    account.services.quotas = {"ml.p9.large for spot training job usage": 1}
    arguments = command(songs, tiny, "--instance", "ml.p9.large", "--json")
    assert "The price of ml.p9.large in eu-central-1 is unknown" in refused(account, capsys, arguments)
    assert main([*arguments, "--usd-per-hour", "2"]) == 2
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["usd_per_hour"] == 2


def test_quota_of_0_names_the_command_that_asks_for_more(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    account.services.quotas = {SPOT: 0}
    text = refused(account, capsys, command(songs, tiny, "--yes"))
    assert f'The quota "{SPOT}" of this account is 0' in text and "--on-demand" in text
    assert "request-service-quota-increase --region eu-central-1 --service-code sagemaker" in text


def test_instance_that_the_region_lacks(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    text = refused(account, capsys, command(songs, tiny, "--instance", "ml.q1.large", "--yes"))
    assert "it has no such machines for trainings there" in text


def test_songs_that_teach_nothing_start_nothing(
    account: SimulatedAccount, tmp_path: Path, tiny: Path, capsys: Screen
) -> None:
    (tmp_path / "bad" / "song").mkdir(parents=True)
    (tmp_path / "bad" / "song" / "low.wav").write_bytes(b"no sound")
    text = refused(account, capsys, command(tmp_path / "bad", tiny, "--yes"), code=1)
    assert text == "No song can be used. Correct the problems above."


def test_without_a_deployment(account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen) -> None:
    text = refused(account, capsys, command(songs, tiny, "--yes", "--deployment", "other"))
    assert "there is no stack other in eu-central-1" in text and "./unbraid deploy" in text


def test_deployment_of_an_older_version(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    boto3.client("cloudformation").delete_stack(StackName=STACK)
    deploy(account.bucket, account.repository, image_tag="", outputs={})
    assert "is older than this version" in refused(account, capsys, command(songs, tiny, "--yes"))


def test_without_credentials(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(credentials, "boto3", boto3)
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        assert main(command(songs, tiny, "--yes")) == 2
    assert "No AWS credentials were found" in capsys.readouterr().err


def test_options_for_aws_need_it(songs: Path, capsys: Screen) -> None:
    assert main(["finetune", str(songs), "-o", "my-band", "--keep-image"]) == 2
    assert "--keep-image needs --aws" in capsys.readouterr().err


def test_an_image_that_has_pytorch_is_used_and_kept(account: SimulatedAccount) -> None:
    from unbraid.aws.training.deployment import Deployment

    boto3.client("cloudformation").delete_stack(StackName=STACK)
    role = {"TrainingRole": "arn:aws:iam::123456789012:role/unbraid-training"}
    deploy(account.bucket, account.repository, image_tag=f"{CONTENT}-gpu", outputs=role)
    put_image(account.repository, f"{CONTENT}-gpu")
    image = Image(Deployment.open(STACK))
    assert (image.tag, image.exists()) == (f"{CONTENT}-gpu", True)
    image.delete()
    assert image.exists()


def test_networks_that_learn_on_processors_get_no_card() -> None:
    assert [default_instance(name) for name in ("lite", "spleeter", "htdemucs", "")] == [
        WITHOUT, WITHOUT, WITH_CARD, WITH_CARD
    ]  # fmt: skip


def test_time_limit_leaves_room_for_start_and_scores() -> None:
    assert [default_hours(minutes) for minutes in (1, 30, 60, 600, None)] == [1, 2, 2, 16, 6]
