"""`unbraid finetune --aws`: teach in a simulated account, interrupted by AWS and left by the user."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.aws.training.conftest import CONTENT, SPOT, SimulatedAccount
from tests.simulators.training_jobs import Refused

from unbraid import Separator
from unbraid.audio.decode import decode_all
from unbraid.aws.training import run
from unbraid.aws.training.state import folder_of
from unbraid.cli.main import main
from unbraid.models.own import own_models

Screen = pytest.CaptureFixture[str]


def command(songs: Path, tiny: Path, *options: str) -> Sequence[str]:
    return ["finetune", str(songs), "-o", "my-band", "--from", str(tiny), "--steps", "8", "--aws", *options]


def test_interrupted_training_continues_and_leaves_only_the_model(
    account: SimulatedAccount, songs: Path, tiny: Path, tmp_path: Path, capsys: Screen
) -> None:
    account.jobs.interruptions = 1
    assert main(command(songs, tiny, "--yes", "--json")) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["check", "offer"] and kinds[-2:] == ["deleted", "end"]
    # The second machine has continued from the checkpoint of the first one.
    assert [event["resumed"] for event in events if event["event"] == "start"] == [False, True]
    assert [event["steps"] for event in events if event["event"] == "score"].count(0) == 1
    assert events[-1]["better"] and list(own_models()) == ["my-band"]

    (request,) = account.jobs.requests
    assert request["EnableNetworkIsolation"] and request["EnableManagedSpotTraining"]
    assert request["AlgorithmSpecification"]["TrainingImage"].endswith(
        f"/{account.repository}:training-{CONTENT}"
    )
    assert account.services.builds == [{"IMAGE_TAG": f"training-{CONTENT}", "DEVICE": "gpu"}]
    # Nothing stays in AWS, and nothing but the model here.
    assert account.keys() == [] and account.log_streams() == []
    assert account.images() == {f"{CONTENT}-cpu"}
    assert "my-band" not in json.dumps(request) and "song0" not in json.dumps(request)
    assert [
        path.name for path in (tmp_path / "models").iterdir() if not path.name.startswith(".my-band")
    ] == ["my-band"]

    stems = Separator("my-band").separate(songs / "song0" / "low.wav")
    energy = {name: float(np.square(sound).mean()) for name, sound in stems.items()}
    assert energy["low"] > energy["high"]
    np.testing.assert_allclose(sum(stems.values()), decode_all(songs / "song0" / "low.wav")[0], atol=1e-3)


def test_watching_can_be_left_and_taken_up_and_the_training_stopped(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    account.jobs.waits = True
    looks = iter(range(100))
    account.jobs.described = lambda: os.kill(os.getpid(), signal.SIGINT) if next(looks) == 1 else None
    assert main(command(songs, tiny, "--yes", "--keep-image")) == 130
    assert "The training goes on in AWS" in capsys.readouterr().err
    assert len(account.keys()) == 4 * 2 + 3 + 1  # stems, model, request

    account.jobs.described = lambda: None
    other = [*command(songs, tiny, "--yes"), "--seed", "7"]
    assert main(other) == 2
    assert "other songs or settings is unfinished" in capsys.readouterr().err

    looks = iter(range(100))
    account.jobs.described = lambda: os.kill(os.getpid(), signal.SIGINT) if next(looks) == 1 else None
    assert main(command(songs, tiny)) == 130  # takes it up without a question
    assert len(account.jobs.jobs) == 1
    account.jobs.described = lambda: None
    capsys.readouterr()
    assert main(command(songs, tiny, "--stop")) == 0
    assert "were deleted (objects: 12)" in capsys.readouterr().err
    assert [job["TrainingJobStatus"] for job in account.jobs.jobs.values()] == ["Stopped"]
    assert account.keys() == [] and not folder_of("my-band").exists()
    assert f"training-{CONTENT}" in account.images()  # kept, as asked
    assert main(command(songs, tiny, "--stop")) == 2
    assert "knows no training of my-band" in capsys.readouterr().err


def test_training_that_aws_stopped_keeps_its_checkpoints_for_another_job(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    account.jobs.ends_early = "MaxWaitTimeExceeded"
    assert main(command(songs, tiny, "--yes")) == 1
    assert "It waited too long for a spot machine" in capsys.readouterr().err
    account.jobs.ends_early = "MaxRuntimeExceeded"
    assert main(command(songs, tiny, "--yes", "--at-most-hours", "9")) == 1
    assert "It reached its time limit of 9 hours." in capsys.readouterr().err
    first, second = account.jobs.requests
    assert first["CheckpointConfig"] == second["CheckpointConfig"]
    assert first["TrainingJobName"] != second["TrainingJobName"]
    assert second["StoppingCondition"]["MaxRuntimeInSeconds"] == 9 * 3600
    assert len(account.services.builds) == 1
    assert main(command(songs, tiny, "--stop")) == 0
    assert account.keys() == [] and account.images() == {f"{CONTENT}-cpu"}


def test_failed_training_says_why_and_leaves_nothing(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FORMAT", 2)  # of a later version than the container
    account.jobs.command = [sys.executable, "-m", "unbraid.container", "train"]
    assert main(command(songs, tiny, "--yes")) == 1
    text = capsys.readouterr().err
    assert "AlgorithmError: The app in AWS has another version than your machine." in text
    assert account.keys() == [] and account.images() == {f"{CONTENT}-cpu"}
    assert not folder_of("my-band").exists() and own_models() == {}


def test_refused_job_says_what_to_do_and_leaves_nothing(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    account.jobs.refuses = Refused("ResourceLimitExceeded", f"The limit '{SPOT}' is 0 Instances.")
    assert main(command(songs, tiny, "--yes")) == 2
    text = capsys.readouterr().err
    assert "doesn't allow this account a training on ml.c7i.2xlarge" in text and "--on-demand" in text
    assert account.keys() == [] and not folder_of("my-band").exists()


def test_training_is_watched_by_one_command_only(
    account: SimulatedAccount, songs: Path, tiny: Path, capsys: Screen
) -> None:
    from unbraid.models.cache import locked

    with locked(folder_of("my-band")):
        assert main(command(songs, tiny, "--yes")) == 2
    assert "Another command is watching" in capsys.readouterr().err
