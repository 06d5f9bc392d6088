"""Settings have defaults, are saved for the next time, and are rejected in one line if invalid."""

from __future__ import annotations

from pathlib import Path

import pytest
from infra.settings import Settings, load, save


def test_options_override_saved_settings(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    save(load({"site": "https://Music.example.org/", "budget": 7, "sign_in": True}, file), file)
    again = load({"budget": 9, "site": None}, file)
    assert (again.site, again.budget, again.sign_in) == ("https://music.example.org", 9, True)
    assert load({"sign_in": False}, file).sign_in is False


def test_saves_only_settings_that_differ_from_defaults(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    save(Settings(compute="cpu"), file)
    assert [line for line in file.read_text().splitlines() if not line.startswith("#")] == ['compute = "cpu"']
    save(Settings(), file)
    assert load({}, file) == Settings()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"site": "http://music.example.org"}, "site: should look like https://"),
        ({"site": "https://music.example.org/page"}, "site: should look like https://"),
        ({"sender": "anna", "sign_in": True}, "sender: should be an e-mail address"),
        ({"sender": "me@example.org"}, "sender needs sign_in"),
        ({"compute": "cpu", "at_most": 1}, "at_most should be 2 or more with cpu"),
        ({"at_most": 0}, "at_most: "),
        ({"instance": "g4dn.xlarge"}, "instance: "),
        ({"colour": "red"}, "colour: "),
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
