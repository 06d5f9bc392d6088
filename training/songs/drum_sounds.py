"""Synthesise drums from sines and noise, like analogue drum machines. The number of a preset is its seed."""

from typing import Any

import numpy as np
from scipy.signal import butter, sosfilt

from training.songs.score import chance
from training.sound import SAMPLE_RATE, Audio


def _time(seconds: float) -> Audio:
    return _single(np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def _single(values: Any) -> Audio:
    single: Audio = np.asarray(values, dtype=np.float32)
    return single


def _band(sound: Audio, low_hz: float, high_hz: float, order: int = 2) -> Audio:
    sos = butter(order, [low_hz, min(high_hz, 0.49 * SAMPLE_RATE)], "band", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(sos, sound), dtype=np.float32)


def _high(sound: Audio, hz: float, order: int = 2) -> Audio:
    return np.asarray(
        sosfilt(butter(order, hz, "high", fs=SAMPLE_RATE, output="sos"), sound), dtype=np.float32
    )


def _falling_sine(t: Audio, from_hz: float, to_hz: float, fall_s: float) -> Audio:
    """Sine with a frequency that falls exponentially from `from_hz` to `to_hz`."""
    phase = to_hz * t + (from_hz - to_hz) * fall_s * (1.0 - np.exp(-t / fall_s))
    return _single(np.sin(2.0 * np.pi * phase))


def kick(rng: np.random.Generator) -> Audio:
    t = _time(0.9)
    base = float(rng.uniform(40, 65))
    body = _falling_sine(t, base * rng.uniform(2, 8), base, rng.uniform(0.008, 0.05)) * np.exp(
        -t / rng.uniform(0.07, 0.35)
    )
    click = rng.standard_normal(t.size).astype(np.float32) * np.exp(-t / rng.uniform(0.001, 0.006))
    sound = body + float(rng.uniform(0.0, 0.4)) * _high(click, float(rng.uniform(500, 4000)))
    drive = float(rng.uniform(1.0, 5.0)) if chance(rng, 0.5) else 1.0
    return _single(np.tanh(drive * sound))


def snare(rng: np.random.Generator) -> Audio:
    t = _time(0.6)
    base = float(rng.uniform(140, 260))
    body = _falling_sine(t, base * 1.6, base, 0.01) * np.exp(-t / rng.uniform(0.03, 0.14))
    body += 0.5 * _falling_sine(t, base * 2.5, base * 1.78, 0.01) * np.exp(-t / rng.uniform(0.02, 0.1))
    noise = rng.standard_normal(t.size).astype(np.float32)
    wires = _band(noise, float(rng.uniform(700, 2500)), float(rng.uniform(6000, 16000)), 1) * np.exp(
        -t / rng.uniform(0.03, 0.16)
    )
    sound = body * float(rng.uniform(0.2, 1.0)) + wires * float(rng.uniform(0.4, 1.3))
    return _single(np.tanh(float(rng.uniform(0.8, 2.5)) * sound))


def rim(rng: np.random.Generator) -> Audio:
    t = _time(0.15)
    sound = np.sin(2 * np.pi * rng.uniform(400, 560) * t) + np.sin(2 * np.pi * rng.uniform(1500, 2200) * t)
    return _single(np.tanh(2.0 * sound) * np.exp(-t / rng.uniform(0.008, 0.03)))


def clap(rng: np.random.Generator) -> Audio:
    t = _time(0.6)
    envelope = np.zeros(t.size, dtype=np.float32)
    gap = float(rng.uniform(0.007, 0.014))
    for stroke in range(int(rng.integers(2, 5))):
        at = stroke * gap * float(rng.uniform(0.8, 1.2))
        envelope = np.maximum(envelope, np.where(t >= at, np.exp(-(t - at) / 0.006), 0.0))
    envelope = np.maximum(
        envelope, np.where(t >= 3 * gap, 0.8 * np.exp(-(t - 3 * gap) / rng.uniform(0.04, 0.16)), 0.0)
    )
    noise = rng.standard_normal(t.size).astype(np.float32)
    return _single(_band(noise, float(rng.uniform(700, 1100)), float(rng.uniform(2200, 7000)), 1) * envelope)


def _metal(rng: np.random.Generator, t: Audio) -> Audio:
    """Metallic sound of classic drum machines: six square waves at inharmonic ratios, mixed with noise."""
    base = float(rng.uniform(180, 420))
    sound = np.zeros(t.size, dtype=np.float32)
    for ratio in (1.0, 1.342, 1.2312, 1.6532, 1.9523, 2.1523):
        sound += np.sign(np.sin(2 * np.pi * base * ratio * float(rng.uniform(0.97, 1.03)) * t)).astype(
            np.float32
        )
    noise = rng.standard_normal(t.size).astype(np.float32)
    share = float(rng.random())
    return _single(0.3 * sound * (1.0 - share) + noise * share)


def hat(rng: np.random.Generator, open_: bool = False) -> Audio:
    decay = float(rng.uniform(0.12, 0.5)) if open_ else float(rng.uniform(0.012, 0.06))
    t = _time(4.0 * decay + 0.05)
    return _single(_high(_metal(rng, t), float(rng.uniform(5500, 9000)), 3) * np.exp(-t / decay))


def cymbal(rng: np.random.Generator, ride: bool = False) -> Audio:
    decay = float(rng.uniform(0.35, 1.1))
    t = _time(3.0 * decay)
    wash = _high(_metal(rng, t), float(rng.uniform(2500, 5500)), 2) * np.exp(-t / decay)
    if ride:
        ping = np.sin(2 * np.pi * rng.uniform(2800, 5200) * t) * np.exp(-t / 0.1)
        return _single(0.5 * wash + 0.5 * ping)
    rise = 1.0 - np.exp(-t / 0.004)
    return _single(wash * rise)


def tom(rng: np.random.Generator, base_hz: float) -> Audio:
    t = _time(0.8)
    base = base_hz * float(rng.uniform(0.85, 1.2))
    body = _falling_sine(t, base * rng.uniform(1.2, 2.2), base, rng.uniform(0.02, 0.08)) * np.exp(
        -t / rng.uniform(0.1, 0.3)
    )
    click = rng.standard_normal(t.size).astype(np.float32) * np.exp(-t / 0.008)
    return _single(body + float(rng.uniform(0.02, 0.25)) * _band(click, 300, 5000, 1))


def shaker(rng: np.random.Generator) -> Audio:
    t = _time(0.2)
    noise = rng.standard_normal(t.size).astype(np.float32)
    shape = np.minimum(1.0, t / rng.uniform(0.005, 0.03)) * np.exp(-t / rng.uniform(0.02, 0.05))
    return _single(_band(noise, float(rng.uniform(3000, 6000)), float(rng.uniform(9000, 16000)), 1) * shape)


def tambourine(rng: np.random.Generator) -> Audio:
    t = _time(0.35)
    return _single(
        _high(_metal(rng, t), 6500, 2) * (np.exp(-t / 0.02) + 0.5 * np.exp(-t / rng.uniform(0.05, 0.12)))
    )


def conga(rng: np.random.Generator, base_hz: float) -> Audio:
    t = _time(0.45)
    base = base_hz * float(rng.uniform(0.9, 1.15))
    sound = _falling_sine(t, base * 1.15, base, 0.02) * np.exp(-t / rng.uniform(0.05, 0.15))
    slap = _band(rng.standard_normal(t.size).astype(np.float32), 900, 4500, 1) * np.exp(-t / 0.006)
    return _single(sound + float(rng.uniform(0.05, 0.4)) * slap)


def bell(rng: np.random.Generator) -> Audio:
    t = _time(0.4)
    low = float(rng.uniform(480, 620))
    sound = np.sign(np.sin(2 * np.pi * low * t)) + np.sign(np.sin(2 * np.pi * low * 1.48 * t))
    return _single(_band(sound.astype(np.float32), 500, 6000, 1) * np.exp(-t / rng.uniform(0.03, 0.12)))


def brush(rng: np.random.Generator) -> Audio:
    t = _time(0.28)
    noise = rng.standard_normal(t.size).astype(np.float32)
    stroke = np.sin(np.pi * np.minimum(1.0, t / 0.28)) ** 2
    return _single(_band(noise, 900, float(rng.uniform(5000, 11000)), 1) * stroke)


def make_drum(kind: str, number: int) -> Audio:
    """Synthesise the drum `kind` with preset `number`: (samples,), peak 1."""
    rng = np.random.default_rng([number, sum(map(ord, kind))])
    if kind in ("tom_high", "tom_mid", "tom_low"):
        sound = tom(rng, {"tom_high": 190.0, "tom_mid": 135.0, "tom_low": 90.0}[kind])
    elif kind in ("conga_high", "conga_low", "perc"):
        sound = conga(rng, {"conga_high": 330.0, "conga_low": 210.0, "perc": 600.0}[kind])
    else:
        makers = {
            "kick": kick, "snare": snare, "rim": rim, "clap": clap, "hat": hat, "crash": cymbal,
            "shaker": shaker,
            "tambourine": tambourine, "cowbell": bell, "brush": brush, "pedal": hat,
        }  # fmt: skip
        if kind in makers:
            sound = makers[kind](rng)
        elif kind == "open":
            sound = hat(rng, open_=True)
        else:
            sound = cymbal(rng, ride=True)
    sound = sound.astype(np.float32)
    sound[-200:] *= np.linspace(1.0, 0.0, 200, dtype=np.float32)
    return np.asarray(sound / max(1e-6, float(np.abs(sound).max())), dtype=np.float32)
