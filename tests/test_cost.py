"""The tables of docs/aws-cost.md agree with the cost model, and the model with the application."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from unbraid.jobs.heartbeat import BEAT_S
from unbraid.jobs.limits import DAY, Limits

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "aws-cost.md").read_text("utf-8")


@pytest.fixture(scope="module")
def cost() -> Iterator[ModuleType]:
    """`benchmarks/cost.py`."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield import_module("cost")
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def model(cost: ModuleType) -> ModuleType:
    """`benchmarks/cost_model.py`."""
    return sys.modules["cost_model"]


def test_page_has_every_table_that_the_script_prints(cost: ModuleType) -> None:
    assert [name for name, text in cost.tables().items() if text not in PAGE] == []


def test_measured_rate_is_in_the_results(model: ModuleType) -> None:
    results = (ROOT / "benchmarks" / "results" / "2026-11-23-htdemucs.md").read_text("utf-8")
    seconds, song_s = map(int, re.search(r"song of (\d+) s.*?\| (\d+) s against", results).groups()[::-1])
    assert seconds / song_s == model.CPU_S_PER_S


def test_retention_and_progress_interval_are_those_of_the_application(model: ModuleType) -> None:
    assert Limits().results_s / DAY / 30.4 == model.STORED_MONTHS
    assert model.PROGRESS_INTERVAL_S == BEAT_S


def test_single_song_is_billed_for_start_work_and_idle_time(model: ModuleType) -> None:
    lone = (model.BILLED_START_S + model.GPU.song_s + model.IDLE_S) / 3600
    assert model.hours(model.GPU, 1) == pytest.approx(lone, rel=0.01)


def test_many_songs_are_billed_for_the_work_and_one_instance_for_at_most_all_hours(model: ModuleType) -> None:
    work = 1e5 * model.GPU.song_s / 3600
    assert model.hours(model.GPU, 1e5) == pytest.approx(work / model.BUSY)
    assert model.hours(model.GPU, 5_000) <= model.HOURS
    hours = [model.hours(model.GPU, 10**digits) for digits in range(7)]
    assert hours == sorted(hours)


def test_every_price_has_a_page_and_a_source(cost: ModuleType) -> None:
    for name, price in cost.PRICES.items():
        assert price.usd > 0 and price.page.endswith("/") and price.seen, name


def test_second_machine_is_cheaper_above_break_even_only(model: ModuleType) -> None:
    small = next(machine for machine in model.MACHINES if machine.name == "ml.c7i.xlarge")
    songs = model.break_even(model.FUNCTION, small)
    assert songs is not None
    at = [
        model.compute_usd(small, songs * near) / model.compute_usd(model.FUNCTION, songs * near)
        for near in (0.9, 1.1)
    ]
    assert at[0] > 1 > at[1]
    assert math.isclose(sum(at) / 2, 1, rel_tol=0.1)
    assert model.break_even(model.FUNCTION, model.GPU) is None
