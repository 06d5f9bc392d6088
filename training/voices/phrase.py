"""Convert the notes of a phrase to vocoder frames: stretch syllables onto the notes, join and colour them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.voices.breath import breath
from training.voices.grid import FRAME_RATE, GRID_HZ, FloatArray, interpolation, single
from training.voices.melody import contour_hz, smooth_noise
from training.voices.notes import Note
from training.voices.singer import Singer
from training.voices.vocoder import Frames
from training.voices.voice import NOISE_TO_GRID, Unit, Voice

_JOIN = 5  # frames, 25 ms: crossfade between syllables
_SILENT_DB = -100.0


@dataclass(frozen=True)
class PlacedSyllable:
    """A syllable, its notes, and its position in frames of the phrase: start of the vowel, end of the syllable."""

    unit: Unit
    vowel: int
    end: int
    notes: Sequence[Note]


def choose_unit(voice: Voice, text: str | None, rng: np.random.Generator) -> Unit:
    """Draw a syllable with this text if the voice has one, else any syllable."""
    if text:
        named = [unit for unit in voice.syllables if unit.text == text]
        if named:
            return named[int(rng.integers(len(named)))]
    return voice.syllables[int(rng.integers(len(voice.syllables)))]


def _syllables(
    phrase: Sequence[Note], voice: Voice, singer: Singer, origin_s: float, rng: np.random.Generator
) -> list[PlacedSyllable]:
    """Assign a syllable to each note, or let it hold the previous vowel."""
    groups: list[list[Note]] = []
    for index, note in enumerate(phrase):
        held = note.syllable == "-" or (note.syllable is None and rng.random() < singer.melisma_share)
        if index and held and note.start_s - phrase[index - 1].end_s < 0.03:
            groups[-1].append(note)
        else:
            groups.append([note])
    syllables = []
    for group in groups:
        vowel = round((group[0].start_s - origin_s) * FRAME_RATE)
        end = round((group[-1].end_s - origin_s) * FRAME_RATE)
        syllables.append(PlacedSyllable(choose_unit(voice, group[0].syllable, rng), vowel, end, group))
    return syllables


def _path(unit: Unit, head: int, body: int, tail: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Fractional frames of the unit to play: consonants not longer than spoken, the vowel stretched unevenly."""
    opening = np.linspace(0, unit.core_start, head, endpoint=False)
    closing = np.linspace(unit.core_end, len(unit) - 1, tail)
    length = unit.core_end - unit.core_start
    # Singers hold the first vowel of a diphthong and glide to the second late.
    progress = np.linspace(0, 1, max(body, 1))
    if body > 1.3 * length:
        turn = rng.uniform(0.3, 0.5)
        late = min(0.9, 1 - 0.5 * length / body)
        progress = np.interp(progress, [0, min(0.2, 0.5 * length / body), late, 1], [0, 0.7 * turn, turn, 1])
        progress = progress + 0.04 * smooth_noise(body, 3.0, rng) * np.hanning(body)
    core = unit.core_start + np.clip(progress, 0, 1) * length
    return np.concatenate([opening, core, closing])


def _interpolate_rows(rows: FloatArray, path: NDArray[np.float64]) -> FloatArray:
    """Interpolate rows (frames, ...) linearly at fractional frames."""
    low = np.clip(path.astype(int), 0, len(rows) - 1)
    high = np.minimum(low + 1, len(rows) - 1)
    share = (path - low).astype(np.float32)
    share = share[:, None] if rows.ndim == 2 else share
    return single(rows[low] * (1 - share) + rows[high] * share)


