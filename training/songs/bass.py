"""Bass lines and the instruments that play them."""

import numpy as np

from training.songs import soundfonts, sounds
from training.songs.expression import CURVE_RATE, Curve, Player, pitch_curve
from training.songs.form import Plan, Span
from training.songs.melody import monophonic
from training.songs.oscillators import sweep
from training.songs.score import Hit, Note, chance, pick
from training.songs.synths import make_patch, play, play_line
from training.sound import SAMPLE_RATE, Audio, Split, add_at

LOWEST, HIGHEST = 28, 52
"""E1, the open string of a bass guitar, to E3."""

Steps = list[tuple[float, float, int]]
"""(position, length, semitones above the root); position and length in quarter notes"""

_PROGRAMS = {
    "upright": (32,),
    "finger": (33,),
    "pick": (34,),
    "fretless": (35,),
    "slap": (36, 37),
    "synth": (38, 39),
}


def _rhythm(rng: np.random.Generator, style: str, length: float, chord: tuple[int, ...]) -> Steps:
    fifth = 7 if 7 in chord else chord[-1] % 12
    third = chord[1] if len(chord) > 2 else 12
    steps: Steps = []
    if style == "eighths":
        steps = [(x, 0.5, 0) for x in np.arange(0, length, 0.5)]
    elif style == "sixteenths":
        steps = [(x, 0.25, 0) for x in np.arange(0, length, 0.25) if x % 1.0 > 0.1]
    elif style == "acid":
        steps = [
            (x, 0.25, int(pick(rng, [0, 0, 0, 12, fifth, 3, 10, -12])))
            for x in np.arange(0, length, 0.25)
            if chance(rng, 0.75)
        ]
    elif style == "offbeat":
        steps = [(x + 0.5, 0.45, 0) for x in np.arange(0, length - 0.4, 1.0)]
    elif style == "octaves":
        steps = [(x, 0.45, 12 * (int(x * 2) % 2)) for x in np.arange(0, length, 0.5)]
    elif style == "held" or (style == "eight08" and chance(rng, 0.3)):
        steps = [(0.0, length, 0)]
    elif style == "eight08":
        steps = [(0.0, float(pick(rng, [1.0, 1.5, 2.5])), 0)]
        steps += [(x, float(pick(rng, [0.5, 1.0])), int(pick(rng, [0, 0, 12, fifth]))) for x in (1.75, 2.5,
            3.25) if chance(rng, 0.45) and x < length]  # fmt: skip
    elif style == "wobble":
        steps = [(0.0, length * float(pick(rng, [1.0, 0.75, 0.5])), 0)]
    elif style == "twobeat":
        steps = [
            (x, 0.9, fifth - 12 * int(fifth > 5) if int(x) % 2 else 0)
            for x in np.arange(0, length, 2.0 if length >= 4 else 1.5)
        ]
        steps = [(x, 0.9, (0, fifth - 12)[index % 2]) for index, (x, _, _) in enumerate(steps)]
    elif style == "walking":
        tones = [0, third, fifth, 12, fifth, third, 2, 9]
        steps = [(x, 0.95, 0 if x == 0 else int(pick(rng, tones))) for x in np.arange(0, length, 1.0)]
        if steps and length >= 2:
            steps[-1] = (steps[-1][0], 0.95, int(pick(rng, [-1, 1, fifth])))
    elif style == "bossa":
        steps = [
            (x, 1.0 if x % 2 else 1.4, 0 if x % 2 < 1 else fifth - 12) for x in np.arange(0, length, 2.0)
        ]
        steps += [(x + 1.5, 0.5, fifth - 12) for x in np.arange(0, length - 1.4, 2.0)]
    elif style == "reggae":
        steps = [(x, float(pick(rng, [0.5, 0.9])), int(pick(rng, [0, 0, third, fifth, 12]))) for x in (0.0,
            0.75, 1.5, 2.0, 3.0, 3.5) if x < length and chance(rng, 0.65)]  # fmt: skip
    elif style == "tumbao":
        steps = [(x, w, s) for x, w, s in ((1.5, 1.4, fifth - 12), (3.0, 1.0, 0)) if x < length] or [
            (0.0, 1.0, 0)
        ]
        if chance(rng, 0.4):
            steps.append((0.0, 1.2, 0))
    elif style == "slapfunk":
        steps = [
            (x, 0.22, int(pick(rng, [0, 0, 12, 12, 10, fifth])))
            for x in np.arange(0, length, 0.25)
            if x == 0 or chance(rng, 0.42)
        ]
    else:  # syncopated
        steps = [(x, float(pick(rng, [0.25, 0.5])), int(pick(rng, [0, 0, 0, 12, fifth,
            third]))) for x in np.arange(0, length, 0.25) if x == 0 or chance(rng, 0.3)]  # fmt: skip
    return sorted(step for step in steps if step[0] < length - 1e-6)


