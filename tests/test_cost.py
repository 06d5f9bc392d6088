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
from infra.cpu_memory import song_s
from infra.models import longest_songs, meaning, relative_work
from infra.settings import Settings

from unbraid.jobs.heartbeat import BEAT_S
from unbraid.jobs.limits import DAY, Limits
from unbraid.models.auto import AUTO

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


@pytest.fixture
def cold(cost: ModuleType) -> ModuleType:
    """`benchmarks/cost_cold.py`."""
    return sys.modules["cost_cold"]


@pytest.fixture
def speed(cost: ModuleType) -> ModuleType:
    """`benchmarks/cost_speed.py`."""
    return sys.modules["cost_speed"]


def results(name: str) -> str:
    """Return a page of the results."""
    return (ROOT / "benchmarks" / "results" / name).read_text("utf-8")


def test_page_has_every_table_and_statement_that_the_script_prints(cost: ModuleType) -> None:
    printed = cost.tables() | cost.statements()
    assert [name for name, text in printed.items() if text not in PAGE] == []


def test_no_amount_on_the_page_is_written_by_hand() -> None:
    by_hand = re.sub(r"<!-- cost.py: (.*?) -->.*?<!-- end of \1 -->", "", PAGE, flags=re.DOTALL)
    prose = [line for line in by_hand.splitlines() if not line.startswith("|")]
    assert [line for line in prose if re.search(r"\d\.\d|\$|dollars? \d|\d dollar", line)] == []


def test_write_restores_changed_tables_and_statements(cost: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("0.0017", "7").replace("| 1,000 |", "| 2,000 |"), "utf-8")
    cost.write(page, cost.tables(), cost.statements())
    assert page.read_text("utf-8") == PAGE


def test_page_of_the_first_run_has_its_table_and_cost(cost: ModuleType) -> None:
    page = (ROOT / "docs" / "aws-first-run.md").read_text("utf-8")
    assert cost.cost_first_run.table() in page and cost.cost_first_run.statement() in page
    assert sum(step.usd for step in cost.cost_first_run.steps()) < 1


def test_measured_speeds_are_in_the_results(speed: ModuleType) -> None:
    rows = re.findall(r"\| song, wall, s \| ([\d.]+) \(", results("2026-11-23-speed.md"))
    assert [round(float(row)) for row in rows[:2]] == [speed.HTDEMUCS_VNNI_S, speed.HTDEMUCS_S]
    runs = re.search(
        r"\| `spleeter` \| ([\d.]+) s .*?\| ([\d.]+) s .*?\| ([\d.]+) s", results("2026-11-29-spleeter.md")
    )
    assert runs is not None
    assert max(map(float, runs.groups())) == pytest.approx(speed.SPLEETER_S, abs=0.05)


def test_ratio_of_instructions_and_load_times_are_in_the_results(speed: ModuleType) -> None:
    text = results("2026-11-29-aws-cost.md")
    row = re.search(r"\| `spleeter`, user.*", text)
    assert row is not None
    wide, narrow, ratio = row[0].split("|")[2:5]
    assert sum(map(float, narrow.split(","))) / sum(map(float, wide.split(","))) == pytest.approx(
        float(ratio), abs=0.05
    )
    assert float(ratio) == speed.SPLEETER_AVX2
    here = re.search(r"takes ([\d.]+) CPU seconds", text)
    assert here is not None
    assert speed.WORK["htdemucs", speed.AVX2] / float(here[1]) == pytest.approx(speed.ZEN_5, abs=0.02)
    for name, load in speed.LOAD.items():
        assert re.search(rf"\| `{name}`.* \| {load} \|", text), name


def test_figures_of_the_original_add_up(model: ModuleType) -> None:
    assert round(model.ORIGINAL_HOURS * model.ORIGINAL_HOUR_USD, 2) == 1.84
    assert round(model.ORIGINAL_USD * 10, 2) == 2.35
    assert "1,366" not in PAGE and "136,600" not in PAGE


def test_images_are_counted_as_often_as_the_build_keeps_them(model: ModuleType) -> None:
    recipe = (ROOT / "buildspec.yml").read_text("utf-8")
    kept = re.search(r'case "\$TAG" in (.+) \| None\) ;;', recipe)
    assert kept is not None
    # PREVIOUS, which ran when the build began, is the one that still runs, unless the stack was updated meanwhile.
    # An image for a training is deleted with it (decision 70).
    names = set(kept[1].split(" | ")) - {'"$PREVIOUS"', "training-*"}
    assert len(names) == model.IMAGES
    assert model.fixed(model.FUNCTION)["ECR storage"] == model.IMAGES * model.IMAGE_GB["cpu"]


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
    for instance in (small, model.GPU):
        songs = model.break_even(model.FUNCTION, instance)
        assert songs is not None
        at = [
            model.compute_usd(instance, songs * near) / model.compute_usd(model.FUNCTION, songs * near)
            for near in (0.9, 1.1)
        ]
        assert at[0] > 1 > at[1]
        assert math.isclose(sum(at) / 2, 1, rel_tol=0.1)
    assert model.break_even(model.FUNCTION, model.Machine("ml.g5.xlarge", 10)) is None


def test_tables_by_number_of_songs_take_the_worst_case_of_functions(
    cold: ModuleType, model: ModuleType
) -> None:
    for memory_mb, name in ((10_240, "htdemucs"), (3_008, "spleeter")):
        best, worst = cold.of_function(memory_mb, name).usd
        middle = model.function(memory_mb, name).busy_usd
        assert best < middle < worst < middle * 1.15


