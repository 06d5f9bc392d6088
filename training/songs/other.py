"""Render the stem "other": layers of instruments drawn by genre."""

from dataclasses import dataclass, replace

import numpy as np

from training.songs import comping, effects, leads, sounds, textures
from training.songs.form import Plan, Section
from training.songs.instruments import PROGRAMS, midi
from training.songs.score import Note, chance, gain, pick
from training.songs.synths import make_patch, play
from training.sound import Audio, Split


@dataclass(frozen=True)
class Part:
    """How an instrument plays."""

    manners: dict[str, float]
    """Weights of the rhythms of `comping.rhythm`, and of "broken"."""
    centre: float
    """Register, as a MIDI pitch."""
    role: str = "stab"
    """Role of the synthesiser preset."""
    synth: float = 0.0
    """Probability that a synthesiser replaces the soundfont."""
    pan: float = 0.4
    """Standard deviation of the pan position."""
    level_db: float = 0.0
    wet: float = 0.4
    """Share of reverberation."""
    strum_s: float = 0.0


PARTS: dict[str, Part] = {
    "piano": Part({"quarters": 2, "eighths": 2, "broken": 3, "free": 2, "held": 2}, 60, pan=0.15),
    "epiano": Part({"held": 2, "free": 3, "charleston": 2, "broken": 1}, 60, pan=0.2),
    "organ": Part({"held": 5, "offbeats": 1, "free": 1}, 62, "pad", 0.25, pan=0.2, level_db=-2),
    "strum": Part({"strum": 6, "eighths": 1}, 57, pan=0.6, strum_s=0.025),
    "clean": Part({"broken": 4, "strum": 2, "free": 2, "scratch": 0.5}, 60, pan=0.6, strum_s=0.015),
    "picked": Part({"broken": 1}, 57, pan=0.4),
    "nylon": Part({"free": 3, "broken": 2, "charleston": 2}, 57, pan=0.3, strum_s=0.01),
    "jazzguitar": Part({"charleston": 3, "quarters": 2, "free": 2}, 58, pan=0.4, strum_s=0.01),
    "banjo": Part({"broken": 1}, 64, pan=0.5), "mandolin": Part({"scratch": 1, "broken": 1}, 67, pan=0.6,
    strum_s=0.01),
    "funkguitar": Part({"scratch": 5, "stabs": 1}, 64, pan=0.6, strum_s=0.008),
    "skank": Part({"offbeats": 1}, 64, pan=0.3, strum_s=0.01),
    "clav": Part({"scratch": 3, "stabs": 1}, 58, pan=0.3), "montuno": Part({"montuno": 4, "free": 1}, 65,
    pan=0.2),
    "strings": Part({"held": 5, "free": 1, "eighths": 0.5, "broken": 0.5}, 62, "pad", 0.1, pan=0.2, wet=0.8),
    "brass": Part({"stabs": 4, "held": 1.5}, 63, "stab", 0.1, pan=0.3, wet=0.5), "vibes": Part({"held": 1,
    "free": 2, "broken": 1}, 65, pan=0.3),
    "pad": Part({"held": 6, "eighths": 0.5}, 60, "pad", 0.75, pan=0.1, level_db=-3, wet=0.7),
    "pluck": Part({"broken": 4, "stabs": 2}, 66, "pluck", 0.8, pan=0.4, wet=0.6), "arp": Part({"broken": 1},
    66, "arp", 0.9, pan=0.4, wet=0.5),
    "stab": Part({"stabs": 4, "offbeats": 2}, 62, "stab", 0.8, pan=0.2), "bells": Part({"broken": 3,
    "free": 1}, 74, "pluck", 0.3, pan=0.5, wet=0.7, level_db=-3),
    "harp": Part({"broken": 1}, 66, pan=0.5, wet=0.8), "accordion": Part({"held": 2, "quarters": 1,
    "offbeats": 1}, 62, pan=0.3),
    "slide": Part({"held": 1}, 64, pan=0.5, wet=0.6),
}  # fmt: skip


def write_part(rng: np.random.Generator, plan: Plan, part: Part, playing: list[Section]) -> list[Note]:
    manner = pick(rng, part.manners)
    timing_s = plan.genre.looseness_s * float(rng.uniform(0.3, 1.0))
    centre = part.centre + float(rng.uniform(-6, 6))
    if manner == "broken":
        step = float(pick(rng, {0.5: 4, 0.25: 3, 1.0: 1, 1 / 3: 0.5})) if plan.clock.tempo_bpm < 150 else 0.5
        return comping.broken(
            rng, plan, playing, step, centre, timing_s, float(pick(rng, [0.7, 1.0, 2.0, 4.0]))
        )
    return comping.chords(rng, plan, playing, manner, centre, timing_s, part.strum_s)