def write_bass(rng: np.random.Generator, plan: Plan, hits: list[Hit]) -> tuple[list[Note], str]:
    """Write a monophonic bass line on the bass notes of the chords. Returns the notes and the style."""
    style = pick(rng, plan.genre.basses)
    floor = LOWEST + int(rng.integers(0, 6))
    kicks = [hit.start_s for hit in hits if hit.kind == "kick"]
    themes: dict[tuple[str, float], Steps] = {}
    notes: list[Note] = []
    looseness = 0.5 * plan.genre.looseness_s
    for section in plan.sections:
        if "bass" not in section.parts:
            continue
        for span in plan.spans_in(section):
            key = (section.kind, span.length)
            manner = (
                "held"
                if section.energy < 0.3 and style not in ("walking", "acid", "held") and chance(rng, 0.5)
                else style
            )
            if manner == "follow":
                steps = _follow_kicks(plan, span, kicks)
            elif manner == "walking" or key not in themes or chance(rng, 0.15):
                themes[key] = steps = _rhythm(rng, manner, span.length, span.chord.intervals)
            else:
                steps = themes[key]
            root = floor + (span.chord.bass - floor) % 12
            for position, length, semitones in steps:
                at = span.start + position
                start = plan.clock.seconds(at) + float(np.clip(rng.normal(0, looseness), -0.015, 0.015))
                length = min(length, span.length - position)
                end = plan.clock.seconds(at + length * float(rng.uniform(0.75, 1.0)))
                pitch = root + semitones
                while pitch > HIGHEST:
                    pitch -= 12
                velocity = float(np.clip((0.7 + 0.25 * section.energy) * rng.uniform(0.85, 1.05), 0.2, 1.0))
                if start < plan.seconds - 0.05:
                    notes.append(
                        Note(max(0.0, start), max(0.05, end - start), float(max(pitch, LOWEST - 4)), velocity)
                    )
    return monophonic(notes), style


def _follow_kicks(plan: Plan, span: Span, kicks: list[float]) -> Steps:
    """Place notes on the kicks during this chord, or on eighths if it has no kicks."""
    positions = np.arange(0.0, span.length, 0.25)
    times = [plan.clock.seconds(span.start + float(position)) for position in positions]
    on = [
        float(p) for p, t in zip(positions, times, strict=True) if any(abs(t - kick) < 0.03 for kick in kicks)
    ]
    on = on or [float(p) for p in np.arange(0.0, span.length, 0.5)]
    if on[0] > 0:
        on.insert(0, 0.0)
    ends = [*on[1:], span.length]
    return [(position, end - position, 0) for position, end in zip(on, ends, strict=True)]


def _glide_curve(rng: np.random.Generator, notes: list[Note], seconds: float, glides: float) -> Curve:
    player = Player(5.0, 0.0, 1.0, float(rng.uniform(0.03, 0.2)), glides, 0.0, 0.0, 0.0, 0.0)
    return pitch_curve(rng, notes, player, seconds)


def _render_808(rng: np.random.Generator, notes: list[Note], total: int) -> Audio:
    """Render an 808 bass: decaying, saturated sines whose pitch falls into each note."""
    seconds = total / SAMPLE_RATE
    curve = _glide_curve(rng, notes, seconds, float(rng.choice([0.0, 0.4])))
    times = np.arange(total) / SAMPLE_RATE
    frequency = 440.0 * 2.0 ** ((np.interp(times, np.arange(curve.size) / CURVE_RATE, curve) - 69.0) / 12.0)
    level = np.zeros(total)
    decay, punch = float(rng.uniform(0.4, 1.8)), float(rng.uniform(0.5, 3.0))
    for note in notes:
        first, last = int(note.start_s * SAMPLE_RATE), min(total, int((note.end_s + 0.03) * SAMPLE_RATE))
        t = np.arange(max(0, last - first)) / SAMPLE_RATE
        level[first:last] = (
            note.velocity
            * np.exp(-t / decay)
            * np.minimum(1.0, t / 0.002)
            * np.clip((t[-1:] - t) / 0.02, 0.0, 1.0)
        )
        frequency[first:last] *= 1.0 + punch * np.exp(-t / 0.012)
    sound = np.sin(2.0 * np.pi * np.cumsum(frequency) / SAMPLE_RATE) * level
    drive = float(rng.uniform(1.0, 6.0))
    mono = (np.tanh(drive * sound) / np.tanh(drive)).astype(np.float32)
    return np.stack([mono, mono])


