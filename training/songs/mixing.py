"""Mix a song: process drums and bass, balance the stems, and apply side-chain pumping."""

import numpy as np

from training.songs import effects
from training.songs.form import Plan
from training.songs.score import Hit, chance, gain, pick
from training.sound import SAMPLE_RATE, Audio

FRAME = SAMPLE_RATE * 2 // 5
"""0.4 s, the block length of loudness meters (ITU-R BS.1770)."""


def loudness(sound: Audio) -> float:
    """Loudness of a stem while it plays: RMS over both channels of the blocks within 20 dB of the loudest; 0 if silent.

    A first-order high-pass at 100 Hz weights the low frequencies, so that a bass sounds as loud as a voice of equal
    value.
    """
    count = sound.shape[1] // FRAME
    if count == 0:
        return float(np.sqrt(np.mean(sound**2)))
    weighted = effects.filtered(sound, 100.0, "high", 1)
    power = np.mean(weighted[:, : count * FRAME].reshape(2, count, FRAME) ** 2, axis=(0, 2))
    audible = power[power > 0.01 * power.max()]
    return float(np.sqrt(np.mean(audible))) if audible.size else 0.0


def mix_drums(rng: np.random.Generator, tracks: dict[str, Audio], loop: Audio | None, total: int) -> Audio:
    """Mix the tracks of a kit, and a loop if any, with EQ, room, compression and saturation: (2, total)."""
    dry = np.zeros((2, total), dtype=np.float32)
    send = np.zeros((2, total), dtype=np.float32)
    for kind, track in tracks.items():
        sound = track
        if kind in ("kick", "snare", "clap", "hat") and chance(rng, 0.6):
            sound = effects.equalised(rng, sound, 3.0)
        dry += sound
        send += sound * (float(rng.uniform(0.02, 0.2)) if kind == "kick" else float(rng.uniform(0.2, 1.0)))
        if kind in ("snare", "clap", "rim") and chance(rng, 0.35):
            wet = effects.reverb(rng, sound, pick(rng, {"room": 2, "plate": 4, "hall": 1}))
            dry += wet * (
                gain(float(rng.uniform(-22, -6)))
                * float(np.abs(sound).max())
                / max(1e-6, float(np.abs(wet).max()))
            )
    if loop is not None:
        level = loudness(loop)
        if level > 0:
            reference = loudness(dry) or 0.1
            dry = dry * float(rng.uniform(0.3, 1.0)) + loop * (
                reference / level * float(rng.uniform(0.3, 1.2))
            )
    if chance(rng, 0.75) and np.any(send):
        room = effects.convolved(
            send,
            effects.impulse_response(rng, float(rng.uniform(0.12, 0.9)), float(rng.uniform(0.1, 0.8)), 10),
        )
        peak = float(np.abs(dry).max()) / max(1e-6, float(np.abs(room).max()))
        room = effects.compressed(room, -24.0, 4.0, 3.0, 120.0) if chance(rng, 0.4) else room
        dry = dry + room * peak * gain(float(rng.uniform(-26, -7)))
    if chance(rng, 0.65):
        dry = effects.compressed(
            dry,
            float(rng.uniform(-22, -8)),
            float(rng.uniform(1.5, 5)),
            float(rng.uniform(3, 40)),
            float(rng.uniform(50, 250)),
        )
    if chance(rng, 0.25):
        squashed = effects.compressed(dry, -32.0, 10.0, 1.0, 120.0)
        dry = dry + squashed * float(rng.uniform(0.5, 2.0))
    if chance(rng, 0.35):
        dry = effects.saturated(rng, dry)
    dry = effects.equalised(rng, dry, 2.0)
    return effects.panned(dry, 0.0, float(rng.uniform(0.0, 1.2)) if chance(rng, 0.5) else 1.0)