def _render_part(
    rng: np.random.Generator, name: str, part: Part, notes: list[Note], total: int, split: Split
) -> Audio:
    if chance(rng, part.synth) or not sounds.have_fonts(split):
        patch = make_patch(part.role, sounds.preset(rng, split))
        if name == "organ":
            patch = replace(
                patch,
                engine="table",
                shape="organ",
                filter_kind="none",
                attack=0.004,
                sustain=1.0,
                release=0.05,
                unison=1,
                spread=0.0,
            )
        return play(patch, notes, total, rng)
    return midi(rng, notes, total, pick(rng, PROGRAMS[name]), split)


def _power_chords(
    rng: np.random.Generator, plan: Plan, playing: list[Section], total: int, split: Split
) -> Audio:
    """Distorted guitar with power chords, usually as two takes panned to the sides."""
    manner = pick(rng, {"eighths": 4, "held": 3, "strum": 1, "free": 2})
    drive = float(rng.uniform(14, 38))
    program = int(pick(rng, [26, 27, 28, 29, 30] if manner in ("eighths", "free") else [27, 29, 30]))
    amp_seed = int(rng.integers(2**31))
    out = np.zeros((2, total), dtype=np.float32)
    takes = [-1.0, 1.0] if chance(rng, 0.7) else [float(rng.uniform(-0.5, 0.5))]
    notes_seed = int(rng.integers(2**31))
    for side in takes:
        notes = comping.chords(
            np.random.default_rng(notes_seed), power_plan(plan), playing, manner, 47.0, 0.0, 0.004
        )
        jitter = plan.genre.looseness_s * float(rng.uniform(0.5, 1.0))
        notes = [
            replace(
                n,
                start_s=max(0.0, n.start_s + float(rng.normal(0, jitter))),
                velocity=float(np.clip(n.velocity + rng.normal(0, 0.05), 0.1, 1)),
            )
            for n in notes
        ]
        dry = (
            midi(rng, notes, total, program, split)
            if sounds.have_fonts(split)
            else play(make_patch("pluck", sounds.preset(rng, split)), notes, total, rng)
        )
        mono = np.repeat(dry.mean(axis=0, keepdims=True), 2, axis=0)
        amp = np.random.default_rng(amp_seed if chance(rng, 0.6) else int(rng.integers(2**31)))
        out += effects.panned(effects.amplifier(amp, mono, drive), side * float(rng.uniform(0.6, 1.0)), 0.0)
    return out


def power_plan(plan: Plan) -> Plan:
    """Return the plan with chords reduced to roots and fifths."""
    spans = tuple(
        replace(s, chord=replace(s.chord, intervals=(0, 7, 12) if 7 in s.chord.intervals else (0, 12)))
        for s in plan.spans
    )
    return replace(plan, spans=spans)


def draw_sections(rng: np.random.Generator, plan: Plan, index: int, lead: bool, sung: bool) -> list[Section]:
    """Draw the sections in which a layer plays.

    The first layer plays almost always, others join with rising energy, and leads prefer sections without vocals.
    """
    chosen: dict[str, bool] = {}
    playing = []
    for section in plan.sections:
        if "other" not in section.parts:
            continue
        if section.kind not in chosen:
            if lead:
                instrumental = "vocals" not in section.parts
                chosen[section.kind] = chance(rng, 0.85 if instrumental else 0.25 if sung else 0.9)
            else:
                chosen[section.kind] = (index == 0 and chance(rng, 0.93)) or chance(
                    rng, 0.25 + 0.7 * section.energy
                )
        if chosen[section.kind]:
            playing.append(section)
    return playing


