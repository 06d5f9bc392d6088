"""Draw a drum kit and render hits with it."""

from dataclasses import dataclass

import numpy as np

from training.songs import soundfonts, sounds
from training.songs.drum_sounds import make_drum
from training.songs.score import Hit, Note, chance, gain, pick, stereo
from training.sound import SAMPLE_RATE, Audio, Split, add_at

KINDS: dict[str, int] = {
    "kick": 36, "snare": 38, "rim": 37, "clap": 39, "hat": 42, "open": 46, "pedal": 44, "crash": 49,
    "ride": 51, "bell": 53,
    "tom_high": 50, "tom_mid": 47, "tom_low": 43, "shaker": 82, "tambourine": 54, "cowbell": 56,
    "conga_high": 63,
    "conga_low": 64, "perc": 76, "brush": 38,
}  # fmt: skip
"""All kinds of drums, with their General MIDI keys."""

_MACHINE_KITS = (24, 25)
_ACOUSTIC_KITS = (0, 8, 16, 32, 0, 8, 16)
_BRUSH_KIT = 40
_LEVEL_DB = {"kick": 0.0, "snare": 0.0, "clap": -2, "rim": -5, "hat": -12, "open": -11, "pedal": -14,
    "crash": -9, "ride": -12,
             "tom_high": -3, "tom_mid": -3, "tom_low": -2, "shaker": -15, "tambourine": -14, "cowbell": -12,
             "conga_high": -7,
             "conga_low": -6, "perc": -10, "brush": -6}  # fmt: skip
"""Typical peak levels in a kit, before the random balance of each song."""
_PAN = {"hat": 0.35, "open": 0.35, "pedal": 0.35, "ride": -0.4, "crash": 0.3, "tom_high": 0.4,
    "tom_mid": 0.0, "tom_low": -0.45,
        "shaker": -0.5, "tambourine": 0.5, "conga_high": 0.3, "conga_low": 0.15, "cowbell": -0.2,
        "perc": -0.35}  # fmt: skip


@dataclass(frozen=True)
class Drum:
    """One drum: recordings of its strokes, each (2, samples), softest first, and its gain."""

    strokes: tuple[Audio, ...]
    level: float


def _from_font(rng: np.random.Generator, kind: str, split: Split, program: int) -> list[Audio]:
    font = soundfonts.load(pick(rng, [p for p in sounds.FONTS[split] if p.exists()]))
    return _strokes(font, kind, program, 128)


def _strokes(font: soundfonts.Font, kind: str, program: int, bank: int) -> list[Audio]:
    """Render a soft, a medium and a hard stroke; an empty list if the font lacks this drum."""
    seconds = 2.2 if kind in ("crash", "ride") else 1.0
    notes = (Note(0.0, seconds, float(KINDS[kind]), velocity) for velocity in (0.45, 0.75, 0.98))
    strokes = [font.render([note], int(seconds * SAMPLE_RATE), program, bank) for note in notes]
    return strokes if np.abs(strokes[-1]).max() > 1e-4 else []


def _variations(rng: np.random.Generator, sound: Audio, count: int) -> list[Audio]:
    """Resample a stroke to `count` slightly different pitches, because real strokes vary."""
    result = []
    n = sound.shape[-1]
    for _ in range(count):
        speed = 2.0 ** (float(rng.normal(0.0, 0.15)) / 12.0)
        at = np.arange(0, n - 1, speed)
        moved = np.stack([np.interp(at, np.arange(n), channel) for channel in stereo(sound)])
        result.append(moved.astype(np.float32))
    return result


def _draw_strokes(
    rng: np.random.Generator, kind: str, split: Split, source: str, program: int, number: int
) -> list[Audio]:
    names = sounds.in_split(sounds.HITS.get(kind, ()), split)
    if source == "font" and sounds.have_fonts(split):
        strokes = _from_font(rng, kind, split, program)
        if strokes:
            return strokes
    if source == "recorded":
        kits = sounds.kits(split)
        strokes = _strokes(soundfonts.load(kits[number % len(kits)]), kind, 0, 0)
        if strokes:
            return strokes
    if source == "sample" and names and sounds.have_samples():
        return _variations(rng, sounds.sample(pick(rng, names))[:, : 3 * SAMPLE_RATE], 2)
    sound = make_drum(kind, number)
    return [0.999 * stereo(sound)] if chance(rng, 0.5) else _variations(rng, sound, 2)


