"""`--model` and `--models` put a model of one's own into the image, and offer it to users."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from infra.models import longest_songs, relative_work
from infra.own_models import own_models, table
from infra.settings import Settings, load, save
from infra.sources import image_tag, source_zip
from tests.conftest import WriteWave
from tests.infra.template_queries import Template, one, resources

from unbraid.models.catalog import HERE, Speed, catalog, read_catalog

Synth = Callable[..., Template]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a model folder: the bundled model under another name."""
    folder = tmp_path / "folder"
    shutil.copytree(HERE / "bundled" / "lite", folder)
    description = json.loads((folder / "model.json").read_text("utf-8"))
    (folder / "model.json").write_text(json.dumps({**description, "name": "mine"}), "utf-8")
    return folder


@pytest.fixture
def taught(tmp_path: Path) -> Path:
    """Return the folder of a model that `unbraid finetune` made, with a hyphen in its name."""
    pytest.importorskip("torch")
    from tests.finetuning.synthetic import write_tiny_model

    return write_tiny_model(tmp_path / "own" / "My-singer")


def in_package(models: tuple[str, ...], tmp_path: Path) -> Path:
    """Unpack the image's source with these models, and return its package folder."""
    own = own_models(models)
    files = table(own, tmp_path) | dict(file for model in own for file in model.files())
    with zipfile.ZipFile(source_zip(tmp_path / "source.zip", files)) as archive:
        archive.extractall(tmp_path / "source")
    return tmp_path / "source" / "src"


