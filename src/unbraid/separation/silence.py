"""Level below which a segment counts as silent. The network skips silent segments: they contain no sources."""

from __future__ import annotations

# Peak of inaudible sound, as a fraction of full scale: three steps of 16 bits, -80 dB, as in `unbraid evaluate`. Dither
# reaches one or two steps. The third step allows for resampling, and for the song's mean, which is subtracted.
INAUDIBLE = 1e-4

# Upper limit relative to the song's deviation, so that a quiet song is separated like a loud one. Worst case: a stem
# 10 dB below the song loses everything in half of the song. At -66 dB it changes by -59 dB if the loss is a square
# wave, and by -65 dB if it is dither (its RMS is at least 6 dB below its peak).
NEGLIGIBLE = 10 ** (-66 / 20)


def silence_level(deviation: float) -> float:
    """Return the largest magnitude that counts as silence in a mixture divided by the song's `deviation`."""
    return min(INAUDIBLE / deviation, NEGLIGIBLE)
