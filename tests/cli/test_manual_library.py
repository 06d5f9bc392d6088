"""The examples about libraries in docs/cli.md and docs/python.md run as they are printed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from textwrap import dedent

import pytest
from tests.audio.tagged import tags_of
from tests.cli.conftest import Separate, stems_in
from tests.separation.conftest import noise

from unbraid.audio.encode import Encoder
from unbraid.separation import Separator

DOCS = Path(__file__).parents[2] / "docs"


def section(page: str, heading: str) -> str:
    """Return the text below `heading` up to the next heading."""
    text = (DOCS / page).read_text("utf-8").split(f"\n{heading}\n")[1]
    return re.split(r"\n#+ ", text)[0]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    (folder / "album").mkdir(parents=True)
    tags = tags_of({"title": "Song", "artist": "Ann"})
    with Encoder(
        folder / "album" / "track.flac", sample_rate=44100, channels=2, format="flac", tags=tags
    ) as file:
        file.write(noise(2, 5000))
    (folder / "README.md").write_text("A text.")
    return folder


def test_the_commands_run(
    separate: Separate, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = section("cli.md", "### Folders, names and reruns")
    lines = re.findall(r"^    \$ unbraid separate (.*)", text, re.MULTILINE)
    assert [separate(*shlex.split(line)) for line in lines] == [0, 0, 0]
    assert "1 song was skipped" in capsys.readouterr().err
    assert stems_in(tmp_path / "stems" / "album" / "track") == ["no_vocals.wav", "vocals.wav"]
    assert stems_in(tmp_path / "named" / "Ann - Song") == ["no_vocals.wav", "vocals.wav"]


def test_every_event_and_field_is_described(
    separate: Separate, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = set(re.findall(r"`(\w+)`", section("cli.md", "### Events")))
    command = section("cli.md", "### Events").split("$ unbraid separate song.mp3 ")[1].split(" |")[0]
    for _ in range(2):
        assert separate(music, "--existing", "skip", command) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["event"] for event in events} == {"started", "progress", "finished", "skipped", "end"}
    assert {name for event in events for name in event} <= described
    assert {event["status"] for event in events if "status" in event} <= described
    assert {event["event"] for event in events} <= described


def test_the_python_code_runs(
    music: Path,
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = section("python.md", "## Many songs")
    code = dedent(text[text.index("    from unbraid.errors") : text.index("\n\n`existing`")])
    names = {"separator": Separator(model_folder)}
    for printed in ("stems/album/Song/vocals.wav\n", ""):
        exec(code, names)
        assert capsys.readouterr().out == printed
