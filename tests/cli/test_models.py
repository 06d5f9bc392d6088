"""`unbraid models`: what is there, how big, how good, whose; and how it gets here."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.models import stand_in
from tests.models.file_server import Fault, FileServer, serving

import unbraid.models
from unbraid.cli.main import main
from unbraid.models import catalog

ROOT = Path(__file__).parents[2]


# list


@pytest.mark.parametrize("words", [[], ["list"]])
def test_the_table_has_size_score_licence_and_stems_of_every_model(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *words]) == 0
    heading, *rows = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert heading.split() == ["MODEL", "READY", "SIZE", "SDR", "LICENCE", "STEMS"]
    for row, entry in zip(rows, catalog().values(), strict=True):
        name, here, size, unit, score, *rest = row.split()
        assert (name, here, unit) == (entry.name, "yes" if entry.installed else "no", "MB")
        assert float(size) == pytest.approx((entry.size or entry.download_size) / 1e6, abs=0.06)
        assert score == (f"{entry.sdr_db['mean']:.1f}" if entry.sdr_db else "-")
        assert rest == [entry.licence, *entry.sources]
        assert len(row) <= 80


def test_the_list_says_what_each_model_is_its_paper_and_who_measured_the_score(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    for entry in catalog().values():
        (about,) = (text for text in paragraphs if text.startswith(f"{entry.name} {entry.summary}"))
        assert entry.paper is None or f"({entry.paper})" in about
        assert entry.sdr_source is None or f"dB ({entry.sdr_source})" in about


# path


def test_the_folder_of_a_model_is_a_line_a_script_can_read(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "path", str(model_folder)]) == 0
    assert capsys.readouterr().out == f"{model_folder}\n"


def test_the_path_of_a_model_that_is_not_here_is_an_error_and_no_download(
    capsys: pytest.CaptureFixture[str], server: FileServer
) -> None:
    assert main(["models", "path", "htdemucs"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "unbraid: htdemucs is not installed. Get it with: unbraid models pull htdemucs\n"
    assert server.requests == []


# pull


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Where the stand-ins of the known models come from, into an empty cache."""
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    for name in ("UNBRAID_OFFLINE", "UNBRAID_MIRROR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        stand_in.put_in_place(server.address, monkeypatch.setattr)
        server.files = stand_in.files()
        yield server


def test_pull_checks_a_model_that_is_here(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", str(model_folder)]) == 0
    assert capsys.readouterr() == (f"{model_folder} is installed: {model_folder}\n", "")


def test_pull_downloads_a_model_once(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = f"htdemucs is installed: {tmp_path / 'cache' / 'models' / 'htdemucs'}\n"
    assert main(["models", "pull", "htdemucs"]) == 0
    assert capsys.readouterr() == (here, "htdemucs: downloading 0.3 MB\n")
    assert main(["models", "pull", "htdemucs"]) == 0
    assert capsys.readouterr() == (here, "")
    assert len(server.requests) == 1
    assert main(["models", "path", "htdemucs"]) == 0
    assert main(["models"]) == 0
    assert "htdemucs     yes" in capsys.readouterr().out


def test_a_model_that_cannot_be_had_is_an_error_in_one_line(
    server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files.clear()
    assert main(["models", "pull", "htdemucs_ft"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    error = output.err.splitlines()[-1]
    assert error.startswith("unbraid: htdemucs_ft can't be downloaded: 127.0.0.1 answers 404")
    for file in unbraid.models.catalog()["htdemucs_ft"].files:
        assert f"{file.url} (SHA-256 {file.sha256})" in error


PULL = """
import sys
from tests.models.stand_in import put_in_place
put_in_place(sys.argv[1])
from unbraid.cli.main import main
sys.exit(main(["models", "pull", "htdemucs"]))
"""


class Pull:
    """`unbraid models pull htdemucs` on a terminal of its own."""

    def __init__(self, server: FileServer) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        self._terminal, end = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PULL, server.address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=end,
            text=True,
            # In the background, and under nohup, Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={**os.environ, "PYTHONPATH": path, "TERM": "xterm", "NO_COLOR": "1"},
        )
        os.close(end)

    def read(self) -> str:
        """All that is shown, up to the end."""
        shown = ""
        with suppress(OSError):  # how the other end of a terminal closes
            while more := os.read(self._terminal, 1000):
                shown += more.decode()
        return shown


def test_on_a_terminal_a_bar_grows_and_goes(server: FileServer) -> None:
    server.faults = [Fault(pause_s=1.6)]
    pull = Pull(server)
    shown = pull.read()
    assert pull.process.wait() == 0
    pictures = [picture.removesuffix("\x1b[K").rstrip() for picture in shown.split("\r")]
    shares = [int(found[1]) for picture in pictures if (found := re.search(r"(\d+)%", picture))]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 100
    assert any(re.search(r"100% +0:00 left +\d+\.\d MB/s", picture) for picture in pictures)
    assert len({len(picture) for picture in pictures if " MB/s" in picture}) == 1
    assert pictures[-1] == ""  # nothing of it stays


def test_a_pull_that_is_stopped_says_that_the_next_goes_on(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(pause_s=20)]
    pull = Pull(server)
    while not any(part.stat().st_size > 100_000 for part in tmp_path.rglob("*.part")):
        assert pull.process.poll() is None
        time.sleep(0.02)
    pull.process.send_signal(signal.SIGINT)
    assert pull.read().endswith("unbraid: Stopped. The next pull continues from here.\r\n")
    assert pull.process.wait() == 130
    again = Pull(server)
    again.read()
    assert again.process.wait() == 0
    assert server.ranges[1] is not None
