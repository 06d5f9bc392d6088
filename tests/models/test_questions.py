"""Words such as `karaoke` stand for models: of known licence, ranked by scores of one set, at a quality."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models import small_catalog
from tests.models.file_server import Fault, FileServer
from tests.models.small_catalog import use_catalog

from unbraid.cli.questions import SONG_S, _quality, short_time
from unbraid.errors import ModelError, SettingError
from unbraid.models import catalog, find_installed, find_model, unavailable
from unbraid.models.auto import ORDERS, at_quality, candidates, is_choice, licence_notice
from unbraid.models.catalog import CatalogEntry, find_entry
from unbraid.models.presets import PRESETS
from unbraid.models.questions import BALANCED, BEST, QUALITIES, find_question, questions, score_sets
from unbraid.separation import Separator

ROOT = Path(__file__).parents[2]
ANSWERED = [word for word, question in questions().items() if question.ranking]


def test_words_are_the_purposes_and_no_names_of_models() -> None:
    assert list(questions()) == [
        *("vocals", "karaoke", "four_stems", "six_stems"),
        *("lead_backing", "dereverb", "denoise", "drum_pieces"),
    ]
    for question in questions().values():
        for word in (question.word, *question.aliases):
            assert find_entry(word) is None and word not in ORDERS
            assert find_question(word) == (question, BALANCED)
    assert {word for entry in catalog().values() for word in entry.answers} <= {*questions()}


@pytest.mark.parametrize(
    ("name", "word", "quality"),
    [
        ("karaoke:best", "karaoke", "best"),
        ("four-stems", "four_stems", "balanced"),
        ("six-instruments:fast", "six_stems", "fast"),
        ("pieces", "drum_pieces", "balanced"),
    ],
)
def test_a_name_may_have_a_quality_hyphens_or_another_form(name: str, word: str, quality: str) -> None:
    found = find_question(name)
    assert found is not None and (found[0].word, found[1]) == (word, quality)


def test_other_names_are_no_words() -> None:
    for name in ("karaoke:better", "spleeter:2stems", "auto", "htdemucs", ""):
        assert find_question(name) is None
    assert [is_choice(name) for name in ("auto", "best", "denoise:fast", "lite")] == [True, True, True, False]


def test_quality_picks_the_model_of_auto_and_words_and_overlaps_of_others() -> None:
    assert tuple(PRESETS) == QUALITIES
    assert [at_quality("auto", quality)[0] for quality in QUALITIES] == ["fast", "auto", "best"]
    assert at_quality("karaoke", BEST) == ("karaoke:best", BALANCED)
    assert at_quality("karaoke:fast", BEST) == ("karaoke:fast", BALANCED)
    assert at_quality("htdemucs", BEST) == ("htdemucs", BEST)
    assert at_quality("auto", "great") == ("auto", "great")


def test_fast_is_spleeter_or_mdx_balanced_htdemucs_or_mdx_and_best_a_roformer_for_vocals() -> None:
    def kind(entry: CatalogEntry) -> str:
        return "roformer" if entry.roformer else "mdx" if entry.mdx else entry.graph or "bundled"

    for names in (("auto", "fast", "best"), ("vocals", "vocals:fast", "vocals:best")):
        balanced, fast, best = (kind(catalog()[candidates("vocals", name)[0]]) for name in names)
        assert fast.startswith("spleeter")
        assert balanced in ("htdemucs", "mdx")
        assert best == "roformer"
    assert candidates("vocals", "auto") == ["htdemucs", "spleeter", "spleeter_lite", "lite"]  # as before


@pytest.mark.parametrize("word", ANSWERED)
def test_every_model_of_a_word_has_its_stems_and_the_ranking_follows_the_scores(word: str) -> None:
    question = questions()[word]
    for entry in question.ranking:
        assert {*question.stems} <= {*entry.sources}, entry.name
    names = [entry.name for entry in question.ranking]
    for quality in QUALITIES:
        models = question.models(quality)
        assert models and {*models} <= {*names}
    if question.set is not None:
        scores = [question.score(entry) for entry in question.ranking]
        known = [score for score in scores if score is not None]
        assert scores[: len(known)] == sorted(known, reverse=True)
        best = [question.score(catalog()[name]) or 0.0 for name in question.models(BEST)]
        assert best == sorted(best, reverse=True)
        allowed = [entry.name for entry in question.ranking if entry.licence_known]
        assert question.models(BEST)[0] == allowed[0]


def test_scores_are_only_of_known_sets() -> None:
    for entry in catalog().values():
        assert entry.scores.keys() <= score_sets().keys()
    for question in questions().values():
        assert question.set is None or question.set in score_sets()


def test_no_choice_stands_for_a_model_of_unknown_licence_if_another_is_for_that_purpose() -> None:
    for word in ANSWERED:
        known = any(entry.licence_known for entry in questions()[word].ranking)
        for quality in QUALITIES:
            assert all(catalog()[name].licence_known == known for name in questions()[word].models(quality))
    assert all(catalog()[name].licence_known for names in ORDERS.values() for name in names)


def test_best_says_which_better_model_its_licence_rules_out() -> None:
    line = licence_notice("best", "melband_roformer_kim", "vocals")
    assert line is not None and "\n" not in line
    assert line.startswith(
        "bs_roformer_viperx has a higher score than melband_roformer_kim (12.9 and 12.6 dB"
    )
    karaoke = licence_notice("karaoke:best", "mdx_karaoke_2")
    assert karaoke is not None and "melband_karaoke and melband_becruily" in karaoke
    for choice, name in (("auto", "htdemucs"), ("karaoke", "mdx_karaoke_2"), ("best", "lite")):
        assert licence_notice(choice, name, "vocals") is None


def test_a_purpose_of_unknown_licence_only_says_so(models: Path) -> None:
    notices: list[str] = []
    assert find_model("denoise", notice=notices.append).name == "melband_denoise"
    assert notices == [
        "The licence of melband_denoise is unknown. Ask its author before you publish the stems."
    ]
    assert find_installed("no-noise").name == "melband_denoise"


def test_a_word_falls_back_to_the_next_model_and_says_why(models: Path, server: FileServer) -> None:
    del server.files[small_catalog.entry("melband_dereverb").files[0].name]
    notices: list[str] = []
    assert find_model("dereverb", notice=notices.append).name == "bs_dereverb"
    assert notices[0].startswith("The model melband_dereverb can't be downloaded: 127.0.0.1 answers 404")
    assert "Using bs_dereverb instead, which is weaker." in notices[0]
    unavailable.forget()


def test_several_models_that_cant_be_downloaded_are_a_list(models: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(404)], True
    notices: list[str] = []
    assert find_model("four_stems:best", notice=notices.append).name == "lite"
    assert notices[0].startswith("The models htdemucs_ft, htdemucs and spleeter can't be downloaded: ")
    unavailable.forget()


def test_without_a_network_a_word_without_a_bundled_model_is_an_error(
    models: Path, server: FileServer
) -> None:
    server.faults, server.forever = [Fault(404)], True
    with pytest.raises(ModelError, match="mdx_karaoke_2 can't be downloaded"):
        find_model("karaoke")
    assert find_model("four_stems").name == "lite"


def test_a_word_that_no_model_answers_is_an_error(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small: Mapping[str, CatalogEntry] = {
        name: replace(model, answers=()) for name, model in catalog().items()
    }
    use_catalog(small, monkeypatch.setattr)
    with pytest.raises(ModelError, match=r"There is no model for drum_pieces: kick, snare"):
        find_model("pieces")


def test_documentation_has_the_tables_of_all_words() -> None:
    """A failure shows the rows as they should be."""
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    for word in ANSWERED:
        question = questions()[word]
        section = re.split(r"\n##", text[text.index(f"\n### {question.title}\n") + 1 :])[0]
        expected = []
        for entry in question.ranking:
            score, speed = question.score(entry), entry.speed
            seconds = SONG_S * (speed.all_stems if question.all_stems else speed.one_stem)
            size = f"{entry.download_size / 1e6:.0f} MB" if entry.download_size else "bundled"
            cells = (
                *(f"`{entry.name}`", _quality(question, entry), "" if score is None else f"{score:.1f} dB"),
                *(short_time(seconds), size, entry.licence),
            )
            expected.append("".join(f"| {cell} " if cell else "| " for cell in cells) + "|")
        assert re.findall(r"^\| `.*$", section, re.MULTILINE) == expected


@pytest.mark.parametrize(
    ("model", "quality", "name"),
    [
        ("auto", "fast", "spleeter"),
        ("auto", "balanced", "htdemucs"),
        ("auto", "best", "melband_roformer_kim"),
        ("vocals", "balanced", "mdx_voc_ft"),
        ("auto+lite", "best", "melband_roformer_kim+lite"),
        ("lite+vocals", "fast", "lite+spleeter"),
        ("lite+vocals:best", "fast", "lite+melband_roformer_kim"),
    ],
)
def test_a_separator_loads_the_model_of_its_quality(
    models: Path, model: str, quality: str, name: str
) -> None:
    separator = Separator(model, quality=quality, for_stems="vocals")
    assert separator.model.name == name
    assert separator.work == pytest.approx(1)  # with its own overlap, and without shifts


def test_an_unknown_quality_is_an_error_before_the_download(models: Path) -> None:
    for model in ("karaoke", "htdemucs"):
        with pytest.raises(SettingError, match="There is no quality 'great'"):
            Separator(model, quality="great")
    assert not any(small_catalog.entry(name).installed for name in ("mdx_karaoke_2", "htdemucs"))


def test_a_named_model_keeps_its_quality_for_overlap_and_shifts(models: Path) -> None:
    assert Separator("spleeter", quality="best").work > 2
