"""The repository is written in plain English, and the check that says so can fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import plain_english


def test_repository_uses_no_forbidden_phrase() -> None:
    assert plain_english.check(plain_english.tracked_files()) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# whoever hears of it", 1),
        ("x = 1\n# the song that nobody works on", 2),
        ('"""The callback is told how far it is."""', 1),
        ("// a model that can't be had", 1),
        ("/* What is written\n * appears at once. */", 1),
        ("# a model that can't\n    # be had", 1),
        ("neither sound nor film", 1),
        ("<p>A letter tells you when the song is done.</p>", 1),
    ],
)
def test_finds_the_old_idiom(text: str, line: int) -> None:
    assert next(found[0] for found in plain_english.findings(text)) == line


@pytest.mark.parametrize(
    "text",
    [
        "# The worker renews its lease every second.",
        "if value is None:\n    return nobody_at_home",
        "An ID has 32 letters and digits.",
        "Fields that are None are left out.",
        "Reject a header of more than 64 KiB.",
    ],
)
def test_accepts_plain_sentences(text: str) -> None:
    assert list(plain_english.findings(text)) == []


@pytest.mark.parametrize("ending", [".py", ".c", ".h", ".ts", ".tsx", ".md"])
def test_reads_every_kind_of_file(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"example{ending}"
    file.write_text("# whoever\n", encoding="utf-8")
    assert len(plain_english.check([file])) == 1


def test_ignores_binary_files(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"whoever")
    assert plain_english.check([file]) == []
