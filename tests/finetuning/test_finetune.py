"""`unbraid finetune`: learn from songs, keep a better model, set another apart, continue a stopped run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.finetuning.synthetic import write_songs, write_tiny_model

from unbraid.cli.main import main
from unbraid.errors import SettingError
from unbraid.finetuning import scoring, teach
from unbraid.finetuning.bases import student_of
from unbraid.finetuning.finetune import Request, finetune
from unbraid.finetuning.material import Tracks
from unbraid.finetuning.plan import Plan
from unbraid.finetuning.student import Student
from unbraid.finetuning.targets import choose_targets
from unbraid.finetuning.teach import Teacher
from unbraid.models import find_model
from unbraid.models.own import own_models
from unbraid.training.run import Run
from unbraid.training.validate import separate


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep models of tests in a folder of their own, and train on short parts of the songs."""
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(tmp_path / "models"))
    # Short crops and few of them, for speed.
    monkeypatch.setattr(teach, "SAMPLES", 15 * 1024)
    monkeypatch.setattr(scoring, "CROPS", 1)
    monkeypatch.setattr(scoring, "CROP", 63 * 1024)
    return tmp_path / "models"


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_songs(tmp_path_factory.mktemp("songs"), ("low", "high"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def weights(folder: Path) -> bytes:
    return (folder / "weights.bin").read_bytes()


def test_learns_and_keeps_the_better_model(
    songs: Path, tiny: Path, own_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["finetune", str(songs), "-o", "my-band", "--from", str(tiny), "--steps", "60"]
    assert main(command) == 0
    text = capsys.readouterr()
    assert "unbraid separate SONG -m my-band" in text.out
    assert list(own_models()) == ["my-band"]
    assert sorted(path.name for path in own_folder.iterdir() if not path.name.startswith(".my-band")) == [
        "my-band"
    ]  # the run has left nothing, neither sound nor names of songs

    card = json.loads((own_folder / "my-band" / "model.json").read_text())["card"]
    scores = card["sdr_db"]
    assert scores["after"]["low"] > scores["before"]["low"]
    assert card["songs"] == {"learnt": 3, "held_out": 1}
    assert "song0" not in json.dumps(card)

    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert "my-band  low high" in listed and "with 3 songs" in " ".join(listed.split())
    assert main(["models", "export", str(tmp_path / "a.tar"), "my-band"]) == 0
    (own_folder / "my-band").rename(tmp_path / "moved")
    assert main(["models", "import", str(tmp_path / "a.tar")]) == 0
    assert weights(own_folder / "my-band") == weights(tmp_path / "moved")
    assert main(["models", "import", str(tmp_path / "a.tar")]) == 1
    assert "already" in capsys.readouterr().err

    assert main(["separate", str(songs / "song1" / "low.wav"), "-m", "my-band", "--stems", "all",
                 "-o", str(tmp_path / "out")]) == 0  # fmt: skip
    assert {path.name for path in (tmp_path / "out" / "low").glob("*.wav")} == {"low.wav", "high.wav"}
    assert main(command) == 2  # the name is taken


def test_result_that_is_not_better_is_kept_apart(
    songs: Path,
    tiny: Path,
    own_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Plan, "rate", lambda *_: 0.0)  # nothing is learnt
    assert main(["finetune", str(songs), "-o", "dull", "--from", str(tiny), "--steps", "2", "--json"]) == 1
    end = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert end["event"] == "end" and end["better"] is False
    assert Path(end["folder"]) == own_folder / "not_better" / "dull"
    assert own_models() == {}
    assert find_model(end["folder"]).sources == ("low", "high")


class Killed(Exception):  # noqa: N818 - not an error of the program
    """Stands for the end of the process."""


def test_stopped_run_ends_with_the_same_weights(
    songs: Path, tiny: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teach, "CHECKPOINT_S", 0.0)
    # Each run measures whether bfloat16 is faster. Both runs get the same answer: float32.
    monkeypatch.setattr(teach.Teacher, "_step_s", lambda self, bfloat16: 1.0)
    seen: list[Mapping[str, Any]] = []
    request = Request(songs, "whole", base=str(tiny), steps=26, seed=3)
    finetune(request, seen.append)
    points = [event["steps"] for event in seen if event["event"] == "progress"]
    assert points[-1] == 25

    def stop_at(steps: int) -> Any:
        def event(happened: Mapping[str, Any]) -> None:
            if happened["event"] == "progress" and happened["steps"] == steps:
                raise Killed

        return event

    again = Request(songs, "parts", base=str(tiny), steps=26, seed=3)
    for steps in (5, 15):
        with pytest.raises(Killed):
            finetune(again, stop_at(steps))
    with pytest.raises(SettingError, match="unfinished"):
        finetune(Request(songs, "parts", base=str(tiny), steps=27, seed=3), seen.append)
    seen.clear()
    finetune(again, seen.append)
    assert next(event for event in seen if event["event"] == "start")["resumed"]
    found = [next(own_folder.rglob(f"{name}/weights.bin")) for name in ("whole", "parts")]
    assert found[0].read_bytes() == found[1].read_bytes()


def test_a_run_that_waited_for_one_with_its_name_keeps_the_model_of_that_run(
    songs: Path, tiny: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def locked_after_the_other(folder: Path) -> Iterator[None]:
        write_tiny_model(own_folder / folder.name)
        yield

    monkeypatch.setattr("unbraid.finetuning.finetune.locked", locked_after_the_other)
    with pytest.raises(SettingError, match="already"):
        finetune(Request(songs, "twice", base=str(tiny), steps=2), lambda _: None)


@pytest.mark.parametrize(("stems", "share"), [(("low", "high"), 0.8), (("low", "high", "rest"), 1.0)])
def test_a_fifth_of_the_first_weights_stays_unless_stems_are_new(
    stems: tuple[str, ...], share: float, tiny: Path, tmp_path: Path
) -> None:
    student = student_of(find_model(tiny), stems, seed=0)
    first = {name: value.clone() for name, value in student.network.state_dict().items()}
    noise = np.random.default_rng(0).normal(0, 0.1, (len(stems), 80_000, 2)).astype(np.float16)
    tracks = [Tracks("noise", dict(zip(stems, noise, strict=True)))]
    targets = {name: [name] for name in stems}
    plan = Plan("tiny", "", targets, [], 3, None, False, "cpu", False, steps=3, score_steps=3)
    teacher = Teacher(plan, student, tracks, tracks, tmp_path, lambda _: None)
    found = teacher.teach()
    for name, value in found.items():
        if value.is_floating_point():
            torch.testing.assert_close(
                value, first[name] + share * (teacher.best[name] - first[name]), msg=name
            )
    assert teacher.progress.best_step == 3
    assert any(not torch.equal(found[name], first[name]) for name in found)


def test_steps_are_relative_to_the_size_of_the_weights() -> None:
    """The bottom of `lite` has weights of 0.002. A step of one size for all would change them by a tenth."""
    student = student_of(find_model("lite"), ("drums", "bass", "other", "vocals"), seed=0)
    assert all(change == 0 for change, _ in one_step(student, 0.0).values())
    for name, (change, size) in one_step(student, student.learning_rate).items():
        assert change < 2 * student.learning_rate * max(1e-3, size), name


def test_new_stems_learn_with_steps_of_the_size_of_the_old_ones() -> None:
    """The weights for new stems begin small, those of the old stems had 0.099."""
    student = student_of(find_model("lite"), ("kick", "snare", "rest"), seed=0)
    change, size = one_step(student, student.learning_rate)["masks.weight"]
    assert size == pytest.approx(0.01, rel=0.01)
    assert change == pytest.approx(0.099 * student.learning_rate, rel=0.05)


def one_step(student: Student, learning_rate: float) -> dict[str, tuple[float, float]]:
    """Train for a step. Return the largest change and the root mean square of each parameter."""
    network = student.network.eval()
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    stems = student.template.description["sources"]
    run = Run(
        network,
        student.objective,
        torch.device("cpu"),
        learning_rate=student.learning_rate,
        weight_decay=0.0,
        stem_weights=[1.0] * len(stems),
        bfloat16=False,
        relative=student.relative,
        sizes=student.sizes,
    )
    sound = 0.5 * np.random.default_rng(0).standard_normal((1, len(stems), 2, 31 * 1024)).astype(np.float32)
    run.step(student.objective.stems(torch.from_numpy(sound)).mix(), learning_rate)
    return {
        name: (float((value.detach() - before[name]).abs().max()), float(before[name].square().mean().sqrt()))
        for name, value in network.named_parameters()
    }


@pytest.mark.parametrize("stems", [("drums", "bass", "other", "vocals"), ("kick", "vocals", "rest")])
def test_lite_keeps_its_stems_and_gets_new_ones(stems: tuple[str, ...]) -> None:
    model = find_model("lite")
    student = student_of(model, stems, seed=0)
    sound = np.random.default_rng(0).standard_normal((2, 20_000)).astype(np.float32)
    estimate = separate(student.network.eval(), sound, torch.device("cpu"))
    assert estimate.shape == (len(stems), 2, 20_000)
    np.testing.assert_allclose(estimate.sum(0), sound, atol=1e-3)
    masks, old = (
        student_of(model, names, seed=0)
        .network.state_dict()["masks.weight"]
        .unflatten(0, (58, len(names), 32))
        for names in (stems, model.sources)
    )
    assert torch.equal(masks[:, stems.index("vocals")], old[:, 3])
    assert student.arrays(student.network.state_dict()).keys() == {t.name for t in student.template.tensors}


def test_targets_are_the_stems_of_the_model_or_those_of_the_songs() -> None:
    four = ("drums", "bass", "other", "vocals")
    assert choose_targets(four, ("vocals", "no_vocals")) == {
        "vocals": ("vocals",), "no_vocals": ("drums", "bass", "other")
    }  # fmt: skip
    assert choose_targets(("kick", "snare"), four) == {"kick": ("kick",), "snare": ("snare",)}
    assert list(choose_targets((*four, "keys"), four)) == [*four, "keys"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "htdemucs"], "name of a model of Unbraid"),
        (["-o", "../x"], "can't be the name"),
        ([], "Name the new model"),
        (["-o", "x", "--device", "gpu"], "There is no device 'gpu'"),
        (["-o", "x", "--from", "nonsense"], "There is no model 'nonsense'"),
    ],
)
def test_wrong_usage_is_one_clear_line(
    songs: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finetune", str(songs), *options]) in (1, 2)
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "0"], "argument --steps: has to be a whole number, 1 or more"),
        (["--minutes", "long"], "argument --minutes: has to be a number above 0"),
        (["--seed", "1.5"], "argument --seed: has to be a whole number, 0 or more"),
    ],
)
def test_numbers_are_checked(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["finetune", "songs", "-o", "x", *options])
    assert message in capsys.readouterr().err


def test_says_how_to_get_pytorch(
    songs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert main(["finetune", str(songs), "-o", "x"]) == 2
    assert "pip install 'unbraid[torch]'" in capsys.readouterr().err
    assert main(["finetune", str(songs), "--check"]) == 0
