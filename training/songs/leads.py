"""Lead instruments with glides and vibrato: saxophone, violin, flute, brass, guitar and synthesiser."""

from dataclasses import replace

import numpy as np

from training.songs import comping, effects, sounds
from training.songs.expression import CURVE_RATE, bends, draw_player, pitch_curve, swell_curve
from training.songs.form import Plan, Section
from training.songs.instruments import PROGRAMS, midi
from training.songs.melody import MelodyStyle, monophonic, write_melody
from training.songs.score import Note, chance, pick
from training.songs.synths import make_patch, play, play_line
from training.sound import SAMPLE_RATE, Audio, Split

RANGES: dict[str, tuple[float, float]] = {
    "lead_sax": (50, 78), "lead_violin": (56, 88), "lead_flute": (60, 90), "lead_brass": (54, 78),
    "lead_guitar": (50, 84),
    "lead_synth": (55, 86), "harmonica": (58, 84),
}  # fmt: skip


def draw(rng: np.random.Generator, plan: Plan) -> str:
    """Draw a lead instrument, usually one of the genre."""
    fitting = {name: weight for name, weight in plan.genre.layers.items() if name in RANGES}
    return pick(rng, fitting) if fitting and chance(rng, 0.7) else pick(rng, list(RANGES))


def _line(rng: np.random.Generator, plan: Plan, name: str, sections: list[Section]) -> list[Note]:
    low, high = RANGES[name]
    span = float(rng.uniform(10, 18))
    bottom = float(rng.uniform(low, max(low + 1, high - span)))
    style = MelodyStyle(bottom, bottom + span, float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.1, 0.5)),
        float(rng.uniform(2, 5)),
                    0.7, chance(rng, 0.35))  # fmt: skip
    return write_melody(rng, plan, sections, style)


def render_lead(
    rng: np.random.Generator, plan: Plan, name: str, sections: list[Section], total: int, split: Split
) -> Audio:
    """Play a lead (2, total) on a soundfont with pitch bends, or on a synthesiser that follows the pitch curve."""
    notes = _line(rng, plan, name, sections)
    if not notes:
        return np.zeros((2, total), dtype=np.float32)
    player = draw_player(rng)
    seconds = total / SAMPLE_RATE
    use_synth = (
        (name == "lead_synth" and chance(rng, 0.8)) or chance(rng, 0.08) or not sounds.have_fonts(split)
    )
    if use_synth:
        curve = pitch_curve(rng, notes, player, seconds)
        patch = make_patch("lead", sounds.preset(rng, split))
        return play_line(patch, notes, curve, swell_curve(rng, notes, player, seconds), total, rng)
    if name == "lead_guitar":
        player = replace(
            player, scoops=float(rng.uniform(0.1, 0.5)), scoop=2.0, glides=float(rng.uniform(0.0, 0.4))
        )
    curve = pitch_curve(rng, notes, player, seconds)
    swells = swell_curve(rng, notes, player, seconds)
    levels = (
        [(float(i) / CURVE_RATE, float(swells[i])) for i in range(0, swells.size, 4)]
        if name != "lead_guitar"
        else []
    )
    # Sampled notes overlap the next one slightly, so that the line is legato.
    joined = [replace(note, duration_s=note.duration_s * 1.02) for note in monophonic(notes)]
    sound = midi(rng, joined, total, pick(rng, PROGRAMS[name]), split, bends(curve, notes), levels)
    if name == "lead_guitar" and chance(rng, 0.85):
        sound = effects.amplifier(
            rng, np.repeat(sound.mean(axis=0, keepdims=True), 2, axis=0), float(rng.uniform(8, 36))
        )
    return sound


def render_riff(
    rng: np.random.Generator, plan: Plan, sections: list[Section], total: int, split: Split
) -> Audio:
    """Play a riff on a random instrument: (2, total)."""
    notes = comping.riff(rng, plan, sections, float(rng.uniform(45, 72)), 0.5 * plan.genre.looseness_s)
    if chance(rng, 0.3) or not sounds.have_fonts(split):
        return play(
            make_patch(pick(rng, ["arp", "pluck", "stab"]), sounds.preset(rng, split)), notes, total, rng
        )
    program = pick(rng, PROGRAMS["riff"])
    sound = midi(rng, notes, total, program, split)
    if program in (27, 28, 29, 30) and chance(rng, 0.7):
        sound = effects.amplifier(
            rng, np.repeat(sound.mean(axis=0, keepdims=True), 2, axis=0), float(rng.uniform(5, 35))
        )
    return sound