def _render_sample(rng: np.random.Generator, notes: list[Note], total: int, split: Split) -> Audio:
    name = pick(rng, sounds.in_split(tuple(sounds.BASSES), split))
    source = sounds.sample(name)
    track = np.zeros((2, total), dtype=np.float32)
    for note in notes:
        speed = 2.0 ** ((note.pitch - sounds.BASSES[name]) / 12.0)
        n = min(int(note.duration_s * SAMPLE_RATE) + 1000, int((source.shape[1] - 1) / speed))
        at = np.arange(n) * speed
        sound = np.stack([np.interp(at, np.arange(source.shape[1]), side) for side in source]).astype(
            np.float32
        )
        fade = min(n, 800)
        sound[:, -fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
        add_at(track, sound, int(note.start_s * SAMPLE_RATE), note.velocity)
    return track


def _wobble(rng: np.random.Generator, plan: Plan, sound: Audio) -> Audio:
    """Sweep a low-pass filter with an LFO in time with the song; its speed changes every bar."""
    hop = 128
    times = np.arange(-(-sound.shape[1] // hop)) * hop / SAMPLE_RATE
    quarters = times * plan.clock.tempo_bpm / 60.0
    bars = (quarters / plan.bar).astype(int)
    speeds = rng.choice([0.5, 1.0, 1.5, 2.0, 3.0, 4.0], size=int(bars[-1]) + 1)
    moved = 0.5 - 0.5 * np.cos(2.0 * np.pi * quarters * speeds[bars])
    return sweep(
        sound,
        90.0 * 2.0 ** (float(rng.uniform(3.5, 6.0)) * moved),
        float(rng.uniform(0.2, 0.7)),
        2.0,
        hop=hop,
    )


def render_bass(
    rng: np.random.Generator, plan: Plan, notes: list[Note], style: str, total: int, split: Split
) -> tuple[Audio, str]:
    """Play the line. Returns the sound (2, total) and the name of the instrument."""
    sound = pick(rng, plan.genre.bass_sounds)
    if style == "wobble":
        sound = pick(rng, ["reese", "fm", "saw"])
    if sound in _PROGRAMS and not sounds.have_fonts(split):
        sound = "saw"
    if sound == "sampled" and not sounds.have_samples():
        sound = "sub"
    if sound in _PROGRAMS:
        font = soundfonts.load(pick(rng, [path for path in sounds.FONTS[split] if path.exists()]))
        track = font.render(notes, total, pick(rng, _PROGRAMS[sound]))
        mono = track.mean(axis=0)
        return np.stack([mono, mono]), sound
    if sound == "808":
        return _render_808(rng, notes, total), sound
    if sound == "sampled":
        return _render_sample(rng, notes, total, split), sound
    track = _render_synth(rng, notes, sound, total, split)
    if style == "wobble":
        track = _wobble(rng, plan, track)
    return track, sound


def _render_synth(rng: np.random.Generator, notes: list[Note], sound: str, total: int, split: Split) -> Audio:
    from dataclasses import replace

    patch = make_patch("bass", sounds.preset(rng, split))
    if sound == "saw":
        patch = replace(patch, engine="table", shape="saw")
    elif sound == "square":
        patch = replace(patch, engine="table", shape=pick(rng, ["square", "pulse"]))
    elif sound == "sub":
        patch = replace(
            patch,
            engine="table",
            shape=pick(rng, ["sine", "triangle"]),
            unison=1,
            filter_kind="none",
            spread=0.0,
        )
    elif sound == "fm":
        patch = replace(patch, engine="fm", ratio=float(rng.choice([0.5, 1.0, 2.0, 3.0])))
    elif sound == "reese":
        patch = replace(patch, engine="table", shape="saw", unison=3, detune=float(rng.uniform(15, 45)),
            spread=float(rng.choice([0.0, 0.6])),
                        sub=0.7, cutoff=float(rng.uniform(1.5, 4.0)), sustain=1.0)  # fmt: skip
    elif sound == "acid":
        patch = replace(patch, engine="table", shape=pick(rng, ["saw", "square"]), unison=1, spread=0.0,
            filter_kind="LPF24", sub=0.0,
                        resonance=float(rng.uniform(0.6, 0.92)), cutoff=float(rng.uniform(0.0, 1.5)),
                        sweep_octaves=float(rng.uniform(1.5, 4.5)), sweep_decay=float(rng.uniform(0.1,
                            0.4)))  # fmt: skip
    if sound in ("acid", "reese") or chance(rng, 0.3):
        curve = _glide_curve(rng, notes, total / SAMPLE_RATE, float(rng.uniform(0.0, 0.7)))
        return play_line(patch, notes, curve, np.full(curve.size, 0.8), total, rng)
    return play(patch, notes, total, rng)