def _level(sound: Audio) -> float:
    """RMS of the frames within 20 dB of the loudest: the level while the part plays."""
    frames = sound[:, : sound.shape[1] // 4096 * 4096].reshape(2, -1, 4096)
    power = np.sort(np.mean(frames**2, axis=(0, 2)))
    loud = power[power > 0.01 * power[-1]] if power.size else power
    return float(np.sqrt(np.mean(loud))) if loud.size else 0.0


def render_other(rng: np.random.Generator, plan: Plan, total: int, split: Split) -> tuple[Audio, list[str]]:
    """Render all layers. Returns the stem (2, total) and the names of the layers."""
    low, high = plan.genre.tracks
    count = int(rng.integers(low, high + 1))
    weights = dict(plan.genre.layers)
    names: list[str] = []
    while len(names) < count and weights:
        name = pick(rng, weights)
        if (
            not names
            and (name.startswith("lead_") or name in ("fx", "vinyl", "ambience", "harmonica"))
            and len(weights) > 4
            and chance(rng, 0.85)
        ):
            continue
        names.append(name)
        if not chance(rng, 0.15):
            del weights[name]
    if plan.vocals == "none" and not any(n.startswith("lead_") for n in names) and chance(rng, 0.65):
        names.append(leads.draw(rng, plan))
    mix = np.zeros((2, total), dtype=np.float32)
    played: list[str] = []
    space = pick(rng, ["room", "plate", "plate", "hall"])
    send = np.zeros((2, total), dtype=np.float32)
    for index, name in enumerate(names):
        lead = name.startswith("lead_") or name == "harmonica"
        playing = draw_sections(rng, plan, index, lead, plan.vocals != "none")
        if not playing:
            continue
        part = PARTS.get(name, Part({"held": 1}, 60, pan=0.15, wet=0.5))
        if lead:
            sound = leads.render_lead(rng, plan, name, playing, total, split)
        elif name in ("fx", "vinyl", "ambience"):
            sound = textures.render_texture(rng, plan, name, total, split)
        elif name == "power":
            sound = _power_chords(rng, plan, playing, total, split)
        elif name == "riff":
            sound = leads.render_riff(rng, plan, playing, total, split)
        else:
            sound = _render_part(rng, name, part, write_part(rng, plan, part, playing), total, split)
        level = _level(sound)
        if level < 1e-6:
            continue
        level_db = {"vinyl": -24.0, "fx": -9.0, "ambience": -8.0}.get(name, part.level_db)
        if lead:
            level_db = 1.5
        sound = sound * (gain(level_db + 3.0 * float(rng.standard_normal())) * 0.1 / level)
        sound = _process(rng, plan, name, part, sound)
        mix += sound
        if chance(rng, 0.75):
            send += sound * float(part.wet * rng.uniform(0.2, 1.0))
        played.append(name)
    if np.any(send):
        wet = effects.filtered(effects.reverb(rng, send, space), float(rng.uniform(100, 400)), "high", 1)
        mix += wet * (
            float(rng.uniform(0.1, 0.6)) * (1.2 - plan.genre.dryness) * _level(send) / max(1e-6, _level(wet))
        )
    return mix, played


def _process(rng: np.random.Generator, plan: Plan, name: str, part: Part, sound: Audio) -> Audio:
    """Apply the effects of a layer: EQ, low cut, modulation, saturation, compression, echo, panning."""
    sound = effects.equalised(rng, sound, 2.5)
    if chance(rng, 0.7):
        sound = effects.filtered(
            sound, float(np.exp(rng.uniform(np.log(40), np.log(220)))), "high", int(pick(rng, [1, 2]))
        )
    if name in (
        "epiano",
        "clean",
        "pad",
        "organ",
        "strings",
        "skank",
        "arp",
        "clav",
        "funkguitar",
    ) and chance(rng, 0.4):
        sound = effects.modulated(rng, sound, plan.clock.tempo_bpm)
    if chance(rng, 0.2):
        sound = effects.saturated(rng, sound)
    if chance(rng, 0.25):
        sound = effects.compressed(
            sound, -18.0, float(rng.uniform(2, 5)), float(rng.uniform(2, 30)), float(rng.uniform(60, 250))
        )
    if (name.startswith("lead_") or name in ("pluck", "arp", "bells", "clean", "stab")) and chance(rng, 0.5):
        beats = float(pick(rng, [0.5, 0.75, 1.0, 0.25, 1.5]))
        repeats = effects.echo(
            sound,
            beats * 60.0 / plan.clock.tempo_bpm,
            float(rng.uniform(0.2, 0.6)),
            float(rng.uniform(1500, 8000)),
            chance(rng, 0.5),
        )
        sound = sound + repeats * float(rng.uniform(0.1, 0.5))
    if chance(rng, 0.12):
        sound = effects.doubled(sound, float(rng.uniform(0.006, 0.025)))
    width = float(rng.uniform(0.0, 1.3)) if chance(rng, 0.8) else 0.0
    return effects.panned(sound, float(np.clip(part.pan * rng.standard_normal(), -1, 1)), width)
