"""Render a song from a seed."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from training.songs import degradation, effects, loops, mastering, mixing
from training.songs.bass import render_bass, write_bass
from training.songs.drum_kits import make_kit, render_hits
from training.songs.drum_patterns import write_drums
from training.songs.form import Plan, make_plan
from training.songs.other import render_other
from training.songs.score import Hit, Note, chance, pick
from training.songs.vocals import render_vocals, write_vocals
from training.sound import SAMPLE_RATE, SPLIT_SEED, Audio, Split
from training.voices import VoiceBank

STEMS = ("drums", "bass", "other", "vocals")


@dataclass(frozen=True)
class Score:
    """Score of a song: the plan, drum hits, bass notes and vocal melody."""

    plan: Plan
    hits: list[Hit]
    bass: list[Note]
    bass_style: str
    melody: list[Note]


@dataclass(frozen=True)
class Song:
    """Stems by name, each (2, samples), the score, and a description for song.json."""

    stems: dict[str, Audio]
    score: Score
    about: dict[str, object]


def compose(seed: int, split: Split, longer: float = 1.0) -> Score:
    """Compose the score of a song; it depends only on seed, split and `longer` (see `make_plan`)."""
    rng = np.random.default_rng([seed, SPLIT_SEED[split]])
    plan = make_plan(rng, longer)
    drums, bass, voice = rng.spawn(3)
    hits = write_drums(drums, plan)
    notes, style = write_bass(bass, plan, hits)
    melody, _ = write_vocals(voice, plan)
    return Score(plan, hits, notes, style, melody)


@lru_cache(maxsize=2)
def bank_from(folder: Path | None) -> VoiceBank:
    """Load the voices of a folder once per process (None: the default folder, else the computed voices)."""
    if folder is not None:
        return VoiceBank.load(folder)
    try:
        return VoiceBank.load()
    except FileNotFoundError:
        return VoiceBank.computed()


def _drums(rng: np.random.Generator, score: Score, total: int, split: Split) -> tuple[Audio, str]:
    if not score.hits:
        return np.zeros((2, total), dtype=np.float32), "none"
    style = pick(rng, score.plan.genre.kits)
    kit = make_kit(rng, {hit.kind for hit in score.hits}, style, split)
    tracks = render_hits(rng, kit, score.hits, total)
    use_loop = style == "loop" or (style in ("mixed", "machine") and chance(rng, 0.12))
    loop = loops.render_loop(rng, score.plan, total, split) if use_loop else None
    return mixing.mix_drums(rng, tracks, loop, total), style if loop is None else "loop"


def render(
    seed: int,
    split: Split,
    bank: VoiceBank | None = None,
    parts: Collection[str] = STEMS,
    longer: float = 1.0,
) -> Song:
    """Render a song with its score; see `render_song`. Stems that `parts` doesn't name are silent.

    Each stem has its own random numbers. Without the others, only the common gain and the tape of cassettes differ.
    """
    score = compose(seed, split, longer)
    plan = score.plan
    streams = np.random.default_rng([seed, SPLIT_SEED[split], 9]).spawn(6)
    total = int(plan.seconds * SAMPLE_RATE)
    silence = np.zeros((2, total), dtype=np.float32)
    drums, kit = _drums(streams[0], score, total, split) if "drums" in parts else (silence, "none")
    bass, bass_sound = silence, "none"
    if score.bass and "bass" in parts:
        bass, bass_sound = render_bass(streams[1], plan, score.bass, score.bass_style, total, split)
        bass = mixing.mix_bass(streams[1], bass)
    other, layers = silence, list[str]()
    if "other" in parts and any("other" in section.parts for section in plan.sections):
        other, layers = render_other(streams[2], plan, total, split)
        if chance(streams[2], 0.5):
            other = effects.compressed(other, -16.0, 2.0, 20.0, 150.0)
    vocals, heard = silence, list[str]()
    if "vocals" in parts:
        vocals, heard = render_vocals(streams[3], plan, score.melody, total, split, bank or bank_from(None))
    stems = {"drums": drums, "bass": bass, "other": other, "vocals": vocals}
    rng = streams[4]
    stems = _mix(rng, score, stems, total)
    degraded = degradation.draw_degradation(rng)
    stems = {name: degradation.degrade(rng, degraded, stem) for name, stem in stems.items()}
    noisy = chance(rng, 0.25) or degraded["kind"] in ("old", "cassette")
    if noisy and "other" in parts:
        stems["other"] = stems["other"] + degradation.noise_floor(rng, total)
    stems = mastering.master(rng, {name: _trim(stem) for name, stem in stems.items()})
    about: dict[str, object] = {
        "seed": seed, "split": split, "genre": plan.name, "tempo_bpm": round(plan.clock.tempo_bpm, 2),
        "meter": plan.meter,
        "key": plan.key.tonic, "mode": plan.key.mode, "swing": round(plan.clock.swing, 3),
        "seconds": round(total / SAMPLE_RATE, 2),
        "sections": [section.kind for section in plan.sections], "drums": kit, "bass": [score.bass_style,
        bass_sound],
        "other": layers, "vocals": heard, "history": degraded,
    }  # fmt: skip
    return Song(stems, score, about)


def _mix(rng: np.random.Generator, score: Score, stems: dict[str, Audio], total: int) -> dict[str, Audio]:
    electronic = score.plan.genre.looseness_s < 0.002
    if score.hits and chance(rng, 0.55 if electronic else 0.06):
        curve = mixing.pumping(rng, score.hits, total)
        for name in ("bass", "other") if chance(rng, 0.85) else ("bass", "other", "vocals"):
            stems[name] = stems[name] * curve
    dynamics = mixing.section_gains(rng, score.plan, total)
    stems = {name: stem * dynamics for name, stem in stems.items()}
    return mixing.balanced(stems, mixing.draw_levels(rng))


def _trim(stem: Audio) -> Audio:
    """Remove DC and subsonics, and fade both ends."""
    if not np.any(stem):
        return stem.astype(np.float32)
    stem = effects.filtered(stem, 18.0, "high", 2)
    ramp = np.linspace(0.0, 1.0, 441, dtype=np.float32)
    stem[:, :441] *= ramp
    stem[:, -441:] *= ramp[::-1]
    return stem


def render_song(seed: int, split: Split, bank: VoiceBank | None = None) -> dict[str, Audio]:
    """Render a song of 30 to 50 seconds as drums, bass, other and vocals, each float32 (2, samples) at 44100 Hz.

    The mixture is their sum; its peak is at most 1. Stems without notes are silent. The result depends only on seed,
    split, bank (None: see `bank_from`) and the installed sounds. Songs of "test" use voices, instruments and drum
    sounds that no song of "train" uses. Synthesisers replace the soundfonts and samples of `sounds` that are missing.
    """
    return render(seed, split, bank).stems
