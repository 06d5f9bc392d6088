"""What counts as silence, which has no sources and needs no network."""

from __future__ import annotations

# Peak of what nobody hears, full scale 1. Dither of 16 bits reaches 1 or 2 steps of 2^-15, -84.3 dB; what is left
# to -82 dB is for the song's mean, which the network's input has lost, and for resampling.
INAUDIBLE = 10 ** (-82 / 20)

# The same as a share of the song's deviation, so that what is quiet as a whole is separated like anything else.
# At -66 dB a stem 10 dB below the song that loses all of it, in half of the song, still changes by only -59 dB were
# it a square wave, and by -65 dB as dither, whose effective value is at least 6 dB below its peak.
NEGLIGIBLE = 10 ** (-66 / 20)


def silence_level(deviation: float) -> float:
    """Largest magnitude of silence in a mixture that was divided by the song's `deviation` (full scale 1)."""
    return min(INAUDIBLE / deviation, NEGLIGIBLE)
