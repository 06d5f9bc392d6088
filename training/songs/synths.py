"""A synthesiser with unison oscillators, FM, plucked strings and a filter envelope. Preset numbers are seeds."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from training.songs.expression import CURVE_RATE, Curve
from training.songs.oscillators import Floats, adsr, phase_of, sweep, wave
from training.songs.score import Note, chance, hertz, pick
from training.sound import SAMPLE_RATE, Audio, add_at


@dataclass(frozen=True)
class Patch:
    """Parameters of a sound.

    `engine` is table, fm or string. Times are in seconds, detune in cents, cutoff in octaves above the note.
    """

    engine: str
    shape: str
    seed: int
    unison: int
    detune: float
    spread: float
    sub: float
    noise: float
    ratio: float
    index: float
    attack: float
    decay: float
    sustain: float
    release: float
    filter_kind: str
    cutoff: float
    sweep_octaves: float
    sweep_decay: float
    resonance: float
    drive: float


_ROLES: dict[str, dict[str, tuple[float, float]]] = {
    "pad": {"attack": (0.08, 0.9), "decay": (1.0, 3.0), "sustain": (0.6, 1.0), "release": (0.3, 1.5),
    "cutoff": (0.5, 4.0), "sweep": (0.0, 1.5)},
    "pluck": {"attack": (0.001, 0.006), "decay": (0.1, 0.7), "sustain": (0.0, 0.15), "release": (0.08, 0.5),
    "cutoff": (0.3, 2.5), "sweep": (1.0, 4.5)},
    "stab": {"attack": (0.001, 0.02), "decay": (0.2, 0.9), "sustain": (0.1, 0.6), "release": (0.05, 0.3),
    "cutoff": (0.8, 4.0), "sweep": (0.0, 3.5)},
    "arp": {"attack": (0.001, 0.01), "decay": (0.08, 0.5), "sustain": (0.0, 0.4), "release": (0.05, 0.35),
    "cutoff": (0.5, 3.5), "sweep": (0.5, 4.0)},
    "lead": {"attack": (0.003, 0.05), "decay": (0.3, 1.5), "sustain": (0.5, 1.0), "release": (0.05, 0.25),
    "cutoff": (1.5, 5.0), "sweep": (0.0, 2.0)},
    "bass": {"attack": (0.001, 0.015), "decay": (0.1, 1.2), "sustain": (0.2, 1.0), "release": (0.03, 0.12),
    "cutoff": (0.6, 4.0), "sweep": (0.0, 4.0)},
}  # fmt: skip


def make_patch(role: str, number: int) -> Patch:
    """Create the patch of a preset number for a role. Patches of the same number sound related."""
    rng = np.random.default_rng([number, 4711])
    bounds = _ROLES[role]

    def between(name: str) -> float:
        return float(rng.uniform(*bounds[name]))

    engine = pick(rng, {"table": 6, "fm": 2.0, "string": 1.0 if role in ("pluck", "arp") else 0.0})
    shape = pick(
        rng,
        {"saw": 5, "square": 2, "pulse": 3, "triangle": 1, "sine": 0.7, "organ": 1, "drawn": 3, "vocal": 0.7},
    )
    wide = role in ("pad", "stab", "lead", "arp") and chance(rng, 0.6)
    return Patch(
        engine=engine, shape=shape, seed=number,
        unison=int(pick(rng, [3, 5, 7])) if wide else int(pick(rng, [1, 1, 2])),
        detune=float(rng.uniform(3, 28)), spread=float(rng.uniform(0.3, 1.0)) if wide else 0.0,
        sub=float(rng.uniform(0.2, 0.9)) if chance(rng, 0.5 if role == "bass" else 0.2) else 0.0,
        noise=float(rng.uniform(0.005, 0.06)) if chance(rng, 0.2) else 0.0,
        ratio=float(pick(rng, [0.5, 1, 1, 2, 3, 4, 1.41, 3.5, 7, 14])), index=float(rng.uniform(0.4, 6.0)),
        attack=between("attack"), decay=between("decay"), sustain=between("sustain"),
            release=between("release"),
        filter_kind=pick(rng, {"LPF24": 5, "LPF12": 3, "BPF12": 0.5, "none": 1.5}),
        cutoff=between("cutoff"), sweep_octaves=between("sweep"), sweep_decay=float(rng.uniform(0.05, 0.8)),
        resonance=float(rng.uniform(0.0, 0.75)) * (0.6 if role == "pad" else 1.0),
            drive=float(rng.uniform(1.0, 3.0)),
    )  # fmt: skip


def string(frequency: float, samples: int, brightness: float, seed: int) -> Audio:
    """Plucked string (Karplus and Strong, 1983): noise in a delay line with a loss filter."""
    period = SAMPLE_RATE / frequency - 0.5
    delay = max(2, int(period))
    fraction = period - delay
    rng = np.random.default_rng([seed, delay, 3])
    burst = np.zeros(samples)
    pluck = rng.uniform(-1.0, 1.0, min(delay, samples))
    burst[: pluck.size] = lfilter([brightness], [1.0, brightness - 1.0], pluck)
    loss = 0.5 ** (1.0 / max(1.0, frequency * (0.4 + 200.0 / frequency)))
    feedback = np.zeros(delay + 3)
    feedback[0] = 1.0
    # The loop delay includes half a sample of the two-point average, and a linear fractional delay for tuning.
    for tap, weight in ((0, 0.5 * (1 - fraction)), (1, 0.5), (2, 0.5 * fraction)):
        feedback[delay + tap] -= loss * weight
    sound = lfilter([1.0], feedback, burst)
    return np.asarray(sound / max(1e-6, float(np.abs(sound).max())), dtype=np.float32)


def tone(patch: Patch, frequency: Floats | float, samples: int, rng: np.random.Generator) -> Audio:
    """Oscillators before the filter: (channels, samples), with two channels if unison is spread."""
    if patch.engine == "string" and isinstance(frequency, float):
        return string(frequency, samples, 0.2 + 0.7 * (patch.seed % 10) / 10.0, patch.seed)[None]
    if patch.engine == "fm":
        phase = phase_of(frequency, samples)
        fade = np.exp(-np.arange(samples) / SAMPLE_RATE / patch.decay) * 0.8 + 0.2
        mod = np.sin(2.0 * np.pi * patch.ratio * phase) * fade * patch.index
        return (0.5 * np.sin(2.0 * np.pi * phase + mod)).astype(np.float32)[None]
    channels = 2 if patch.spread > 0 and patch.unison > 1 else 1
    out = np.zeros((channels, samples), dtype=np.float32)
    for voice in range(patch.unison):
        place = 2.0 * voice / (patch.unison - 1) - 1.0 if patch.unison > 1 else 0.0
        scale = 2.0 ** (place * patch.detune / 1200.0)
        sound = wave(patch.shape, patch.seed, frequency * scale, samples, float(rng.random()))
        side = place * patch.spread * (-1) ** voice
        for channel in range(channels):
            angle = (1.0 + (side if channel else -side)) * np.pi / 4.0
            out[channel] += sound * float(np.sin(angle) if channels == 2 else 1.0)
    out /= np.sqrt(patch.unison)
    if patch.sub:
        out += patch.sub * wave("sine", 0, frequency * 0.5, samples)
    if patch.noise:
        out += patch.noise * rng.standard_normal(samples).astype(np.float32)
    return out


def play(patch: Patch, notes: list[Note], total: int, rng: np.random.Generator) -> Audio:
    """Play polyphonic notes: (2, total). Notes of equal pitch and length are synthesised once and reused."""
    track = np.zeros((2, total), dtype=np.float32)
    cache: dict[tuple[int, int], Audio] = {}
    for note in notes:
        held = int(note.duration_s * SAMPLE_RATE)
        key = (round(note.pitch * 8), held // 441)
        if key not in cache:
            samples = held + int(min(2.0, 1.2 * patch.release) * SAMPLE_RATE)
            frequency = hertz(note.pitch)
            raw = tone(patch, frequency, samples, rng)
            envelope = adsr(samples, held, patch.attack, patch.decay, patch.sustain, patch.release)
            cache[key] = _filtered(patch, raw, frequency, samples) * envelope
        add_at(track, cache[key], int(note.start_s * SAMPLE_RATE), note.velocity**1.5)
    return track


def _filtered(patch: Patch, raw: Audio, frequency: float, samples: int) -> Audio:
    if patch.filter_kind == "none":
        return raw
    hop = 128 if patch.sweep_octaves > 0.3 else 2048
    t = np.arange(-(-samples // hop)) * hop / SAMPLE_RATE
    octaves = patch.cutoff + patch.sweep_octaves * np.exp(-t / patch.sweep_decay)
    return sweep(raw, frequency * 2.0**octaves, patch.resonance, patch.drive, patch.filter_kind, hop)


def play_line(
    patch: Patch, notes: list[Note], curve: Curve, swells: Curve, total: int, rng: np.random.Generator
) -> Audio:
    """Play a monophonic line whose pitch (MIDI) and loudness follow the curves: (2, total)."""
    times = np.arange(total) / SAMPLE_RATE
    grid = np.arange(curve.size) / CURVE_RATE
    frequency = 440.0 * 2.0 ** ((np.interp(times, grid, curve) - 69.0) / 12.0)
    raw = tone(patch, frequency, total, rng)
    envelope = np.zeros(total, dtype=np.float32)
    hop = 128
    cutoff = np.full(-(-total // hop), 300.0)
    for note in notes:
        held = int(note.duration_s * SAMPLE_RATE)
        samples = held + int(1.2 * patch.release * SAMPLE_RATE)
        start = int(note.start_s * SAMPLE_RATE)
        shape = adsr(samples, held, patch.attack, patch.decay, patch.sustain, patch.release) * note.velocity
        stop = min(total, start + samples)
        if stop > start:
            envelope[start:stop] = np.maximum(envelope[start:stop], shape[: stop - start])
        first, last = start // hop, min(cutoff.size, stop // hop + 1)
        t = np.arange(max(0, last - first)) * hop / SAMPLE_RATE
        octaves = patch.cutoff + patch.sweep_octaves * np.exp(-t / patch.sweep_decay)
        cutoff[first:last] = hertz(note.pitch) * 2.0**octaves
    if patch.filter_kind != "none":
        raw = sweep(raw, cutoff, patch.resonance, patch.drive, patch.filter_kind, hop)
    loudness = np.interp(times, np.arange(swells.size) / CURVE_RATE, swells).astype(np.float32)
    out = raw * envelope * loudness
    return np.repeat(out, 2, axis=0) if out.shape[0] == 1 else out
