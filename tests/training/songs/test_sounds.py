"""Instruments: disjoint splits, timing and pitch."""

import numpy as np
import pytest

from training.songs import drum_kits, sounds
from training.songs.drum_kits import KINDS, make_kit, render_hits
from training.songs.drum_sounds import make_drum
from training.songs.expression import CURVE_RATE, Player, bends, pitch_curve
from training.songs.instruments import PROGRAMS, SINGING_PROGRAMS
from training.songs.score import Hit, Note, hertz
from training.songs.soundfonts import load
from training.songs.synths import make_patch, play, play_line, string
from training.sound import Audio

needs_fonts = pytest.mark.skipif(
    not sounds.have_fonts("test"),
    reason="needs Debian's timgm6mb-soundfont (apt-get install timgm6mb-soundfont)",
)

STEADY = Player(5.0, 0.0, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0)


def pitch_hz(sound: Audio, near_hz: float) -> float:
    """Return the strongest frequency within a major third of `near_hz`."""
    mono = sound.mean(axis=0) if sound.ndim == 2 else sound
    power = np.abs(np.fft.rfft(mono * np.hanning(mono.size), 2**19))
    freq = np.fft.rfftfreq(2**19, 1 / 44_100)
    band = (freq > near_hz / 1.26) & (freq < near_hz * 1.26)
    return float(freq[band][np.argmax(power[band])])


def test_splits_share_no_sample() -> None:
    for names in (*sounds.HITS.values(), tuple(sounds.LOOPS), tuple(sounds.BASSES), sounds.AMBIENCES):
        train, test = set(sounds.in_split(names, "train")), set(sounds.in_split(names, "test"))
        assert train and test
        assert not train & test
        assert train | test == set(names)


def test_splits_share_no_soundfont() -> None:
    assert not set(sounds.FONTS["train"]) & set(sounds.FONTS["test"])


def test_splits_share_no_preset() -> None:
    rng = np.random.default_rng(0)
    train = {sounds.preset(rng, "train") for _ in range(2000)}
    test = {sounds.preset(rng, "test") for _ in range(2000)}
    assert not train & test
    assert len(train) > 4 * len(test) * 0.9


def test_accompaniment_has_no_voice_programs() -> None:
    assert not {program for programs in PROGRAMS.values() for program in programs} & set(SINGING_PROGRAMS)


@pytest.mark.parametrize("kind", KINDS)
def test_synthesises_every_drum(kind: str) -> None:
    for number in (0, 1, 2):
        sound = make_drum(kind, number)
        assert np.all(np.isfinite(sound))
        assert np.abs(sound).max() == pytest.approx(1.0, abs=1e-3)
        assert abs(sound[-1]) < 1e-3


def test_drum_hits_start_on_time() -> None:
    rng = np.random.default_rng(0)
    hits = [Hit(0.25 * k, "kick", 0.9) for k in range(1, 8)]
    track = render_hits(rng, make_kit(rng, {"kick"}, "machine", "test"), hits, 3 * 44_100)["kick"]
    for hit in hits:
        at = int(hit.start_s * 44_100)
        before, after = np.abs(track[:, at - 441 : at - 4]).max(), np.abs(track[:, at : at + 1323]).max()
        assert after > 1.5 * before
        assert after > 0.05


@pytest.mark.parametrize("role", ["pad", "pluck", "stab", "arp", "lead", "bass"])
def test_synth_notes_start_on_time_and_end(role: str) -> None:
    rng = np.random.default_rng(0)
    for number in (1, 2, 5):
        sound = play(make_patch(role, number), [Note(0.5, 0.5, 57.0, 0.9)], 5 * 44_100, rng)
        assert np.all(np.isfinite(sound))
        assert not np.any(sound[:, : 22_050 - 1])
        assert np.any(sound[:, 22_050:30_000])
        assert not np.any(sound[:, int(3.1 * 44_100) :])


def test_plucked_strings_are_in_tune() -> None:
    for pitch in (40.0, 52.0, 64.0, 76.0):
        measured = pitch_hz(string(hertz(pitch), 44_100, 0.5, 7), hertz(pitch))
        assert abs(12 * np.log2(measured / hertz(pitch))) < 0.25


def test_synth_line_follows_pitch_curve() -> None:
    from dataclasses import replace

    rng = np.random.default_rng(0)
    notes = [Note(0.0, 1.0, 60.0, 0.9), Note(1.0, 1.0, 67.0, 0.9)]
    curve = pitch_curve(rng, notes, STEADY, 2.0)
    patch = replace(
        make_patch("lead", 1), engine="table", shape="triangle", unison=1, filter_kind="none", sub=0.0
    )
    sound = play_line(patch, notes, curve, np.ones(curve.size), 2 * 44_100, rng)
    for note in notes:
        part = sound[:, int((note.start_s + 0.2) * 44_100) : int((note.end_s - 0.1) * 44_100)]
        assert abs(12 * np.log2(pitch_hz(part, hertz(note.pitch)) / hertz(note.pitch))) < 0.2


def test_vibrato_is_centred_on_note() -> None:
    player = Player(5.5, 0.4, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0)
    curve = pitch_curve(np.random.default_rng(0), [Note(0.0, 3.0, 60.0, 0.8)], player, 3.0)
    steady = curve[int(0.5 * CURVE_RATE) : int(2.9 * CURVE_RATE)] - 60.0
    assert 0.15 < steady.max() < 0.6
    assert abs(steady.mean()) < 0.05
    assert 20 < np.count_nonzero(np.diff(np.sign(steady))) < 34  # two crossings a cycle


@needs_fonts
def test_soundfont_render_is_independent_of_earlier_renders() -> None:
    font = load(sounds.FONTS["test"][0])
    notes = [Note(0.1, 0.5, 60.0, 0.8), Note(0.6, 0.7, 64.0, 0.7)]
    first = font.render(notes, 60_000, 65, bends=[(0.2, 1.0), (0.4, -2.0)])
    font.render([Note(0.0, 9.0, 50.0, 1.0)], 12_345, 48, swells=[(0.0, 0.2)])
    assert np.array_equal(first, font.render(notes, 60_000, 65, bends=[(0.2, 1.0), (0.4, -2.0)]))
    assert np.abs(first).max() > 0.01


@needs_fonts
def test_pitch_bends_are_in_tune() -> None:
    font = load(sounds.FONTS["test"][0])
    note = Note(0.0, 2.0, 60.0, 0.8)
    for semitones in (-2.0, 0.0, 5.0):
        sound = font.render([note], 2 * 44_100, 80, bends=[(0.0, semitones)])
        expected = hertz(60.0 + semitones)
        assert abs(12 * np.log2(pitch_hz(sound[:, 8000:], expected) / expected)) < 0.15


def test_bends_are_relative_to_each_note() -> None:
    notes = [Note(0.0, 0.5, 60.0, 0.8), Note(0.5, 0.5, 65.0, 0.8)]
    curve = pitch_curve(np.random.default_rng(0), notes, STEADY, 1.0)
    assert all(abs(semitones) < 0.01 for _, semitones in bends(curve, notes))


def test_recorded_kits_are_only_in_train() -> None:
    assert sounds.KITS["train"]
    assert not sounds.KITS["test"]
    for style in drum_kits._SOURCES:
        assert "recorded" not in drum_kits._sources(style, "test")
