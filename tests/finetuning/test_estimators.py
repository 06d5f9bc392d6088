"""HTDemucs and Roformers learn, continue alike, and become model folders that compute what PyTorch computes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.finetuning.small_estimators import (
    FOUR,
    SEGMENT,
    TWO,
    small_htdemucs,
    small_melband,
    small_roformer,
    songs,
)
from torch import nn

from unbraid.audio.arrays import Floats
from unbraid.cli.main import main
from unbraid.errors import ModelError
from unbraid.finetuning import estimators, scoring, teach
from unbraid.finetuning import finetune as finetuning
from unbraid.finetuning.bases import student_of
from unbraid.finetuning.material import Tracks
from unbraid.finetuning.plan import Plan
from unbraid.finetuning.student import Student
from unbraid.finetuning.teach import Teacher
from unbraid.finetuning.teachable import check_base, is_teachable
from unbraid.models import Model, find_model, load_model_folder
from unbraid.models.graphs import load_template
from unbraid.models.own_files import is_own, save_model
from unbraid.models.templates import template_of
from unbraid.separation import Separator
from unbraid.separation.runtimes.pytorch import load_network
from unbraid.training.adapters import is_adapter
from unbraid.training.run import Run

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep models of tests in a folder of their own, and score short parts of the songs."""
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scoring, "CROPS", 4)
    # These networks are small, and their weights are drawn.
    monkeypatch.setattr(estimators, "ALL_RATE", 5e-3)
    monkeypatch.setattr(estimators, "ADAPTER_RATE", 2e-2)
    monkeypatch.setattr(estimators, "HTDEMUCS_BATCH", 2)
    return tmp_path / "models"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: networks this small are slower with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teach, "usable_cores", lambda: 1)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def htdemucs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_htdemucs(tmp_path_factory.mktemp("htdemucs")) as folder:
        yield folder


@pytest.fixture(scope="module")
def melband(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_melband(tmp_path_factory.mktemp("melband"))


@pytest.fixture(scope="module")
def roformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_roformer(tmp_path_factory.mktemp("roformer"))


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return songs(tmp_path_factory.mktemp("four"), FOUR)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return songs(tmp_path_factory.mktemp("two"), TWO)


def card_of(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "model.json").read_text("utf-8"))["card"]
    return card


def sound(samples: int) -> Floats:
    return np.random.default_rng(1).normal(0, 0.2, (2, samples)).astype(np.float32)


