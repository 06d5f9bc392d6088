"""Settings have defaults, are saved for the next time, and are rejected in one line if invalid."""

from __future__ import annotations

from pathlib import Path

import pytest
from infra.settings import Settings, load, save

from infra import settings


def test_options_override_saved_settings(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    save(load({"site": "https://Music.example.org/", "budget": 7, "sign_in": True}, file), file)
    again = load({"budget": 9, "site": None}, file)
    assert (again.site, again.budget, again.sign_in) == ("https://music.example.org", 9, True)
    assert load({"sign_in": False}, file).sign_in is False


def test_each_name_has_its_own_saved_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "FOLDER", tmp_path)
    save(load({"compute": "gpu"}))
    save(load({"name": "staging", "budget": 5}))
    assert (load({}).name, load({}).compute, load({}).budget) == ("unbraid", "gpu", 20)
    staging = load({"name": "staging"})
    assert (staging.name, staging.compute, staging.budget) == ("staging", "cpu", 5)


def test_choosing_one_place_of_the_page_ends_the_other(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    save(load({"cloudfront": True}, file), file)
    save(load({"site": "https://music.example.org"}, file), file)
    assert load({}, file) == Settings(site="https://music.example.org")
    assert load({"cloudfront": True}, file) == Settings(cloudfront=True)


def test_saves_only_settings_that_differ_from_defaults(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    save(Settings(compute="gpu", models=("htdemucs",)), file)
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert lines == ['compute = "gpu"', 'models = ["htdemucs"]']
    save(Settings(), file)
    assert load({}, file) == Settings()
    settings = Settings(models=("htdemucs", "htdemucs_ft"), sign_in=True, budget=3)
    save(settings, file)
    assert load({}, file) == settings


def test_an_existing_deployment_keeps_its_kind_of_machine_if_the_default_changes(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    for compute in ("cpu", "gpu"):
        save(load({"compute": compute}, file), file)
        assert f'compute = "{compute}"' in file.read_text().splitlines()


@pytest.mark.parametrize("saved", ["", "budget = 7\n"])
def test_a_file_saved_when_gpu_was_the_default_still_means_gpu(tmp_path: Path, saved: str) -> None:
    file = tmp_path / "deploy.toml"
    file.write_text("# Settings of ./unbraid deploy; docs/aws.md describes them.\n" + saved)
    assert load({}, file).compute == "gpu"
    assert load({"instance": "ml.g5.xlarge"}, file).instance == "ml.g5.xlarge"
    assert load({"compute": "cpu"}, file).compute == "cpu"
    assert load({}, tmp_path / "none.toml").compute == "cpu"


def test_models_by_default_are_those_of_the_kind_of_machine(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    assert Settings().image_models == ("spleeter", "spleeter_lite")
    save(load({}, file), file)
    assert load({"compute": "gpu"}, file).image_models == ("htdemucs", "spleeter", "spleeter_lite")
    save(load({"models": ["htdemucs_ft"]}, file), file)
    assert load({"compute": "gpu"}, file).image_models == ("htdemucs_ft",)


def test_settings_of_the_other_kind_of_machine_are_kept_for_later(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    save(load({"compute": "gpu", "instance": "ml.g5.xlarge"}, file), file)
    save(load({"compute": "cpu", "keep_warm": True}, file), file)
    again = load({"compute": "gpu"}, file)
    assert (again.instance, again.keep_warm) == ("ml.g5.xlarge", True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"site": "http://music.example.org"}, "site: should look like https://"),
        ({"site": "https://music.example.org/page"}, "site: should look like https://"),
        ({"sender": "anna", "sign_in": True}, "sender: should be an e-mail address"),
        ({"sender": "me@example.org"}, "sender needs sign_in"),
        ({"compute": "cpu", "at_most": 1}, "at_most should be 2 or more with cpu"),
        ({"at_most": 0}, "at_most: "),
        ({"canary": True, "sign_in": True}, "canary can't sign in"),
        ({"webhooks": True}, "webhooks needs sign_in"),
        ({"at_most_usd": 0}, "at_most_usd: "),
        ({"songs_per_hour": 99}, "songs_per_hour: "),
        (
            {"compute": "gpu", "at_most_usd": 9, "instance": "ml.p3.2xlarge"},
            "at_most_usd needs usd_per_hour, the price of ml.p3",
        ),
        ({"instance": "ml.g5.xlarge"}, "instance needs compute gpu, and this deployment has cpu"),
        ({"compute": "gpu", "memory": 3008}, "memory needs compute cpu"),
        ({"compute": "gpu", "keep_warm": True}, "keep_warm needs compute cpu"),
        ({"instance": "g4dn.xlarge"}, "instance: "),
        ({"colour": "red"}, "colour: "),
        ({"site": "https://music.example.org", "cloudfront": True}, "choose one of site and cloudfront"),
        ({"models": ["htdemux"]}, "models: there is no model htdemux; choose from lite, htdemucs, "),
        ({"models": ["auto"]}, "models: there is no model auto"),
        ({"models": ["e51eebcc"]}, "models: there is no model e51eebcc"),  # one network of mdx_extra
        ({"models": []}, "models: "),
        ({"name": "Staging"}, "name: should be lower-case letters and digits"),
        ({"name": "unbraid-page"}, "name: should be lower-case letters and digits"),
        ({"name": "../deploy"}, "name: should be lower-case letters and digits"),
        ({"name": "myaws"}, "name: should be lower-case letters and digits"),
        ({"name": "a" * 21}, "name: "),
    ],
)
def test_rejects_invalid_settings(tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError) as rejected:
        load(options, tmp_path / "none.toml")
    assert str(rejected.value).startswith(words)
    assert "\n" not in str(rejected.value)


def test_names_a_file_that_is_not_toml(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    file.write_text("site = ")
    with pytest.raises(ValueError, match=r"deploy\.toml can't be read"):
        load({}, file)
