"""What counts as silence, which has no sources and needs no network."""

from __future__ import annotations

# Peak of what nobody hears, full scale 1, and silence for `unbraid evaluate` too: three steps of 16 bits, -80 dB.
# Dither reaches one or two of them; the third is for the mean, which the network hears the song without, and for
# resampling.
INAUDIBLE = 1e-4

# The same as a share of the song's deviation, so that what is quiet as a whole is separated like anything else.
# At -66 dB a stem 10 dB below the song that loses all of it, in half of the song, still changes by only -59 dB were
# it a square wave, and by -65 dB as dither, whose effective value is at least 6 dB below its peak.
NEGLIGIBLE = 10 ** (-66 / 20)


def silence_level(deviation: float) -> float:
    """Largest magnitude of silence in a mixture that was divided by the song's `deviation` (full scale 1)."""
    return min(INAUDIBLE / deviation, NEGLIGIBLE)