def mix_bass(rng: np.random.Generator, sound: Audio) -> Audio:
    """Process a bass: saturation, amplifier, compression, EQ, and lows in mono."""
    if chance(rng, 0.5):
        sound = effects.saturated(rng, sound)
    if chance(rng, 0.08):
        grit = effects.amplifier(rng, sound, float(rng.uniform(5, 25)))
        sound = sound + grit * (float(rng.uniform(0.1, 0.8)) * loudness(sound) / max(1e-6, loudness(grit)))
    if chance(rng, 0.75):
        sound = effects.compressed(
            sound,
            float(rng.uniform(-24, -10)),
            float(rng.uniform(2, 7)),
            float(rng.uniform(2, 30)),
            float(rng.uniform(50, 250)),
        )
    sound = effects.equalised(rng, sound, 3.0)
    if chance(rng, 0.35):
        sound = effects.filtered(sound, float(np.exp(rng.uniform(np.log(500), np.log(6000)))), "low", 1)
    sound = effects.filtered(sound, float(rng.uniform(22, 45)), "high", 2)
    if chance(rng, 0.1):
        sound = effects.chorus(rng, sound)
    if chance(rng, 0.12):
        wet = effects.reverb(rng, sound, "room")
        sound = sound + wet * float(rng.uniform(0.02, 0.15))
    low = effects.filtered(sound, 120.0, "low", 1)
    high = sound - low
    return np.repeat(low.mean(axis=0, keepdims=True), 2, axis=0) + effects.panned(
        high, 0.0, float(rng.uniform(0.0, 1.2))
    )


def pumping(rng: np.random.Generator, hits: list[Hit], total: int) -> Audio:
    """Side-chain gain (total,): each kick lowers it, then it recovers."""
    depth, release = float(rng.uniform(0.2, 0.85)), float(rng.uniform(0.08, 0.32))
    curve = np.ones(total, dtype=np.float32)
    n = int(4 * release * SAMPLE_RATE)
    t = np.arange(n, dtype=np.float32) / SAMPLE_RATE
    dip = 1.0 - depth * np.exp(-((t / release) ** 2)) * np.minimum(1.0, t / 0.004)
    for hit in hits:
        if hit.kind == "kick":
            start = int(hit.start_s * SAMPLE_RATE)
            count = min(n, total - start)
            if count > 0:
                curve[start : start + count] = np.minimum(curve[start : start + count], dip[:count])
    return curve


def section_gains(rng: np.random.Generator, plan: Plan, total: int) -> Audio:
    """Gain (total,) that makes sections of low energy a few dB softer."""
    reach = float(rng.uniform(0.0, 7.0))
    points, levels = [0.0], [gain(reach * (plan.sections[0].energy - 1.0))]
    for section in plan.sections:
        start = plan.clock.seconds(section.start)
        points += [start + 0.005, plan.clock.seconds(section.end) - 0.005]
        levels += [gain(reach * (section.energy - 1.0))] * 2
    return np.interp(np.arange(total) / SAMPLE_RATE, points, levels).astype(np.float32)


def draw_levels(rng: np.random.Generator) -> dict[str, float]:
    """Draw the level in dB of each accompanying stem, and of the vocals relative to the whole accompaniment.

    The median of -6 dB and the range of -12 to +3 dB of the vocals are those of commercial mixes. The bass is as loud
    as the drums: in recorded songs it has more energy than the bass drum between 80 and 150 Hz.
    """
    vocals = float(np.clip(rng.normal(-5.5, 3.4), -13.0, 4.0))
    return {
        "drums": float(np.clip(rng.normal(0.0, 3.2), -8, 7)),
        "bass": float(np.clip(rng.normal(0.5, 3.2), -7, 8)),
        "other": float(np.clip(rng.normal(0.5, 3.5), -8, 8)),
        "vocals": vocals,
    }


def balanced(stems: dict[str, Audio], levels: dict[str, float]) -> dict[str, Audio]:
    """Scale the stems to the levels; silent stems stay silent."""
    out = {}
    backing = np.zeros_like(stems["other"])
    for name in ("drums", "bass", "other"):
        level = loudness(stems[name])
        out[name] = (
            stems[name] * (gain(levels[name]) * 0.1 / level) if level > 1e-6 else np.zeros_like(stems[name])
        )
        backing += out[name]
    level, reference = loudness(stems["vocals"]), loudness(backing) or 0.1
    scale = gain(levels["vocals"]) * reference / level if level > 1e-6 else 0.0
    out["vocals"] = stems["vocals"] * scale
    return out
