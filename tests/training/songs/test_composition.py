"""Composition: the score of a song, before any sound is rendered."""

import numpy as np
import pytest

from training.songs import compose
from training.songs.bass import HIGHEST as BASS_HIGHEST
from training.songs.bass import LOWEST as BASS_LOWEST
from training.songs.form import make_plan
from training.songs.genres import GENRES, POPULARITY
from training.songs.harmony import MODES, Key, make_chord, voicing
from training.songs.melody import MelodyStyle, write_melody
from training.songs.render import Score
from training.songs.vocals import HIGHEST, LOWEST


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return [compose(seed, "train") for seed in range(240)]


def test_same_seed_composes_same_song() -> None:
    assert compose(5, "train") == compose(5, "train")


def test_seeds_and_splits_compose_different_songs() -> None:
    assert compose(5, "train") != compose(6, "train")
    assert compose(5, "train") != compose(5, "test")


def test_short_phrase_has_a_note() -> None:
    restful = MelodyStyle(50, 62, busy=0.0, rest=0.95)
    for seed in range(300):
        plan = make_plan(np.random.default_rng(seed))
        assert write_melody(np.random.default_rng(seed), plan, list(plan.sections), restful)


def test_songs_last_30_to_50_seconds(scores: list[Score]) -> None:
    assert all(29 < score.plan.seconds < 51 for score in scores)


def test_longer_songs_are_composed_to_their_end() -> None:
    songs = [compose(seed, "train", 5.0) for seed in range(12)]
    assert all(145 < song.plan.seconds < 255 for song in songs)
    assert all(song.plan.clock.seconds(song.plan.quarters) >= song.plan.seconds for song in songs)
    last_notes = [song.bass[-1].start_s / song.plan.seconds for song in songs if song.bass]
    assert float(np.median(last_notes)) > 0.9


def test_tempo_stays_between_56_and_190(scores: list[Score]) -> None:
    assert all(56 <= score.plan.clock.tempo_bpm <= 190 for score in scores)


def test_every_genre_has_a_weight() -> None:
    assert set(POPULARITY) == set(GENRES)


def test_some_songs_lack_vocals_drums_or_bass(scores: list[Score]) -> None:
    count = len(scores)
    assert 0.04 < sum(not score.melody for score in scores) / count < 0.3
    assert 0 < sum(not score.hits for score in scores) / count < 0.3
    assert 0 < sum(not score.bass for score in scores) / count < 0.3


def test_draws_all_meters(scores: list[Score]) -> None:
    assert {score.plan.meter for score in scores} == {"4/4", "3/4", "6/8"}


def test_melodies_stay_in_vocal_range(scores: list[Score]) -> None:
    assert all(LOWEST <= note.pitch <= HIGHEST for score in scores for note in score.melody)


def test_melodies_rest_between_phrases(scores: list[Score]) -> None:
    sung = [score for score in scores if len(score.melody) > 10 and score.plan.vocals == "sung"]
    with_rests = [
        score
        for score in sung
        if any(b.start_s - a.end_s > 0.4 for a, b in zip(score.melody, score.melody[1:], strict=False))
    ]
    assert len(with_rests) > 0.9 * len(sung)


def test_melodies_are_monophonic(scores: list[Score]) -> None:
    for score in scores:
        assert all(a.end_s <= b.start_s + 1e-6 for a, b in zip(score.melody, score.melody[1:], strict=False))


def test_melodies_mostly_use_the_key(scores: list[Score]) -> None:
    inside = [
        round(note.pitch) % 12 in score.plan.key.pitch_classes() for score in scores for note in score.melody
    ]
    assert np.mean(inside) > 0.9


def test_bass_follows_chords(scores: list[Score]) -> None:
    """The first note of each chord is its bass note, within the instrument's range."""
    checked = right = 0
    for score in scores:
        for span in score.plan.spans:
            at = score.plan.clock.seconds(span.start)
            first = [note for note in score.bass if abs(note.start_s - at) < 0.02]
            checked += len(first)
            right += sum(round(note.pitch) % 12 == span.chord.bass for note in first)
    assert checked > 500
    assert right / checked > 0.85


def test_bass_stays_in_range(scores: list[Score]) -> None:
    assert all(BASS_LOWEST - 4 <= note.pitch <= BASS_HIGHEST for score in scores for note in score.bass)


def test_drum_hits_lie_on_grid(scores: list[Score]) -> None:
    """Hits are within 60 ms of a twelfth of a quarter note, and most are within 25 ms of a sixteenth note."""
    for score in scores[:40]:
        clock = score.plan.clock
        grid = np.array([clock.seconds(k / 12) for k in range(int(score.plan.quarters * 12) + 1)])
        onsets = np.array([hit.start_s for hit in score.hits if hit.kind in ("kick", "snare")])
        quarter = np.array([clock.seconds(k / 4) for k in range(int(score.plan.quarters * 4) + 1)])
        if not onsets.size:
            continue
        assert np.abs(onsets[:, None] - grid).min(axis=1).max() < 0.06
        assert np.mean(np.abs(onsets[:, None] - quarter).min(axis=1) < 0.025) > 0.7


def test_parts_are_silent_in_sections_without_them(scores: list[Score]) -> None:
    for score in scores:
        for section in score.plan.sections:
            begins, ends = (score.plan.clock.seconds(q) for q in (section.start, section.end))
            for part, starts in (
                ("drums", [hit.start_s for hit in score.hits]),
                ("vocals", [note.start_s for note in score.melody]),
            ):
                if part not in section.parts:
                    assert not any(begins + 0.05 < start < ends - 0.05 for start in starts)


def test_some_sections_have_few_parts(scores: list[Score]) -> None:
    assert any(section.parts == {"other"} for score in scores for section in score.plan.sections)
    assert any(
        "vocals" in section.parts and len(section.parts) <= 2
        for score in scores
        for section in score.plan.sections
    )


@pytest.mark.parametrize("mode", MODES)
def test_chords_use_the_scale(mode: str) -> None:
    key = Key(2, mode)
    rng = np.random.default_rng(0)
    inside = [
        tone in key.pitch_classes()
        for degree in range(7)
        for _ in range(10)
        for tone in make_chord(rng, key, degree, "seventh").pitch_classes()
    ]
    assert np.mean(inside) > 0.9


def test_consecutive_voicings_stay_close() -> None:
    key, rng = Key(0, "major"), np.random.default_rng(1)
    previous: tuple[int, ...] = ()
    for degree in (0, 3, 4, 0, 5, 1, 4, 0):
        tones = voicing(make_chord(rng, key, degree, "triad"), 60.0, previous)
        assert all(48 <= tone <= 72 for tone in tones)
        previous = tones
