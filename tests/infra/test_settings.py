"""What can be chosen: with defaults, kept for the next time, and refused in one line where it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from infra.settings import Settings, keep, load


def test_what_is_said_counts_over_what_was_kept(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    keep(load({"site": "https://Music.example.org/", "budget": 7, "sign_in": True}, file), file)
    again = load({"budget": 9, "site": None}, file)
    assert (again.site, again.budget, again.sign_in) == ("https://music.example.org", 9, True)
    assert load({"sign_in": False}, file).sign_in is False


def test_only_what_differs_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    keep(Settings(compute="cpu"), file)
    assert [line for line in file.read_text().splitlines() if not line.startswith("#")] == ['compute = "cpu"']
    keep(Settings(), file)
    assert load({}, file) == Settings()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"site": "http://music.example.org"}, "site: should look like https://"),
        ({"site": "https://music.example.org/page"}, "site: should look like https://"),
        ({"sender": "nobody", "sign_in": True}, "sender: should be an e-mail address"),
        ({"sender": "me@example.org"}, "sender needs sign_in"),
        ({"compute": "cpu", "at_most": 1}, "at_most should be 2 or more with cpu"),
        ({"at_most": 0}, "at_most: "),
        ({"instance": "g4dn.xlarge"}, "instance: "),
        ({"colour": "red"}, "colour: "),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError) as refused:
        load(given, tmp_path / "none.toml")
    assert str(refused.value).startswith(words)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    file.write_text("site = ")
    with pytest.raises(ValueError, match=r"deploy\.toml can't be read"):
        load({}, file)