def test_htdemucs_learns_all_its_layers(
    four: Path, htdemucs: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(finetuning, "LITTLE_MIN", 0.0)
    monkeypatch.setattr(teach.Teacher, "_step_s", lambda self, bfloat16: 1.0 + bfloat16)
    command = ["finetune", str(four), "-o", "mine", "--from", str(htdemucs), "--steps", "8"]
    assert main([*command, "--device", "cpu"]) == 0
    card = card_of(own_folder / "mine")
    assert not card["recipe"]["adapters"]
    assert card["curve"][-1]["sdr_db"]["mean"] > card["curve"][0]["sdr_db"]["mean"] + 0.1
    assert all(after > card["sdr_db"]["before"][stem] for stem, after in card["sdr_db"]["after"].items())
    assert main(["models", "export", str(tmp_path / "a.tar"), "mine"]) == 0
    (own_folder / "mine").rename(tmp_path / "moved")
    assert main(["models", "import", str(tmp_path / "a.tar")]) == 0
    assert (own_folder / "mine" / "weights.bin").read_bytes() == (
        tmp_path / "moved" / "weights.bin"
    ).read_bytes()


def test_roformer_learns_by_adapters_and_keeps_the_rest_of_the_song(
    two: Path, melband: Path, own_folder: Path, tmp_path: Path
) -> None:
    command = ["finetune", str(two), "-o", "mine", "--from", str(melband), "--steps", "40"]
    assert main([*command, "--device", "cpu"]) == 0
    card = card_of(own_folder / "mine")
    assert card["recipe"]["adapters"]
    assert card["sdr_db"]["after"]["vocals"] > card["sdr_db"]["before"]["vocals"] + 0.5
    model = find_model("mine")
    assert (model.sources, model.rest) == (TWO, "no_vocals")
    mixture = sound(30_000)
    stems = Separator("mine", device="cpu").separate(mixture, 44_100)
    np.testing.assert_allclose(stems["vocals"] + stems["no_vocals"], mixture, atol=1e-4)
    assert main(["models", "export", str(tmp_path / "a.tar"), "mine"]) == 0
    (own_folder / "mine").rename(tmp_path / "moved")
    assert main(["models", "import", str(tmp_path / "a.tar")]) == 0
    further = student_of(find_model("mine"), TWO, seed=0)
    assert further.template.description["rest"] == "no_vocals"


class Killed(Exception):  # noqa: N818 - not an error of the program
    """Stands for the end of the process."""


@pytest.mark.parametrize(("base", "stems"), [("htdemucs", FOUR), ("melband", TWO)])
def test_stopped_run_ends_with_the_same_weights(
    base: str, stems: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    monkeypatch.setattr(teach, "CHECKPOINT_S", 0.0)
    model = find_model(request.getfixturevalue(base))

    def taught(folder: Path, event: Any) -> dict[str, Any]:
        student = student_of(model, stems, seed=0, little=True)
        folder.mkdir(exist_ok=True)
        return student.arrays(Teacher(plan, student, tracks, tracks, folder, event).teach())

    def stop(happened: Mapping[str, Any]) -> None:
        if happened["event"] == "score" and happened["steps"] == 2:
            raise Killed

    noise = {name: sound(50_000 + place).T.astype(np.float16) for place, name in enumerate(stems)}
    tracks = [Tracks("noise", noise)]
    plan = Plan(
        base, "", {name: [name] for name in stems}, [], 3, None, False, "cpu", True, steps=4, score_steps=2
    )
    whole = taught(tmp_path / "whole", lambda _: None)
    with pytest.raises(Killed):
        taught(tmp_path / "parts", stop)
    checkpoint = torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)
    assert checkpoint["steps"] == 1
    assert checkpoint["network"] and all(map(is_adapter, checkpoint["network"]))
    parts = taught(tmp_path / "parts", lambda _: None)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def learn(student: Student, *, bfloat16: bool = False, steps: int = 2) -> Run:
    """Train on noise, so that every tensor that learns has changed."""
    stems = len(student.template.description["sources"])
    for name, parameter in student.network.named_parameters():
        parameter.requires_grad_(not student.fixed(name))
    run = Run(
        student.network.eval(),
        student.objective,
        CPU,
        learning_rate=student.learning_rate,
        weight_decay=0.0,
        stem_weights=[1.0] * stems,
        bfloat16=bfloat16,
    )
    audio = torch.from_numpy(sound(2 * stems * SEGMENT)).reshape(2, stems, 2, -1)
    for _ in range(steps):
        run.step(student.objective.stems(audio).mix(), student.learning_rate)
    return run


@pytest.mark.parametrize(
    ("stems", "little"), [(FOUR, False), (FOUR, True), (("vocals", "kick", "snare", "rest"), True)]
)
def test_folder_of_a_taught_htdemucs_computes_what_the_network_computes(
    htdemucs: Path, stems: tuple[str, ...], little: bool, tmp_path: Path
) -> None:
    student = student_of(load_model_folder(htdemucs), stems, seed=0, little=little)
    assert student.has_adapters == little
    learn(student)
    model, mixture, expected = saved(student, tmp_path / "mine")
    template = template_of(model)
    assert template is not None
    assert_close(student.objective.separate(load_network(model, template), mixture, CPU), expected)


@pytest.mark.parametrize("stems", [("kick", "snare", "übung"), ("kick", "rest"), FOUR])
def test_folder_of_a_taught_roformer_computes_what_the_network_computes(
    roformer: Path, stems: tuple[str, ...], tmp_path: Path
) -> None:
    student = student_of(find_model(roformer), stems, seed=0)
    before = {name: value.clone() for name, value in student.network.state_dict().items()}
    learn(student)
    changed = {name for name, value in student.network.state_dict().items() if (value != before[name]).any()}
    others = {name for name in changed if not is_adapter(name)}
    last = {name for name in before if ".0.2." in name and name.startswith("mask_estimators")}
    assert others == (set() if stems == ("kick", "snare", "übung") else last)
    assert any(name.endswith("up") for name in changed)
    model, mixture, expected = saved(student, tmp_path / "mine")
    separated = Separator(str(model.folder), device="cpu").separate(mixture, 44_100)
    assert_close(np.stack([separated[name] for name in stems]), expected)


def saved(student: Student, folder: Path) -> tuple[Model, Floats, Floats]:
    """Save the student's model, and separate a segment of noise by its network. Return model, noise and stems."""
    model = save_model(folder, student.template, student.arrays(student.network.state_dict()), {})
    assert is_own(model.folder)
    mixture = sound(model.segment)
    return model, mixture, student.objective.separate(student.network, mixture, CPU)


def assert_close(found: Floats, expected: Floats) -> None:
    """Compare stems. Weights are rounded to float16."""
    errors = np.sum((found - expected) ** 2, (1, 2)) / np.sum(expected**2, (1, 2))
    assert 10 * np.log10(errors.max()) < -45


def test_adapters_change_nothing_at_first(htdemucs: Path) -> None:
    model, mixture = load_model_folder(htdemucs), sound(SEGMENT)
    student = student_of(model, FOUR, seed=0, little=True)
    template = template_of(model)
    assert template is not None
    expected = student.objective.separate(load_network(model, template), mixture, CPU)
    found = student.objective.separate(student.network.eval(), mixture, CPU)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("base", ["htdemucs", "melband"])
def test_mixed_precision_learns_alike(base: str, request: pytest.FixtureRequest) -> None:
    model = find_model(request.getfixturevalue(base))
    losses = []
    for bfloat16 in (False, True):
        student = student_of(model, FOUR if base == "htdemucs" else TWO, seed=0, little=True)
        run = learn(student, bfloat16=bfloat16, steps=1)
        audio = torch.from_numpy(sound(4 * SEGMENT)).reshape(1, 4, 2, -1)[:, : len(model.sources)]
        losses.append(run.step(student.objective.stems(audio).mix(), student.learning_rate))
        assert all(one.grad is not None and one.grad.isfinite().all() for one in run.learnt)
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_frozen_weights_are_neither_copied_nor_saved(melband: Path) -> None:
    run = learn(student_of(find_model(melband), TWO, seed=0))
    averaged = dict(run.average.network.named_parameters())
    for name, parameter in run.network.named_parameters():
        assert (averaged[name] is parameter) == (not is_adapter(name)), name
    assert all(map(is_adapter, run.state()["network"]))


def test_layers_keep_only_their_inputs_for_the_gradients(htdemucs: Path) -> None:
    """Without checkpoints of activations, a step of HTDemucs would keep several times as much."""
    kept = []
    for checkpoints in (True, False):
        student = student_of(load_model_folder(htdemucs), FOUR, seed=0)
        if not checkpoints:
            for layer in student.network.modules():
                layer.__dict__.pop("forward", None)
        kept.append(bytes_kept(student))
    assert kept[0] < 0.6 * kept[1]


def bytes_kept(student: Student) -> int:
    """Return the bytes of different tensors that a step keeps for its gradients, without parameters."""
    network: nn.Module = student.network.requires_grad_(True)
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    sizes: dict[int, int] = {}
    alive: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            sizes[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    target = student.objective.stems(torch.from_numpy(sound(4 * SEGMENT)).reshape(1, 4, 2, -1)).mix()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        student.objective.loss(network, target, (1.0,) * 4, False)
    return sum(sizes.values())


def test_htdemucs_separates_as_many_stems_as_before(htdemucs: Path, roformer: Path) -> None:
    with pytest.raises(ModelError, match="only learn 4 stems"):
        student_of(load_model_folder(htdemucs), ("kick", "rest"), seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimators, "LARGEST_WEIGHTS", 1000)
        with pytest.raises(ModelError, match="Choose fewer stems"):
            student_of(find_model(roformer), FOUR, seed=0)


@pytest.mark.parametrize("name", ["htdemucs", "melband_roformer_kim"])
def test_asks_before_it_learns_without_a_graphics_card(
    name: str, four: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["finetune", str(four), "-o", "mine", "--from", name]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "learns on a graphics card" in line and "--device cpu" in line
    assert "steps of the thousands" in line


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "htdemucs_ft",
            "consists of 4 networks and can't be taught. Use --from with htdemucs, one network of",
        ),
        ("spleeter_lite", "consists of 2 models and can't be taught. Use --from with lite, spleeter"),
        ("hdemucs_mmi", "can't be taught. Use --from with lite, spleeter"),
        ("mdx_voc_ft", "can't be taught. Use --from with lite, spleeter"),
    ],
)
def test_says_first_which_models_cannot_be_taught(
    name: str, line: str, four: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finetune", str(four), "-o", "mine", "--from", name]) == 2
    assert capsys.readouterr().err.startswith(f"unbraid: {name} {line}")


def test_models_of_the_catalogue_that_can_be_taught() -> None:
    for name in (
        "lite",
        "spleeter",
        "spleeter_4stems",
        "htdemucs",
        "htdemucs_6s",
        "bs_roformer_sw",
        "955717e8",
    ):
        check_base(name)
    assert is_teachable(find_model("lite"))


def test_several_networks_cannot_learn(htdemucs: Path, tmp_path: Path) -> None:
    bag = {
        "name": "bag",
        "version": "1",
        "licence": "MIT",
        "sources": list(FOUR),
        "networks": [{"folder": name, "weights": dict.fromkeys(FOUR, 1.0)} for name in ("a", "b")],
    }
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(htdemucs)
    (tmp_path / "model.json").write_text(json.dumps(bag))
    with pytest.raises(ModelError, match="consists of 2 networks"):
        student_of(load_model_folder(tmp_path), FOUR, seed=0)


def test_description_that_unbraid_does_not_write_is_not_imported(htdemucs: Path, tmp_path: Path) -> None:
    model = load_model_folder(htdemucs)
    student = student_of(model, FOUR, seed=0)
    taught = save_model(tmp_path / "mine", student.template, student.arrays(student.network.state_dict()), {})
    assert is_own(taught.folder)
    path = taught.folder / "model.json"
    described = json.loads(path.read_text("utf-8"))
    for changed in ({"overlap": 0.9}, {"segment": SEGMENT + 1}, {"normalise": False}, {"extra": 1}):
        path.write_text(json.dumps({**described, **changed}))
        assert not is_own(taught.folder), changed
    assert load_template("htdemucs").class_name == "HTDemucs"
