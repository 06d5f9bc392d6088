"""Degrade stems like old or compressed recordings: lossy codecs, cassettes, narrow bands, noise."""

import io

import numpy as np

from training.songs import effects
from training.songs.score import chance, gain, pick
from training.sound import SAMPLE_RATE, Audio

_CODECS = {"mp3": ("libmp3lame", "mp3", 1152), "aac": ("aac", "ipod", 1024)}


def through_codec(sound: Audio, codec: str, bit_rate: int) -> Audio:
    """Encode and decode (2, samples) with mp3 or aac, without a delay.

    FFmpeg skips the delay of LAME, which the file states. The AAC encoder always adds one frame, removed here.
    """
    import av
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    name, container, frame_size = _CODECS[codec]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(name, rate=SAMPLE_RATE)
        assert isinstance(stream, AudioStream)
        stream.bit_rate = bit_rate
        stream.codec_context.format = "fltp"
        stream.codec_context.layout = "stereo"
        resampler = av.AudioResampler("fltp", "stereo", SAMPLE_RATE, frame_size=frame_size)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound, dtype=np.float32), "fltp", "stereo")
        frame.sample_rate = SAMPLE_RATE
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as back:
        assert isinstance(back, InputContainer)
        decoded = np.concatenate([f.to_ndarray() for f in back.decode(audio=0)], axis=1)
    if codec == "aac":
        decoded = decoded[:, frame_size:]
    result = np.zeros_like(sound)
    count = min(sound.shape[1], decoded.shape[1])
    result[:, :count] = decoded[:, :count]
    return result


def draw_degradation(rng: np.random.Generator) -> dict[str, float | str]:
    """Draw the degradation of all stems of a song; most songs have none."""
    kind = pick(rng, {"none": 60, "mp3": 6, "aac": 5, "lowpass": 16, "old": 4, "cassette": 4, "narrow": 3})
    degradation: dict[str, float | str] = {"kind": kind}
    if kind in ("mp3", "aac"):
        degradation["bit_rate"] = int(pick(rng, [64_000, 96_000, 128_000, 128_000, 160_000, 192_000]))
    elif kind == "lowpass":
        degradation["hz"] = float(rng.uniform(10_500, 19_000))
    elif kind == "old":
        degradation["low_hz"], degradation["high_hz"] = (
            float(rng.uniform(80, 220)),
            float(rng.uniform(3800, 7500)),
        )
    elif kind == "cassette":
        degradation["hz"] = float(rng.uniform(8000, 13_000))
    elif kind == "narrow":
        degradation["rate"] = float(pick(rng, [16_000, 22_050, 32_000]))
    return degradation


def degrade(rng: np.random.Generator, degradation: dict[str, float | str], sound: Audio) -> Audio:
    """Degrade one stem. Each stem is processed alone, so that the stems still sum to the mixture."""
    kind = str(degradation["kind"])
    if not np.any(sound) or kind == "none":
        return sound
    if kind in ("mp3", "aac"):
        return through_codec(sound, kind, int(degradation["bit_rate"]))
    if kind == "lowpass":
        return effects.filtered(sound, float(degradation["hz"]), "low", 6)
    if kind == "old":
        mono = np.repeat(sound.mean(axis=0, keepdims=True), 2, axis=0)
        return effects.filtered(
            mono, (float(degradation["low_hz"]), float(degradation["high_hz"])), "band", 2
        )
    if kind == "cassette":
        return effects.filtered(effects.saturated(rng, sound), float(degradation["hz"]), "low", 2)
    return effects.filtered(sound, 0.46 * float(degradation["rate"]), "low", 8)


def noise_floor(rng: np.random.Generator, total: int) -> Audio:
    """Hiss and hum of old equipment, (2, total); they belong to "other"."""
    sound = rng.standard_normal((2, total)).astype(np.float32)
    sound = effects.filtered(sound, float(rng.uniform(3000, 12_000)), "low", 1)
    sound *= gain(float(rng.uniform(-75, -52)))
    if chance(rng, 0.4):
        t = np.arange(total, dtype=np.float32) / SAMPLE_RATE
        hum = float(pick(rng, [50.0, 60.0]))
        sound += gain(float(rng.uniform(-75, -55))) * sum(
            np.sin(2 * np.pi * hum * k * t) / k for k in (1, 2, 3)
        ).astype(np.float32)  # type: ignore[union-attr]
    return sound
