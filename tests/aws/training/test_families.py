"""HTDemucs and Roformers are taught in AWS too, on a machine with a card, and become models like any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from infra.own_models import own_models as deployed
from infra.own_models import table
from tests.aws.training.conftest import SimulatedAccount
from tests.aws.training.short_container import GRAPHS
from tests.finetuning.small_estimators import SIX, TWO, small_htdemucs, small_melband, songs

from unbraid.aws.container import train
from unbraid.aws.training.offer import WITH_CARD, has_card
from unbraid.cli.main import main
from unbraid.models import find_model, graphs
from unbraid.models.catalog import read_catalog
from unbraid.models.own import own_folder

CARD = f"{WITH_CARD} for spot training job usage"
Screen = pytest.CaptureFixture[str]


@contextmanager
def small(family: str, folder: Path) -> Iterator[tuple[Path, tuple[str, ...], dict[str, str]]]:
    """Yield a small model of a family, the stems to teach it, and the environment of its container.

    There PyTorch computes all models, which is fastest for networks this small.
    """
    if family == "melband":
        yield small_melband(folder), TWO, {GRAPHS: str(graphs.FOLDER)}
    else:
        with small_htdemucs(folder, "htdemucs_6s") as model:
            yield model, SIX, {GRAPHS: str(folder / "graphs")}


def event_of(kind: str, screen: Screen) -> dict[str, Any]:
    events = map(json.loads, screen.readouterr().out.splitlines())
    return next(event for event in events if event["event"] == kind)


@pytest.mark.parametrize("family", ["htdemucs_6s", "melband"])
def test_taught_model_of_a_family_is_one_like_any_other(
    family: str, account: SimulatedAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    account.services.quotas = {CARD: 1}
    with small(family, tmp_path / "small") as (base, stems, environment):
        account.jobs.environment |= environment
        material = songs(tmp_path / "songs", stems)
        command = ["finetune", str(material), "-o", "mine", "--from", str(base), "--steps", "2", "--aws"]
        # With so few steps, it is better or not by chance.
        assert main([*command, "--yes", "--json"]) in (0, 1)
        assert event_of("offer", capsys)["instance"] == WITH_CARD
        assert account.keys() == []
        (folder,) = own_folder().glob("**/mine/model.json")
        if folder.parent.parent != own_folder():
            folder.parent.rename(own_folder() / "mine")

        model = find_model("mine")
        assert set(model.sources) == set(stems)
        assert main(["models", "list"]) == 0
        assert "mine" in capsys.readouterr().out
        assert main(["models", "export", str(tmp_path / "mine.tar"), "mine"]) == 0
        model.folder.rename(tmp_path / "mine")
        assert main(["models", "import", str(tmp_path / "mine.tar")]) == 0
        # `deploy --model` puts it into the image, under its name.
        (entry,) = read_catalog(
            table(deployed([str(tmp_path / "mine")]), tmp_path)["unbraid/models/own.toml"].read_text()
        ).values()
        assert (entry.name, entry.sources) == ("mine", model.sources)


def test_instance_without_a_card_is_refused_before_the_upload(
    account: SimulatedAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    base = small_melband(tmp_path / "small")
    command = ["finetune", str(songs(tmp_path / "songs", TWO)), "-o", "mine", "--from", str(base)]
    assert main([*command, "--aws", "--yes", "--instance", "ml.c7i.2xlarge"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "learns on a graphics card, and ml.c7i.2xlarge has none" in line and WITH_CARD in line
    assert account.keys() == []
    assert [has_card(name) for name in ("ml.g5.xlarge", "ml.p3.2xlarge", "ml.m5.large")] == [
        True,
        True,
        False,
    ]


def test_several_networks_are_refused_first(
    account: SimulatedAccount, tmp_path: Path, capsys: Screen
) -> None:
    command = ["finetune", str(tmp_path), "-o", "mine", "--from", "htdemucs_ft", "--aws", "--yes"]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "htdemucs_ft consists of 4 networks and can't be taught. Use --from with htdemucs" in line


def test_card_with_too_little_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")

    def teach(root: Path) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setenv(train.ELSEWHERE, str(tmp_path))
    monkeypatch.setattr(train, "teach", teach)
    monkeypatch.setattr(train.signal, "signal", lambda *_: None)
    assert train.main() == 1
    assert "too little memory" in (tmp_path / "output" / "failure").read_text()
