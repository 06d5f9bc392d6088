"""The page's teaching in a simulated account: first the price, then the training, also without server and network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from tests.aws.training.conftest import STACK, SimulatedAccount, product
from tests.simulators.training_jobs import Refused

from unbraid.aws.training.state import folder_of, load_state
from unbraid.errors import Busy, SettingError, Unavailable
from unbraid.local import teaching_aws, teaching_worker
from unbraid.local.teaching import AWS, CHECK, CLIPS, SONGS, Phase, Teaching
from unbraid.models.own import own_folder, read_card


@pytest.fixture
def teaching(
    account: SimulatedAccount, songs: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Teaching:
    """A run whose songs have been checked, and a model of the user's own to begin with."""
    shutil.copytree(tiny, own_folder() / "tiny")
    teaching = Teaching(tmp_path / "data")
    with teaching.receive("song0/low.wav", "me") as file:
        file.commit()
    shutil.rmtree(teaching.folder / SONGS)
    shutil.copytree(songs, teaching.folder / SONGS)
    teaching.check("me")
    teaching.write(AWS, {"account": "123456789012", "region": "eu-central-1", "deployment": STACK})
    teaching.write(CHECK, {"problem": None})
    settings = {"minutes": None, "steps": 8, "until_best": False, "seed": 0}
    monkeypatch.setattr(teaching_aws, "settings_of", lambda *_: settings)  # a training of seconds
    return teaching


def work(teaching: Teaching) -> None:
    """Do what the worker's process does for the run."""
    run = teaching.run()
    assert run is not None
    teaching_worker.work_in_aws(teaching, run)


def offered(teaching: Teaching) -> float:
    """Ask for the price as the page does, and return it."""
    teaching.start("me", "my-band", "tiny", 60, False, True)
    assert teaching.phase() == Phase.OFFERING
    work(teaching)
    assert teaching.phase() == Phase.OFFERED
    offer = teaching.offer()
    assert offer is not None
    return float(offer["most_usd"])


def kinds(teaching: Teaching) -> list[str]:
    return [event["event"] for event in teaching.events()]


def test_finds_the_deployed_app(account: SimulatedAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    assert teaching_aws.find_app() == {
        "account": "123456789012",
        "region": "eu-central-1",
        "deployment": STACK,
    }
    with monkeypatch.context() as patch:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            patch.delenv(name)
        assert teaching_aws.find_app() is None


def test_this_machine_needs_no_pytorch() -> None:
    program = (
        "import sys, unbraid.local.teaching_aws, unbraid.local.teaching_end, unbraid.finetuning.clips, "
        "unbraid.cli.finetune_aws; print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "False"


def test_price_is_asked_before_anything_is_uploaded(teaching: Teaching, account: SimulatedAccount) -> None:
    most_usd = offered(teaching)
    offer = teaching.offer()
    assert offer is not None
    assert offer["lines"][-1].startswith(f"Together at most {most_usd:.2f} dollars")
    with pytest.raises(Busy, match="not the price"):
        teaching.accept("me", most_usd - 0.5)
    teaching.stop("me")  # back to the form
    assert teaching.phase() == Phase.CHECKED
    with pytest.raises(Busy, match="not the price"):
        teaching.accept("me", most_usd)

    # A price that has risen since is not paid.
    teaching.accept("me", offered(teaching))
    account.services.prices = [product("EUC1-Train:ml.c7i.2xlarge", "9.0")]
    with pytest.raises(SettingError, match="It would now cost at most"):
        work(teaching)
    assert account.keys() == [] and account.jobs.jobs == {} and load_state("my-band") is None
    teaching.finish("me", False)
    assert teaching.phase() == Phase.NONE


class Killed(BaseException):
    """Stands for the end of the server."""


def test_training_goes_on_without_the_server_and_the_network(
    teaching: Teaching, account: SimulatedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    teaching.accept("me", offered(teaching))
    account.jobs.waits = True

    def kill() -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(teaching_aws.Training, "follow", lambda _: kill())
        with pytest.raises(Killed):
            work(teaching)
    with pytest.raises(Busy, match="can't pause"):
        teaching.stop("me")
    with pytest.raises(Busy, match="being taught"):
        teaching.check("me")

    # The next server finds the job, though the user has to sign in to AWS again.
    def expire() -> None:
        raise Refused("ExpiredTokenException", "The security token is expired.")

    def sign_in(_: float) -> None:
        last = teaching.events()[-1]
        assert last["event"] == "unreachable" and "The security token is expired." in last["text"]
        account.jobs.described = lambda: None
        account.jobs.waits = False

    account.jobs.described = expire
    monkeypatch.setattr(teaching_aws, "sleep", sign_in)
    work(teaching)
    assert len(account.jobs.jobs) == 1 and kinds(teaching).count("unreachable") == 1
    assert teaching.phase() == Phase.ENDED
    result = teaching.result()
    assert result is not None and result["base"] == "tiny" and result["billed_usd"] is not None
    assert result["clips"]["stems"] == ["low", "high"]
    assert len(list((teaching.folder / CLIPS).iterdir())) == 4  # before and after
    assert next(event["steps"] for event in teaching.events() if event["event"] == "score") == 0
    # Nothing stays in AWS, and the model is the user's only on request.
    assert account.keys() == [] and account.log_streams() == [] and not folder_of("my-band").exists()
    assert not (own_folder() / "my-band").exists() and not (teaching.folder / SONGS).exists()
    teaching.finish("me", True)
    assert read_card(own_folder() / "my-band")["sdr_db"] == result["sdr_db"]


def test_training_that_aws_stopped_continues_or_is_deleted(
    teaching: Teaching, account: SimulatedAccount
) -> None:
    account.jobs.ends_early = "MaxWaitTimeExceeded"
    teaching.accept("me", offered(teaching))
    with pytest.raises(Unavailable, match=r"waited too long .* Start again to continue"):
        work(teaching)
    teaching.write("error.json", {"detail": "…"})
    # Other songs or settings would leave that training behind.
    with pytest.raises(Busy, match="unfinished"):
        teaching.start("me", "other", "tiny", 60, False, True)
    with pytest.raises(Busy, match="unfinished"):
        teaching.receive("song9/low.wav", "me")
    teaching.accept("me", offered(teaching))
    with pytest.raises(Unavailable):
        work(teaching)
    first, second = account.jobs.requests
    assert first["CheckpointConfig"] == second["CheckpointConfig"]

    teaching.finish("me", False)
    assert teaching.phase() == Phase.CANCELLING
    work(teaching)
    assert teaching.phase() == Phase.NONE and not teaching.folder.exists()
    assert account.keys() == [] and load_state("my-band") is None


def test_lost_connection_does_not_keep_a_run_from_being_discarded(
    teaching: Teaching, account: SimulatedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.jobs.ends_early = "MaxRuntimeExceeded"
    teaching.accept("me", offered(teaching))
    with pytest.raises(Unavailable):
        work(teaching)
    teaching.finish("me", False)

    def unreachable(_: str) -> None:
        raise EndpointConnectionError(endpoint_url="https://sts.eu-central-1.amazonaws.com")

    def stop(_: float) -> None:
        raise Killed

    monkeypatch.setattr(teaching_aws.Deployment, "open", unreachable)
    monkeypatch.setattr(teaching_aws, "sleep", stop)
    with pytest.raises(Killed):
        work(teaching)
    assert kinds(teaching)[-1] == "unreachable" and teaching.phase() == Phase.CANCELLING
    teaching.finish("me", False)
    assert teaching.phase() == Phase.NONE
    assert load_state("my-band") is not None  # for `unbraid finetune --stop`