def test_function_with_spleeter_is_the_nearest_to_both_limits(cold: ModuleType) -> None:
    every = cold.configurations()
    assert not [one for one in every if one.cheap == one.quick == "yes"]
    nearest = min((one for one in every if one.cheap == "yes"), key=lambda one: one.cold_s[1])
    assert (nearest.name, nearest.model, nearest.quick) == ("Lambda, 10,240 MB", "spleeter", "perhaps")
    assert cold.warm_function("spleeter").quick == "yes"


def test_no_cut_song_certainly_keeps_both_limits(cold: ModuleType) -> None:
    every = [fan.figures() for fan in cold.fans()]
    assert "yes" not in {one.quick for one in every}
    quick = [one for one in every if one.model == "htdemucs" and one.quick == "perhaps"]
    assert quick and all(one.cheap != "yes" for one in quick)


def test_cutting_a_song_of_the_default_model_gains_little_and_costs_more(cold: ModuleType) -> None:
    alone, _ = cold.uncut()
    fans = [fan.figures() for fan in cold.fans() if fan.model == alone.model]
    assert len(fans) > 2
    for cut in fans:
        assert alone.cold_s[1] - cut.cold_s[1] < 0.15 * alone.cold_s[1]
        assert cut.cold_s[0] > alone.cold_s[0] and cut.usd[1] > alone.usd[1]


def test_more_functions_for_a_song_are_quicker_and_cost_more(cold: ModuleType) -> None:
    few, many = (cold.Fan(3_008, count, cold.IN_IMAGE).figures() for count in (10, 31))
    assert all(more < fewer for more, fewer in zip(many.cold_s, few.cold_s, strict=True))
    assert all(more > fewer for more, fewer in zip(many.usd, few.usd, strict=True))


def test_fargate_spot_is_the_cheapest_for_few_songs_with_htdemucs(model: ModuleType) -> None:
    costs = {one.name: model.compute_usd(one, 10) for one in model.MACHINES if one.model == "htdemucs"}
    assert min(costs, key=costs.__getitem__).startswith("Fargate Spot")


def test_preflight_estimates_times_within_the_ranges_of_the_page(cold: ModuleType) -> None:
    for memory_mb in (3_008, 10_240):
        for name in ("spleeter", "htdemucs"):
            low, high = cold.of_function(memory_mb, name).cold_s
            assert low <= song_s(240, memory_mb, relative_work(name)) <= high, (memory_mb, name)


def test_pages_give_the_longest_song_that_the_check_gives(cost: ModuleType) -> None:
    text = sys.modules["cost_text"]
    minutes = {mb: longest_songs(("htdemucs", "spleeter"), mb)["htdemucs"] for mb in (10_240, 3_008)}
    most, new = (f"{minutes[mb]:.0f}" for mb in (10_240, 3_008))
    manual = " ".join((ROOT / "docs" / "aws.md").read_text("utf-8").split())
    assert f"Songs can be about {most} minutes long, in a new account {new}, because" in manual
    page = " ".join(PAGE.split())
    assert f"songs of up to about {most} minutes (at worst " in page
    assert f", with 3,008 MB about {new} minutes (at worst " in page
    for memory_mb, estimate in minutes.items():
        worst, best = text.longest_song_min(memory_mb)
        assert worst <= estimate <= best


def test_default_of_deploy_is_the_configuration_nearest_to_both_limits(cold: ModuleType) -> None:
    nearest = min((one for one in cold.configurations() if one.cheap == "yes"), key=lambda one: one.cold_s[1])
    settings = Settings()
    assert nearest.name == f"Lambda, {settings.memory:,} MB" and settings.compute == "cpu"
    assert meaning(AUTO, settings.image_models) == nearest.model
    # Also with the memory of a new account.
    assert cold.of_function(3_008, nearest.model).cheap == "yes"


def test_manual_says_what_keeping_a_function_warm_costs(cold: ModuleType) -> None:
    manual = (ROOT / "docs" / "aws.md").read_text("utf-8")
    (row,) = (line for line in manual.splitlines() if line.startswith("| `--keep-warm`"))
    assert f"{cold.ping_usd():.2f} dollars a month" in row and f"every {cold.PING_MIN} minutes" in row
    assert f"{cold.ping_usd(3_008):.2f} with 3,008 MB" in manual


def test_measured_times_of_a_cut_song_are_those_of_the_results() -> None:
    text = results("2026-11-29-cut-song.md")
    measured = dict(re.findall(r"^## `(\w+)`(.*?)(?=^## |\Z)", text, re.M | re.S))
    head, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.split("`benchmarks/results/2026-11-29-cut-song.md`):\n\n")[1]
        .split("\n\n")[0]
        .splitlines()
    )
    assert len(rows) > 5
    for row in rows[1:]:
        shown = dict(zip(head, row, strict=True))
        table = [
            line for line in measured[shown.pop("model").strip("`")].splitlines() if line.startswith("|")
        ]
        names, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
        assert any(shown.items() <= dict(zip(names, line, strict=True)).items() for line in lines), row


def test_measured_times_of_a_cut_song_agree_with_the_model(cold: ModuleType, speed: ModuleType) -> None:
    """The measured cores are those of Zen 5. Reading and adding up were measured with 180 s."""
    text = results("2026-11-29-cut-song.md")
    for model in ("spleeter", "htdemucs"):
        section = text.split(f"## `{model}`")[1].split("## ")[0]
        table = [
            [cell.strip() for cell in line.split("|")]
            for line in section.splitlines()
            if line.startswith("|")
        ]
        rows = [dict(zip(table[0], row, strict=True)) for row in table[2:]]
        reckoned = speed.WORK[model, speed.AVX2] * cold.SEGMENT_STEP_S[model] / speed.ZEN_5
        for row in rows:
            assert 0.6 < float(row["s a segment"]) / reckoned < 1.4, (model, row)
            assert float(row["read the song"]) <= cold.READ_CORE_S
            assert float(row["largest difference"]) < 1e-5
