"""The program that times a song in the first run (docs/aws-first-run.md), against the deployed application."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from tests.simulators.aws_account import AwsAccount

ROOT = Path(__file__).parents[3]


@pytest.fixture
def aws_song() -> Iterator[ModuleType]:
    """`benchmarks/aws_song.py`."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield import_module("aws_song")
    sys.path.remove(str(ROOT / "benchmarks"))


def test_times_a_song_as_the_page_shows_it_and_deletes_it(
    aws_account: AwsAccount, aws_song: ModuleType, song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stored(aws_account)
    assert aws_song.main([aws_account.api_url, str(song)]) == 0
    printed = capsys.readouterr().out
    page = (ROOT / "docs" / "aws-first-run.md").read_text("utf-8")
    (quoted,) = re.findall(r"<!-- output: song -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert figures_left_out(printed) == figures_left_out(quoted)
    assert stored(aws_account) == before


def figures_left_out(text: str) -> list[str]:
    return [re.sub(r"[\d.]+ (MB|s)", r"# \1", line).strip() for line in text.splitlines()]


def stored(aws_account: AwsAccount) -> set[str]:
    files = aws_account.client("s3").list_objects_v2(Bucket=aws_account.bucket()).get("Contents", [])
    return {file["Key"] for file in files if file["Key"].startswith(("inputs/", "outputs/"))}


def test_reports_a_song_that_fails_in_one_line(
    aws_account: AwsAccount, aws_song: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nothing of the kind")
    assert aws_song.main([aws_account.api_url, str(song)]) == 1
    assert re.fullmatch(r"aws_song: the song is FAILED after \d+ s: .+\n", capsys.readouterr().err)
    assert aws_song.main([aws_account.api_url, str(tmp_path / "none.wav")]) == 1
    assert "none.wav can't be read: No such file" in capsys.readouterr().err
    assert aws_song.main(["http://127.0.0.1:9", str(song)]) == 1
    assert "aws_song: POST http://127.0.0.1:9/upload failed" in capsys.readouterr().err