def _crossfade(rows: FloatArray, at: int) -> None:
    """Crossfade the rows around a join, in place."""
    low, high = max(at - _JOIN // 2, 0), min(at + _JOIN // 2 + 1, len(rows) - 1)
    if high > low:
        ramp = np.linspace(0, 1, high - low + 1, dtype=np.float32)
        ramp = ramp[:, None] if rows.ndim == 2 else ramp
        rows[low : high + 1] = rows[low] * (1 - ramp) + rows[high] * ramp


def _effort(velocity: FloatArray, singer: Singer) -> FloatArray:
    """Spectral tilt (frames, 80): louder voices gain about 1.5 dB above 1 kHz per dB of level (Sundberg, 2001)."""
    octaves = np.log2(np.maximum(GRID_HZ, 60.0) / 700.0).clip(0, 2.5).astype(np.float32)
    per_octave = singer.effort_db * 0.7 + (velocity - 0.7) * singer.dynamics_db * 0.25
    return single(per_octave[:, None] * octaves[None, :])


def phrase_frames(
    phrase: Sequence[Note],
    voice: Voice,
    singer: Singer,
    shift: float,
    rest_s: float,
    rng: np.random.Generator,
) -> tuple[Frames, float]:
    """Return the frames of a phrase, and the time of the first in seconds.

    `rest_s` is the silence before the phrase, which has space for a breath.
    """
    lead_s = min(max(rest_s, 0.0), 0.9)
    origin_s = phrase[0].start_s - lead_s
    syllables = _syllables(phrase, voice, singer, origin_s, rng)
    tail_frames = round(singer.release_s * FRAME_RATE) + 6
    total = syllables[-1].end + tail_frames
    envelope = np.full((total, len(GRID_HZ)), _SILENT_DB, np.float32)
    noise = np.ones((total, len(GRID_HZ)), np.float32)
    voiced = np.zeros(total, np.float32)
    velocity = np.full(total, phrase[0].velocity, np.float32)
    starts = []
    for index, item in enumerate(syllables):
        unit = item.unit
        free = item.vowel if index == 0 else round((item.vowel - syllables[index - 1].vowel) * 0.45)
        starts.append(item.vowel - min(unit.core_start, max(free, 0)))
    for index, item in enumerate(syllables):
        last = index + 1 == len(syllables)
        joined = not last and starts[index + 1] - item.end < 12
        end = starts[index + 1] if joined else item.end + (tail_frames - 6 if last else 0)
        if not last:
            end = min(end, starts[index + 1])
        span = end - item.vowel
        tail = min(len(item.unit) - item.unit.core_end, max(round(span * 0.4), 1))
        path = _path(item.unit, item.vowel - starts[index], max(span - tail, 1), tail, rng)
        rows = slice(starts[index], starts[index] + len(path))
        path = path[: total - starts[index]]
        envelope[rows] = _interpolate_rows(item.unit.envelope_db, path)
        noise[rows] = _interpolate_rows(item.unit.noise, path) @ NOISE_TO_GRID
        voiced[rows] = _interpolate_rows(item.unit.voiced, path)
        for note in item.notes:
            velocity[max(round((note.start_s - origin_s) * FRAME_RATE) - 10, 0) :] = note.velocity
    for start in starts[1:]:
        for array in (envelope, noise, voiced):
            _crossfade(array, start)
    f0, swell = contour_hz(phrase, shift, origin_s, total, singer, rng)
    velocity = np.convolve(np.pad(velocity, 6, mode="edge"), np.ones(13) / 13, mode="valid").astype(
        np.float32
    )
    _fade(envelope, voiced, syllables, starts, singer)
    envelope = envelope @ interpolation(GRID_HZ, GRID_HZ / singer.formant_shift) + singer.colour_db
    noise = np.where(voiced[:, None] > 0.5, _sung_noise(noise, f0, singer), noise)
    is_voiced = np.clip(voiced, 0, 1)[:, None]
    envelope += is_voiced * _effort(velocity, singer) + (1 - is_voiced) * singer.consonant_db
    # Below the first partial, only uneven pulses are audible.
    envelope -= (
        26.0 * is_voiced * np.clip((0.85 * f0[:, None] - GRID_HZ[None, :]) / (0.5 * f0[:, None]), 0, 1)
    )
    # In high notes the strongest partial is the first formant, because singers tune it to the pitch.
    high = np.clip(np.log2(f0 / 330.0), 0, 1.2)[:, None] * is_voiced
    envelope += (
        5.0 * high * np.exp(-0.5 * (np.log2(np.maximum(GRID_HZ, 60)[None, :] / f0[:, None]) / 0.35) ** 2)
    )
    level = singer.dynamics_db * (velocity - 0.8) + swell + 0.6 * smooth_noise(total, 4.0, rng)
    level += 1.5 * np.sin(np.linspace(0, np.pi, total)) * rng.uniform(-0.5, 1.0)
    envelope += level[:, None].astype(np.float32)
    frames = Frames(envelope.astype(np.float32), noise, f0, voiced)
    breath(frames, starts[0], singer, rng)
    return frames, origin_s


def _sung_noise(noise: FloatArray, f0: FloatArray, singer: Singer) -> FloatArray:
    """Convert the noise shares (frames, 80) of a spoken vowel to those of a sung one.

    Singing is more periodic than speech: loud voices have clear partials up to 8 kHz. Breathiness adds noise, mostly
    above 2 kHz. There is almost no noise below the first partial.
    """
    hz = GRID_HZ[None, :]
    limit = np.interp(
        GRID_HZ, [0, 1000, 3000, 6000, 10000, 16000, 22050], [0.04, 0.06, 0.16, 0.32, 0.55, 0.8, 0.9]
    )
    sung = np.minimum(noise**singer.periodicity, limit * 1.6 / singer.periodicity) + singer.breath * np.clip(
        hz / 3000, 0, 1
    )
    return single(np.clip(sung * np.clip((hz / f0[:, None]) ** 2, 0.05, 1.0), 0.005, 0.98))


def _fade(
    envelope: FloatArray,
    voiced: FloatArray,
    syllables: Sequence[PlacedSyllable],
    starts: Sequence[int],
    singer: Singer,
) -> None:
    """Apply attack and release next to silence, in place."""
    release = max(round(singer.release_s * FRAME_RATE), 4)
    attack = max(round(singer.attack_s * FRAME_RATE), 3)
    for index, start in enumerate(starts):
        after_rest = index == 0 or syllables[index - 1].end + 12 < start
        if after_rest and voiced[min(start + 1, len(voiced) - 1)] > 0.5:
            ramp = 20 * np.log10(np.linspace(0.03, 1, attack))
            envelope[start : start + attack] += ramp[: len(envelope) - start, None].astype(np.float32)
    last = syllables[-1].end + release
    first = max(last - release - release // 2, syllables[-1].vowel)
    ramp = 40 * np.log10(np.cos(np.linspace(0, np.pi / 2, last - first, endpoint=False)) + 1e-3)
    envelope[first:last] += ramp[:, None].astype(np.float32)
    envelope[last:] = _SILENT_DB
