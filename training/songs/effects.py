"""Studio effects: reverb, echo, modulation, amplifiers, compressors, equalisers. Sounds are (2, samples)."""

import numpy as np
from scipy.signal import butter, oaconvolve, sosfilt

from training.songs.score import chance, gain, pick
from training.sound import SAMPLE_RATE, Audio


def impulse_response(
    rng: np.random.Generator, decay_s: float, damping: float, early: int = 6, predelay_s: float = 0.0
) -> Audio:
    """Draw a room impulse response (2, samples) of energy 1: sparse early echoes, then decaying noise.

    `decay_s` is the time to -60 dB. `damping` in 0..1 shortens it for high bands. The channels are independent.
    """
    n = int((decay_s * 1.1 + predelay_s + 0.02) * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    tail = np.zeros((2, n))
    edges = [60.0, 400.0, 1500.0, 5000.0, 15_000.0]
    noise = rng.standard_normal((2, n))
    for index in range(4):
        band = sosfilt(
            butter(1, [edges[index], edges[index + 1]], "band", fs=SAMPLE_RATE, output="sos"), noise
        )
        tail += (
            band
            * 10.0 ** (-3.0 * t / (decay_s * (1.0 - damping * index / 4.0)))
            * (1.0 - 0.6 * damping * index / 3.0)
        )
    delay = int(predelay_s * SAMPLE_RATE)
    response = np.zeros((2, n))
    response[:, delay:] = tail[:, : n - delay]
    for _ in range(early):
        at = delay + int(rng.uniform(0.002, 0.05) * SAMPLE_RATE)
        if at < n:
            response[:, at] += rng.uniform(-1, 1, 2) * 12.0 * np.exp(-(at - delay) / (0.03 * SAMPLE_RATE))
    response /= np.sqrt(np.mean(np.sum(response**2, axis=1)))
    return response.astype(np.float32)


def convolved(sound: Audio, response: Audio) -> Audio:
    return np.asarray(oaconvolve(sound, response, axes=1)[:, : sound.shape[1]], dtype=np.float32)


def reverb(rng: np.random.Generator, sound: Audio, size: str) -> Audio:
    """Return only the reverberation. `size` is room, plate or hall."""
    import pedalboard

    if chance(rng, 0.5):
        room = {"room": (0.05, 0.35), "plate": (0.3, 0.65), "hall": (0.6, 0.95)}[size]
        unit = pedalboard.Reverb(
            float(rng.uniform(*room)), float(rng.uniform(0.1, 0.8)), 1.0, 0.0, float(rng.uniform(0.6, 1.0))
        )
        return np.asarray(unit(sound, SAMPLE_RATE), dtype=np.float32)
    decay = {"room": (0.15, 0.5), "plate": (0.7, 1.8), "hall": (1.5, 3.2)}[size]
    response = impulse_response(
        rng,
        float(rng.uniform(*decay)),
        float(rng.uniform(0.2, 0.85)),
        predelay_s=float(rng.uniform(0.0, 0.04)),
    )
    return convolved(sound, response)


def echo(sound: Audio, delay_s: float, feedback: float, darkness_hz: float, crossed: bool) -> Audio:
    """Return only the echoes, each darker than the previous one. Crossed echoes alternate between the channels."""
    step = max(1, int(delay_s * SAMPLE_RATE))
    sos = butter(1, darkness_hz, fs=SAMPLE_RATE, output="sos")
    out = np.zeros_like(sound)
    repeat, level = sound, 1.0
    for turn in range(1, 7):
        level *= feedback if turn > 1 else 1.0
        if level < 0.03 or turn * step >= sound.shape[1]:
            break
        repeat = sosfilt(sos, repeat).astype(np.float32)
        if crossed:
            repeat = repeat[::-1] if turn > 1 else repeat * np.array([[1.4], [0.0]], dtype=np.float32)
        out[:, turn * step :] += level * repeat[:, : sound.shape[1] - turn * step]
    return out


def chorus(rng: np.random.Generator, sound: Audio) -> Audio:
    import pedalboard

    unit = pedalboard.Chorus(
        float(rng.uniform(0.2, 2.5)),
        float(rng.uniform(0.1, 0.5)),
        float(rng.uniform(5, 12)),
        float(rng.uniform(0, 0.25)),
        0.5,
    )
    return np.asarray(unit(sound, SAMPLE_RATE), dtype=np.float32)


def modulated(rng: np.random.Generator, sound: Audio, tempo_bpm: float) -> Audio:
    """Apply a chorus, phaser, tremolo, auto-pan or rotary speaker, drawn at random."""
    import pedalboard

    kind = pick(rng, ["chorus", "phaser", "tremolo", "pan"])
    if kind == "chorus":
        return chorus(rng, sound)
    if kind == "phaser":
        unit = pedalboard.Phaser(
            float(rng.uniform(0.1, 1.5)),
            float(rng.uniform(0.3, 0.9)),
            float(rng.uniform(500, 1800)),
            float(rng.uniform(0, 0.5)),
            0.5,
        )
        return np.asarray(unit(sound, SAMPLE_RATE), dtype=np.float32)
    rate = (
        tempo_bpm / 60.0 * float(pick(rng, [0.5, 1, 2, 4]))
        if chance(rng, 0.5)
        else float(rng.uniform(2.5, 7.5))
    )
    depth = float(rng.uniform(0.2, 0.8))
    swing = np.sin(2.0 * np.pi * rate * np.arange(sound.shape[1]) / SAMPLE_RATE).astype(np.float32)
    other = swing if kind == "tremolo" else -swing
    return sound * np.stack([1.0 - depth * (0.5 + 0.5 * swing), 1.0 - depth * (0.5 + 0.5 * other)])


def filtered(sound: Audio, hz: float | tuple[float, float], kind: str, order: int = 2) -> Audio:
    """Butterworth filter; `kind` is low, high or band."""
    sos = butter(order, hz, kind, fs=SAMPLE_RATE, output="sos").astype(np.float32)
    return np.asarray(sosfilt(sos, sound), dtype=np.float32)


def amplifier(rng: np.random.Generator, sound: Audio, drive_db: float) -> Audio:
    """Guitar amplifier: low cut, two stages of soft clipping (one asymmetric), and a loudspeaker cabinet.

    The cabinet is a band-pass with random resonances and a steep slope above 4 to 6 kHz, like close-miked ones.
    """
    import pedalboard
    from pedalboard._pedalboard import Pedalboard

    level = float(np.sqrt(np.mean(sound**2))) + 1e-6
    x = filtered(sound, float(rng.uniform(70, 250)), "high") * (0.12 / level) * gain(drive_db)
    x = np.tanh(x + 0.2) - np.tanh(0.2)
    x = filtered(np.asarray(x, dtype=np.float32), float(rng.uniform(5000, 9000)), "low", 1)
    x = np.tanh(gain(drive_db * 0.4) * x).astype(np.float32)
    board = Pedalboard([
        pedalboard.HighpassFilter(float(rng.uniform(70, 130))),
        pedalboard.PeakFilter(float(rng.uniform(90, 160)), float(rng.uniform(0, 5)), 1.2),
        pedalboard.PeakFilter(float(rng.uniform(350, 700)), float(rng.uniform(-8, 1)), 1.0),
        pedalboard.PeakFilter(float(rng.uniform(1800, 3600)), float(rng.uniform(1, 8)), 1.3),
        pedalboard.LowpassFilter(float(rng.uniform(4000, 6500))),
        pedalboard.LowpassFilter(float(rng.uniform(4500, 7000))),
    ])  # fmt: skip
    return np.asarray(board(x, SAMPLE_RATE), dtype=np.float32)


def compressed(sound: Audio, threshold_db: float, ratio: float, attack_ms: float, release_ms: float) -> Audio:
    """Compress with a threshold `threshold_db` relative to the peak of the sound."""
    import pedalboard

    peak = float(np.abs(sound).max()) + 1e-6
    unit = pedalboard.Compressor(threshold_db, ratio, attack_ms, release_ms)
    return np.asarray(unit(sound / peak, SAMPLE_RATE), dtype=np.float32) * peak


def saturated(rng: np.random.Generator, sound: Audio) -> Audio:
    """Tape or valve saturation, sometimes asymmetric, that keeps the level."""
    level = float(np.sqrt(np.mean(sound**2))) * 4.0 + 1e-6
    drive = float(rng.uniform(0.4, 2.0))
    bias = float(rng.uniform(0.0, 0.3))
    x = sound * (drive / level)
    return np.asarray((np.tanh(x + bias) - np.tanh(bias)) * (level / drive), dtype=np.float32)


def equalised(rng: np.random.Generator, sound: Audio, strength_db: float = 3.0) -> Audio:
    """Random equaliser: two shelves and two bells with gains of standard deviation `strength_db`."""
    import pedalboard
    from pedalboard._pedalboard import Pedalboard

    draw = rng.normal(0.0, strength_db, 4)
    board = Pedalboard([
        pedalboard.LowShelfFilter(float(rng.uniform(80, 250)), float(draw[0])),
        pedalboard.PeakFilter(float(np.exp(rng.uniform(np.log(200), np.log(1200)))), float(draw[1]),
            float(rng.uniform(0.4, 1.5))),
        pedalboard.PeakFilter(float(np.exp(rng.uniform(np.log(1000), np.log(6000)))), float(draw[2]),
            float(rng.uniform(0.4, 1.5))),
        pedalboard.HighShelfFilter(float(rng.uniform(4000, 10_000)), float(draw[3])),
    ])  # fmt: skip
    return np.asarray(board(sound, SAMPLE_RATE), dtype=np.float32)


def panned(sound: Audio, pan: float, width: float) -> Audio:
    """Scale the side signal by `width` (0 is mono, 2 is wider), then pan with constant power; `pan` is in -1..1."""
    mid, side = (sound[0] + sound[1]) * 0.5, (sound[0] - sound[1]) * (0.5 * width)
    angle = (1.0 + pan) * np.pi / 4.0
    return np.stack(
        [
            (mid + side) * np.float32(np.sqrt(2) * np.cos(angle)),
            (mid - side) * np.float32(np.sqrt(2) * np.sin(angle)),
        ]
    )


def doubled(sound: Audio, delay_s: float) -> Audio:
    """Delay the right channel by `delay_s` for width (Haas effect)."""
    n = int(delay_s * SAMPLE_RATE)
    late = np.zeros_like(sound[1])
    late[n:] = sound[1, : sound.shape[1] - n]
    return np.stack([sound[0], late])
