"""The table of `benchmarks/speed.py` from given costs, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def speed(benchmarks: None) -> ModuleType:
    """`benchmarks/speed.py`, with all names that it imports."""
    return import_module("speed")


@pytest.fixture
def measured(speed: ModuleType) -> list[Any]:
    """Ours needs 10, 12 and 11 s for a song of 60 s, the first peer 24, 24 and 33 s. The second peer has failed."""
    cost, segment = sys.modules["process"].Cost, sys.modules["speed_table"].Segment
    ours = speed.Measured(
        "unbraid htdemucs",
        songs=[cost(wall_s, 2 * wall_s, 900_000_000) for wall_s in (10.0, 12.0, 11.0)],
        segments=[segment(1.6, 3.0), segment(1.5, 2.9), segment(2.0, 3.9)],
        at_once=2,
        engine="OpenVINO, float32",
        load_s=[0.5, 0.4, 0.6],
        uncached_load_s=5.25,
        first_output_s=[3.0, 2.0, 4.0],
        installed_mb=371,
    )
    peer = speed.Measured(
        "demucs 4.1.0",
        songs=[cost(wall_s, 40.0, 2_500_000_000) for wall_s in (24.0, 24.0, 33.0)],
        segments=[segment(3.2, 6.0), segment(3.2, 6.0), segment(3.2, 6.0)],
        engine="PyTorch, float32",
        load_s=[2.0],
        first_output_s=[24.0, 24.0, 33.0],
        installed_mb=1065,
    )
    return [ours, peer, speed.Measured("another 1.0", failed="pip failed: no such version")]


@pytest.fixture
def setting(speed: ModuleType) -> Any:
    """A song of 60 s; segments of 336 GFLOP on a machine with peaks of 240 GFLOP/s, and 480 G/s for integers."""
    return speed.Setting(60.0, 7.8, 336.0, 240.0, same_network=True, integer_peak=480.0, gflop_as_floats=16.0)


def rows(speed: ModuleType, measured: list[Any], setting: Any) -> dict[str, list[str]]:
    return {name: cells for name, *cells in speed.table(measured, setting)}


def test_times_are_medians_and_ratios_are_within_turns(
    speed: ModuleType, measured: list[Any], setting: Any
) -> None:
    table = rows(speed, measured, setting)
    assert table[""] == ["unbraid htdemucs", "demucs 4.1.0", "another 1.0"]
    assert table["song, wall, s"] == ["11.0 (10.0 to 12.0)", "24.0 (24.0 to 33.0)", "–"]
    assert table["song, wall, relative to ours"] == ["1", "2.40 (2.00 to 3.00)", "–"]
    assert table["song, times real time"][0] == "5.45 (5.00 to 6.00)"
    assert table["peak memory, MB"] == ["900 (900 to 900)", "2500 (2500 to 2500)", "–"]
    assert table["load with an empty cache, s"] == ["5.25", "–", "–"]
    assert table["one segment, wall, relative to ours"][1] == "2.00 (1.60 to 2.13)"


def test_share_of_the_peak_is_time_at_the_peak_by_measured_time(
    speed: ModuleType, measured: list[Any], setting: Any
) -> None:
    table = rows(speed, measured, setting)
    assert table["one segment, G operations/s"] == ["210 (168 to 224)", "105 (105 to 105)", "–"]
    assert table["share of the peak, %"] == ["88 (70 to 93)", "44 (44 to 44)", "–"]


def test_integer_products_are_compared_with_the_integer_peak(
    speed: ModuleType, measured: list[Any], setting: Any
) -> None:
    ours, peer, _ = measured
    ours.engine = sys.modules["engines"].NATIVE
    least_s = 320 / 480 + 16 / 240
    share = f"{100 * least_s / 1.6:.0f} ({100 * least_s / 2.0:.0f} to {100 * least_s / 1.5:.0f})"
    assert rows(speed, [ours, peer], setting)["share of the peak, %"] == [share, "44 (44 to 44)"]
    unknown = replace(setting, integer_peak=None)
    assert rows(speed, [ours, peer], unknown)["share of the peak, %"] == ["–", "44 (44 to 44)"]


def test_table_names_the_engine(speed: ModuleType, measured: list[Any], setting: Any) -> None:
    assert rows(speed, measured, setting)["engine"] == ["OpenVINO, float32", "PyTorch, float32", "–"]


def test_segments_of_different_networks_are_not_compared(speed: ModuleType, measured: list[Any]) -> None:
    table = rows(speed, measured, speed.Setting(60.0, 10.0, 18.0, 240.0, same_network=False))
    assert "one segment, wall, relative to ours" not in table
    assert table["one segment, G operations/s"][1:] == ["–", "–"]


@pytest.mark.parametrize(
    ("arguments", "missed"),
    [
        (["--at-least", "2.4", "--at-most-mb", "900"], None),
        (["--real-time-at-least", "5.4", "--first-output-within", "3"], None),
        (["--at-least", "2.41"], "2.40 (2.00 to 3.00) times as fast, limit 2.41"),
        (["--at-most-mb", "899"], "900 (900 to 900) MB, limit 899"),
        (["--real-time-at-least", "5.5"], "5.5 (5.0 to 6.0) times real time, limit 5.5"),
        (["--first-output-within", "1.5"], "first output after 3.00 (2.00 to 4.00) s, limit 1.5"),
    ],
)
def test_missed_threshold_is_reported_with_exit_status_1(
    speed: ModuleType, measured: list[Any], setting: Any, arguments: list[str], missed: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    options = speed.parse(["song.wav", *arguments])
    assert speed.conclude(options, about(), measured, setting) == (1 if missed else 0)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("MISSED")]
    assert printed == ([f"MISSED: {missed}"] if missed else [])


def test_missing_figures_miss_their_thresholds(speed: ModuleType, measured: list[Any], setting: Any) -> None:
    options = speed.parse(["song.wav", "--at-least", "0.1"])
    ours, peer, failed = measured
    assert speed.conclude(options, about(), [ours, peer], setting) == 0
    assert speed.conclude(options, about(), [ours, failed], setting) == 1
    assert speed.conclude(options, about(), [ours], setting) == 1
    ours.failed = "python failed (-11): no message"
    assert speed.conclude(speed.parse(["song.wav"]), about(), [ours, peer], setting) == 1


def test_files_contain_table_date_machine_command_and_failures(
    speed: ModuleType, measured: list[Any], setting: Any, tmp_path: Path
) -> None:
    options = speed.parse(
        ["song.wav", "--json", str(tmp_path / "a.json"), "--markdown", str(tmp_path / "a.md")]
    )
    speed.conclude(options, about(), measured, setting)
    page, figures = (tmp_path / "a.md").read_text(), json.loads((tmp_path / "a.json").read_text())
    for part in ("2026-11-23", "a machine of 2 cores", "python benchmarks/speed.py song.wav"):
        assert part in page
    assert "| song, wall, s | 11.0 (10.0 to 12.0) | 24.0 (24.0 to 33.0) | – |" in page
    assert "- another 1.0: pip failed: no such version" in page
    assert {key: figures[key] for key in about()} == about()
    assert [one["name"] for one in figures["measured"]] == [one.name for one in measured]
    assert [run["wall_s"] for run in figures["measured"][0]["songs"]] == [10.0, 12.0, 11.0]


def test_reports_a_machine_with_other_work(
    speed: ModuleType, measured: list[Any], setting: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    options = speed.parse(["song.wav"])
    speed.conclude(options, about(), measured, setting)
    assert "NOT QUIET" not in capsys.readouterr().out
    speed.conclude(options, {**about(), "load_average": 3.5}, measured, setting)
    assert "NOT QUIET: a load average of 3.5" in capsys.readouterr().out


def test_other_programs_run_until_the_end(
    speed: ModuleType, measured: list[Any], setting: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            started.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("subprocess.Popen", Recorded)
        with speed.other_programs(2):
            assert [program.poll() for program in started] == [None, None]
    assert all(program.returncode for program in started)
    speed.conclude(speed.parse(["song.wav"]), {**about(), "busy": 2}, measured, setting)
    assert "2 other programs kept a core busy each." in capsys.readouterr().out


def test_failed_contender_is_skipped_and_the_others_continue(speed: ModuleType) -> None:
    def contender(name: str, program: str) -> Any:
        command = [sys.executable, "-c", program]
        return speed.Contender(name, command, command, None, command, ())

    sides = [
        (contender("works", ""), speed.Measured("works")),
        (contender("fails", "raise ValueError('no such model')"), speed.Measured("fails")),
    ]
    speed.in_turn(sides, 2, speed.song)
    (_, works), (_, fails) = sides
    assert works.failed is None
    assert len(works.songs) == len(works.first_output_s) == 2
    assert fails.failed.endswith(" failed (1): ValueError: no such model")
    assert fails.songs == []


def test_segments_computed_at_once_share_their_cost(speed: ModuleType) -> None:
    program = "import time; at_once, engine = 4, 'sleep'\ndef compute(): print('noise'); time.sleep(0.2)\n"
    command = [sys.executable, "-c", program + sys.modules["speed_contenders"].SEGMENTS]
    measured = speed.Measured("sleeper")
    speed.segments([(speed.Contender("sleeper", command, command, None, command, ()), measured)], 2)
    assert (measured.at_once, measured.engine) == (4, "sleep")
    assert len(measured.segments) == 2
    for segment in measured.segments:
        assert 0.05 <= segment.wall_s < 0.2
        assert segment.cpu_s < 0.05


def about() -> dict[str, Any]:
    """Date, machine and command of a run."""
    return {
        "date": "2026-11-23",
        "machine": "a machine of 2 cores",
        "load_average": 0.2,
        "busy": 0,
        "command": "python benchmarks/speed.py song.wav",
        "peaks": {"numpy": 210.0, "OpenVINO": 240.0, "vpdpwssd, int16": 480.0},
        "operations_of_a_segment": {"MatMul": 212_000_000_000, "Convolution": 124_000_000_000},
    }


def test_readme_row_has_medians_within_turns_and_the_reason_of_a_failure(
    speed: ModuleType, measured: list[Any]
) -> None:
    ours, peer, failed = import_module("speed_readme").lines(measured, 60.0)
    assert ours == ["unbraid htdemucs", "OpenVINO, float32", "11.0 s (5.5 x real time)", "1.00", "3.0 s",
                    "0.90 GB", "371 MB"]  # fmt: skip
    assert peer[2:4] == ["24.0 s (2.5 x real time)", "2.40"]
    assert failed == ["another 1.0", "pip failed: no such version", "–", "–", "–", "–", "–"]


def test_contender_without_segments_keeps_its_engine(speed: ModuleType) -> None:
    command = [sys.executable, "-c", "raise ValueError"]
    measured = speed.Measured("peer", engine="TensorFlow, float32")
    speed.segments([(speed.Contender("peer", command, command, None, None, ()), measured)], 2)
    assert (measured.engine, measured.failed, measured.segments) == ("TensorFlow, float32", None, [])