_SOURCES = {
    "acoustic": {"font": 8.0, "sample": 1.5, "synth": 0.3, "recorded": 12.0},
    "machine": {"font": 1.5, "sample": 4.0, "synth": 6.0},
    "mixed": {"font": 3.0, "sample": 3.0, "synth": 3.0, "recorded": 4.0},
    "loop": {"font": 2.0, "sample": 4.0, "synth": 3.0, "recorded": 3.0},
}


def _sources(style: str, split: Split) -> dict[str, float]:
    """Return the weights of the sound sources of a style, without recorded kits if the split has none installed."""
    return {
        name: weight for name, weight in _SOURCES[style].items() if name != "recorded" or sounds.kits(split)
    }


def make_kit(rng: np.random.Generator, kinds: set[str], style: str, split: Split) -> dict[str, Drum]:
    """Draw a drum for each kind. `style` is acoustic, machine, mixed or loop (like mixed, to play over a loop)."""
    program = int(pick(rng, list(_MACHINE_KITS if style == "machine" else _ACOUSTIC_KITS)))
    if "brush" in kinds and chance(rng, 0.7):
        program = _BRUSH_KIT
    number = sounds.preset(rng, split)
    sources = _sources(style, split)
    common = pick(rng, sources)
    flip = 1.0 if chance(rng, 0.5) else -1.0
    width = float(rng.choice([0.0, 0.4, 1.0]))
    kit = {}
    for kind in sorted(kinds):
        source = common if chance(rng, 0.75) else pick(rng, sources)
        drum_number = number if chance(rng, 0.6) else sounds.preset(rng, split)
        strokes = _draw_strokes(rng, kind, split, source, program, drum_number)
        if kind in ("kick", "snare", "clap") and style != "acoustic" and chance(rng, 0.4):
            layer = _draw_strokes(rng, kind, split, pick(rng, sources), program, sounds.preset(rng, split))[
                -1
            ]
            share = (
                float(rng.uniform(0.2, 0.8))
                * float(np.abs(strokes[-1]).max())
                / max(1e-6, float(np.abs(layer).max()))
            )
            strokes = [_mix_layers(stroke, layer * share) for stroke in strokes]
        peak = max(1e-6, float(np.abs(strokes[-1]).max()))
        pan = flip * width * _PAN.get(kind, 0.0) + 0.03 * float(rng.standard_normal())
        sides = np.array(
            [[np.cos((1 + pan) * np.pi / 4)], [np.sin((1 + pan) * np.pi / 4)]], dtype=np.float32
        ) * np.sqrt(2)
        level = gain(_LEVEL_DB[kind] + 2.0 * float(rng.standard_normal())) / peak
        kit[kind] = Drum(tuple(np.asarray(stroke * sides, dtype=np.float32) for stroke in strokes), level)
    return kit


def _mix_layers(one: Audio, two: Audio) -> Audio:
    out = np.zeros((2, max(one.shape[1], two.shape[1])), dtype=np.float32)
    out[:, : one.shape[1]] += one
    out[:, : two.shape[1]] += two
    return out


_CHOKES = {"open": ("hat", "pedal", "open"), "hat": ("hat", "pedal")}


def render_hits(
    rng: np.random.Generator, kit: dict[str, Drum], hits: list[Hit], total: int
) -> dict[str, Audio]:
    """Render one track (2, total) per drum. A closing hi-hat stops an open one."""
    tracks: dict[str, Audio] = {}
    for index, hit in enumerate(hits):
        drum = kit[hit.kind]
        layers = len(drum.strokes)
        # Three strokes are velocity layers; one or two are variations without order.
        chosen = int(hit.velocity * layers) if layers == 3 else int(rng.integers(layers))
        stroke = drum.strokes[min(layers - 1, chosen)]
        start = int(hit.start_s * SAMPLE_RATE)
        if hit.kind in _CHOKES:
            after = next(
                (
                    h
                    for h in hits[index + 1 : index + 12]
                    if h.kind in _CHOKES[hit.kind] and h.start_s > hit.start_s + 0.02
                ),
                None,
            )
            if after is not None:
                stop = int(after.start_s * SAMPLE_RATE) - start
                if stop < stroke.shape[1]:
                    stroke = stroke[:, :stop].copy()
                    fade = min(stop, 400)
                    stroke[:, -fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
        track = tracks.setdefault(hit.kind, np.zeros((2, total), dtype=np.float32))
        add_at(track, stroke, start, drum.level * hit.velocity**1.6)
    return tracks