def test_the_image_can_load_an_own_model_by_its_name(mine: Path, tmp_path: Path) -> None:
    package = in_package(("htdemucs", str(mine)), tmp_path)
    # The Dockerfile runs this for each model.
    pull = subprocess.run(
        [sys.executable, "-m", "unbraid", "models", "pull", "mine"],
        env={**os.environ, "PYTHONPATH": str(package), "UNBRAID_OFFLINE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (pull.returncode, pull.stderr) == (0, "")
    assert pull.stdout == f"mine is installed: {package}/unbraid/models/own/mine\n"


def test_the_image_separates_with_a_taught_model(taught: Path, tmp_path: Path, write_wave: WriteWave) -> None:
    package = in_package(("spleeter", str(taught)), tmp_path)
    song = write_wave(tmp_path / "song.wav", seconds=3)
    environment = {**os.environ, "PYTHONPATH": str(package), "UNBRAID_OFFLINE": "1"}
    for command in (
        ["models", "pull", "My-singer"],
        ["separate", "-q", "-m", "My-singer", "--stems", "all", song],
    ):
        subprocess.run([sys.executable, "-m", "unbraid", *command], env=environment, cwd=tmp_path, check=True)
    assert {path.name for path in (tmp_path / "separated" / "song").glob("*.wav")} == {"low.wav", "high.wav"}


def test_estimates_of_a_taught_model_use_the_speed_of_its_network(taught: Path, mine: Path) -> None:
    lite, htdemucs = (catalog()[name].speed for name in ("lite", "htdemucs"))
    assert [model.speed for model in own_models([str(taught), str(mine)])] == [
        lite,
        Speed(htdemucs.all_stems, htdemucs.all_stems),
    ]
    assert relative_work(str(taught)) == lite.all_stems / htdemucs.all_stems
    assert list(longest_songs((str(taught), "spleeter"), 3_008)) == ["My-singer", "spleeter"]


def test_model_adds_to_the_models_in_the_image(taught: Path, mine: Path, tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    settings = load({"model": [str(taught)]}, file)
    assert settings.image_models == ("spleeter", "spleeter_lite", str(taught))
    save(settings, file)
    again = load({"model": [str(mine), str(taught)]}, file)
    assert again.image_models == ("spleeter", "spleeter_lite", str(taught), str(mine))
    assert load({"models": ["htdemucs"], "model": [str(mine)]}, file).image_models == ("htdemucs", str(mine))
    assert load({}, file) == settings


def test_rejects_two_models_with_one_name(taught: Path, tmp_path: Path) -> None:
    shutil.copytree(taught, tmp_path / "copy")
    with pytest.raises(ValueError, match="two models have the name My-singer"):
        load({"model": [str(taught), str(tmp_path / "copy")]}, tmp_path / "none.toml")


def test_users_may_choose_an_own_model(mine: Path, synth: Synth) -> None:
    template = synth(models=("htdemucs", str(mine)))
    build = one(template, "CodeBuild::Project")["Environment"]["EnvironmentVariables"]
    assert [each["Value"] for each in build if each["Name"] == "MODELS"] == ["htdemucs mine"]
    for function in resources(template, "Lambda::Function").values():
        if function["FunctionName"] == "unbraid-prove":
            continue  # it calls the new image only
        assert function["Environment"]["Variables"]["UNBRAID_MODELS"] == "auto fast lite htdemucs mine"


def test_the_functions_list_an_own_model(mine: Path, tmp_path: Path) -> None:
    ((name, file),) = table(own_models([str(mine)]), tmp_path).items()
    assert name == "unbraid/models/own.toml"
    package = in_package((str(mine),), tmp_path)
    assert (package / name).read_bytes() == file.read_bytes()
    listing = "from unbraid.models.catalog import catalog; print(*catalog()['mine'].sources)"
    run = subprocess.run(
        [sys.executable, "-c", listing],
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "drums bass other vocals\n"


def test_other_weights_make_another_image(mine: Path) -> None:
    before = image_tag([str(mine)])
    (mine / "weights.bin").write_bytes(b"other")
    assert image_tag([str(mine)]) != before


def test_the_path_of_an_own_model_is_saved(mine: Path, tmp_path: Path) -> None:
    settings = Settings(models=("htdemucs", str(mine)))
    save(settings, tmp_path / "deploy.toml")
    assert load({}, tmp_path / "deploy.toml") == settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "htdemucs"}, "has the name 'htdemucs'"),
        ({"name": "auto"}, "has the name 'auto'"),
        ({"name": "../up"}, "has the name '../up'"),
        ({"licence": None}, "isn't the description of a model"),
        ({"networks": [{"model": "other"}]}, "needs the model other, which is unknown"),
        ({"networks": [{"model": "e51eebcc"}]}, "needs the model e51eebcc, which is unknown"),
    ],
)
def test_rejects_a_folder_that_cannot_become_a_model(
    mine: Path, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    description = json.loads((mine / "model.json").read_text("utf-8"))
    (mine / "model.json").write_text(json.dumps({**description, **change}), "utf-8")
    with pytest.raises(ValueError, match="models: ") as rejected:
        load({"models": [str(mine)]}, tmp_path / "none.toml")
    assert words in str(rejected.value) and "\n" not in str(rejected.value)


@pytest.mark.parametrize("entry", ["networks", "models"])
def test_the_functions_know_the_models_of_an_own_bag(tmp_path: Path, entry: str) -> None:
    described = {"name": "mine", "version": "1", "licence": "MIT", "sources": ["vocals", "no_vocals"]}
    (tmp_path / "bag").mkdir()
    parts = [{"model": "lite"}, {"model": "spleeter:2stems"}]
    (tmp_path / "bag" / "model.json").write_text(json.dumps({**described, entry: parts}))
    (table_file,) = table(own_models([str(tmp_path / "bag")]), tmp_path).values()
    assert read_catalog(table_file.read_text("utf-8"))["mine"].models == ("lite", "spleeter")
    parts[0]["model"] = "tasnet"
    (tmp_path / "bag" / "model.json").write_text(json.dumps({**described, entry: parts}))
    with pytest.raises(ValueError, match="needs the model tasnet, which is unknown"):
        own_models([str(tmp_path / "bag")])
