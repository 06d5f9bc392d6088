"""`unbraid models`: the table, the descriptions, `path` and `pull`."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models import small_catalog
from tests.models.file_server import Fault, FileServer, serving

import unbraid.models
from unbraid.cli.main import main
from unbraid.models import catalog, unavailable

ROOT = Path(__file__).parents[2]


# list


def test_lists_size_score_and_stems_of_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    heading, *rows = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert heading.split() == ["MODEL", "READY", "SIZE", "SDR", "STEMS"]
    for row, entry in zip(rows, catalog().values(), strict=True):
        name, ready, size, unit, score, *rest = row.split()
        assert (name, ready, unit) == (entry.name, "yes" if entry.installed else "no", "MB")
        assert float(size) == pytest.approx((entry.size or entry.download_size) / 1e6, abs=0.06, rel=3e-4)
        assert score == (f"{entry.sdr_db['mean']:.1f}" if "mean" in entry.sdr_db else "-")
        assert rest == list(entry.sources)
        assert len(row) <= 80


def test_list_describes_each_model_with_its_paper_and_the_source_of_its_score(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["models", "list"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    for entry in catalog().values():
        (about,) = (text for text in paragraphs if text.startswith(f"{entry.name} {entry.summary}"))
        assert entry.paper is None or f"({entry.paper})" in about
        assert entry.sdr_source is None or f"dB ({entry.sdr_source})" in about
        assert all(alias in about for alias in entry.aliases)
        assert f"Licence: {entry.licence}" in about


def test_list_shows_other_names_and_the_models_of_a_bag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    paragraphs = [" ".join(paragraph.split()) for paragraph in capsys.readouterr().out.split("\n\n")]
    assert any("Other names: spleeter:2stems, spleeter:2stems-16kHz" in text for text in paragraphs)
    assert any(
        text.startswith("spleeter_lite") and "Consists of spleeter and lite." in text for text in paragraphs
    )


# path


def test_path_prints_only_the_folder(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "path", str(model_folder)]) == 0
    assert capsys.readouterr().out == f"{model_folder}\n"


def test_path_of_an_ensemble_prints_the_folder_of_each_model(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "path", f"{model_folder}+lite"]) == 0
    assert capsys.readouterr().out == f"{model_folder}\n{catalog()['lite'].place}\n"


def test_path_of_a_missing_model_is_an_error_without_a_download(
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
    """Serves stand-ins of the published models; the cache is empty."""
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    for name in (
        "UNBRAID_OFFLINE",
        "UNBRAID_MODEL_MIRROR",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        small_catalog.install_catalog(server.address, monkeypatch.setattr)
        server.files = small_catalog.files()
        yield server


def test_pull_checks_an_installed_model(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", str(model_folder)]) == 0
    assert capsys.readouterr() == (f"{model_folder} is installed: {model_folder}\n", "")


def test_pull_downloads_a_model_once(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = f"htdemucs is installed: {tmp_path / 'cache' / 'models' / 'htdemucs'}\n"
    assert main(["models", "pull", "htdemucs"]) == 0
    assert capsys.readouterr() == (installed, "htdemucs: downloading 0.3 MB\n")
    assert main(["models", "pull", "htdemucs"]) == 0
    assert capsys.readouterr() == (installed, "")
    assert len(server.requests) == 1
    assert main(["models", "path", "htdemucs"]) == 0
    assert main(["models", "list"]) == 0
    assert re.search(r"^htdemucs +yes ", capsys.readouterr().out, re.MULTILINE)


def test_pull_reports_an_unavailable_model_in_one_line(
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


def test_pull_installs_several_models_under_any_of_their_names(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "spleeter:2stems", "htdemucs", "spleeter", "lite"]) == 0
    models = tmp_path / "cache" / "models"
    assert capsys.readouterr().out.splitlines() == [
        f"spleeter is installed: {models / 'spleeter'}",
        f"htdemucs is installed: {models / 'htdemucs'}",
        f"lite is installed: {catalog()['lite'].place}",
    ]


@pytest.mark.parametrize(("choice", "model"), [("auto", "htdemucs"), ("fast", "spleeter")])
def test_pull_of_a_choice_gets_its_best_model(
    server: FileServer, capsys: pytest.CaptureFixture[str], choice: str, model: str
) -> None:
    assert main(["models", "pull", choice]) == 0
    assert capsys.readouterr().out.startswith(f"{model} is installed: ")


def test_pull_of_an_ensemble_gets_each_of_its_models(
    server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "karaoke+htdemucs", "htdemucs"]) == 0
    lines = [f"{name} is installed: {catalog()[name].place}" for name in ("mdx_karaoke_2", "htdemucs")]
    assert capsys.readouterr().out.splitlines() == lines


def test_pull_all_installs_every_model(server: FileServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "--all"]) == 0
    entries = unbraid.models.catalog()
    assert capsys.readouterr().out.splitlines() == [
        f"{name} is installed: {entry.place}" for name, entry in entries.items()
    ]
    assert all(entry.installed for entry in entries.values())


def test_pull_all_goes_on_after_a_failure(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = unbraid.models.catalog()
    for name in ("htdemucs", "spleeter"):
        del server.files[entries[name].files[0].name]
    assert main(["models", "pull", "--all"]) == 1
    output = capsys.readouterr()
    missing = ("htdemucs", "spleeter", "spleeter_lite")
    assert output.out.splitlines() == [
        f"{name} is installed: {entry.place}" for name, entry in entries.items() if name not in missing
    ]
    errors = [line for line in output.err.splitlines() if line.startswith("unbraid: ")]
    assert errors[0].startswith("unbraid: htdemucs can't be downloaded: 127.0.0.1 answers 404")
    assert errors[1].startswith("unbraid: spleeter can't be downloaded: 127.0.0.1 answers 404")
    assert errors[2] == "unbraid: spleeter_lite needs spleeter, which can't be downloaded."
    assert errors[3] == "unbraid: Not installed: htdemucs, spleeter, spleeter_lite"
    assert len(errors) == 4


def test_pull_all_verifies_bundled_models(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = unbraid.models.catalog()
    lite = replace(entries["lite"], folder=shutil.copytree(entries["lite"].place, tmp_path / "lite"))
    (tmp_path / "lite" / "weights.bin").write_bytes(b"damaged")
    monkeypatch.setitem(entries, "lite", lite)  # type: ignore[arg-type]  # a dict
    assert main(["models", "pull", "--all"]) == 1
    assert (
        f"unbraid: {tmp_path / 'lite' / 'weights.bin'} is damaged or was altered" in capsys.readouterr().err
    )


def test_pull_ends_the_memory_of_failed_downloads(
    server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("htdemucs", "spleeter"):
        unavailable.remember(name, "no network")
    assert main(["models", "pull", "htdemucs_6s"]) == 0
    assert [unavailable.recall(name) for name in ("htdemucs", "spleeter")] == [None, None]


@pytest.mark.parametrize("words", [[], ["htdemucs", "--all"]])
def test_pull_needs_names_or_all(
    words: list[str], server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", *words]) == 2
    assert capsys.readouterr() == ("", "unbraid: Name one or more models, or use --all.\n")
    assert server.requests == []


PULL = """
import sys
from tests.models.small_catalog import install_catalog
install_catalog(sys.argv[1])
from unbraid.cli.main import main
sys.exit(main(["models", "pull", "htdemucs"]))
"""


class Pull:
    """`unbraid models pull htdemucs` on its own terminal."""

    def __init__(self, server: FileServer) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        self._terminal, end = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PULL, server.address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=end,
            text=True,
            # Background jobs and nohup ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={**os.environ, "PYTHONPATH": path, "TERM": "xterm", "NO_COLOR": "1"},
        )
        os.close(end)

    def read(self) -> str:
        """Return all output until the process ends."""
        shown = ""
        with suppress(OSError):  # raised when the other end closes
            while more := os.read(self._terminal, 1000):
                shown += more.decode()
        return shown


def test_pull_draws_a_bar_on_a_terminal_and_erases_it(server: FileServer) -> None:
    server.faults = [Fault(pause_s=1.6)]
    pull = Pull(server)
    shown = pull.read()
    assert pull.process.wait() == 0
    frames = [frame.removesuffix("\x1b[K").rstrip() for frame in shown.split("\r")]
    percents = [int(match[1]) for frame in frames if (match := re.search(r"(\d+)%", frame))]
    assert percents == sorted(percents) and percents[0] == 0 and percents[-1] == 100
    assert any(re.search(r"100% +0:00 left +\d+\.\d MB/s", frame) for frame in frames)
    assert len({len(frame) for frame in frames if " MB/s" in frame}) == 1
    assert frames[-1] == ""  # the bar is erased


def test_a_stopped_pull_continues_on_the_next_run(server: FileServer, tmp_path: Path) -> None:
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
