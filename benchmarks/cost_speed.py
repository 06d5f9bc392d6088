"""Speeds for the cost model: measured work in core seconds, and estimates of how AWS's processors do that work.

A core second is a second of one whole core like those of the measurements (AMD EPYC, Zen 4, about 3.7 GHz).
"""

from __future__ import annotations

from dataclasses import dataclass

MEASURED_SONG_S = 288
MEASURED_CORES = 2
"""Both virtual processors of the measurements are whole cores: together they reach the peak of two."""
HTDEMUCS_VNNI_S, HTDEMUCS_S = 65, 105
"""Seconds for the song, files included, with and without AVX-512 VNNI: results of 2026-11-23, speed."""
SPLEETER_S = 5.1
"""The same with `spleeter` and AVX-512 (Zen 5): results of 2026-11-29, Spleeter."""
SPLEETER_AVX2 = 1.4
"""Ratio of Spleeter's CPU times with AVX2 and with AVX-512: results of 2026-11-29, AWS cost.

`htdemucs` needs no such ratio: Zen 4 computes floats with AVX-512 no faster than with AVX2.
"""
ZEN_5 = 1.13
"""How much faster the cores of Spleeter's run are with AVX2: 0.73 core seconds for a second of song against 0.64."""
SPREAD = 1.25
"""Estimated slowdown because work is spread over more than two cores."""

VNNI, AVX2 = "AVX-512 VNNI", "AVX2"
_PER_SECOND = MEASURED_CORES / MEASURED_SONG_S
WORK = {
    ("htdemucs", VNNI): HTDEMUCS_VNNI_S * _PER_SECOND,
    ("htdemucs", AVX2): HTDEMUCS_S * _PER_SECOND,
    ("spleeter", VNNI): SPLEETER_S * _PER_SECOND,
    ("spleeter", AVX2): SPLEETER_S * _PER_SECOND * SPLEETER_AVX2 * ZEN_5,
}
"""Core seconds for one second of song, by model and instructions."""
LOAD = {"htdemucs": 5.3, "spleeter": 0.9}
"""Core seconds until a model is loaded with AVX2 and an empty cache: results of 2026-11-29, AWS cost."""

GPU_S_PER_S = 5 / 180
"""Reported for htdemucs_6s on an RTX 3090 with TensorRT: 3 minutes in about 5 s (NVIDIA/TensorRT-RTX, issue 29)."""
PYTORCH_SLOWDOWN = 2.0
"""Estimated ratio of PyTorch's time to TensorRT's."""
BANDWIDTH_GB_S = {"RTX 3090": 936, "T4": 320, "A10G": 600, "L4": 300}
"""Memory bandwidth of the cards, from their data sheets. It limits such a network."""


@dataclass(frozen=True, slots=True)
class Processor:
    """A kind of virtual processor."""

    instructions: str
    cores: float
    """Whole cores of one virtual processor. 0.5: it is one of two threads of a core, the worst case."""
    slowdown: float = 1.0
    """Estimated ratio to the measured cores."""

    def rate(self, model: str, count: float) -> float:
        """Return the seconds of work for one second of song on `count` virtual processors."""
        cores = count * self.cores
        return (
            WORK[model, self.instructions] / cores * self.slowdown * (SPREAD if cores > MEASURED_CORES else 1)
        )

    def load_s(self, core_s: float) -> float:
        """Return the seconds for work that one thread does."""
        return core_s * self.slowdown / self.cores


C7I = Processor(VNNI, 0.5)
"""Intel Sapphire Rapids; a virtual processor is a thread. Estimate: a core is as fast as the measured ones."""
C8G = Processor(AVX2, 1.0, 1.3)
"""Graviton 4, whole cores at 2.8 GHz with as many operations a cycle as AVX2. Estimate: nothing was measured on it."""
LAMBDA = Processor(AVX2, 0.5, 1.25)
"""Lambda's x86 processors: AVX2, reported at 2.5 to 3 GHz. Worst case: a virtual processor is a thread."""
LAMBDA_BEST = Processor(AVX2, 1.0, 1.25)
"""Best case: the other thread of the core is idle."""
MB_PER_CPU = 1769
"""Memory with which a function has one virtual processor, from AWS's documentation."""


def card(name: str) -> float:
    """Estimate the seconds of work for one second of song on a graphics card, from the published figure."""
    return GPU_S_PER_S * BANDWIDTH_GB_S["RTX 3090"] / BANDWIDTH_GB_S[name] * PYTORCH_SLOWDOWN
