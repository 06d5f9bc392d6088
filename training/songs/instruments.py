"""General MIDI programs of the instruments in `genres`."""

from collections.abc import Sequence

import numpy as np

from training.songs import soundfonts, sounds
from training.songs.score import Note, pick
from training.sound import Audio, Split

PROGRAMS: dict[str, tuple[int, ...]] = {
    "piano": (0, 0, 0, 1, 2, 3), "epiano": (4, 5, 4, 5, 2), "organ": (16, 17, 18, 19, 20), "strum": (24, 25,
    25, 25), "clean": (27, 27, 26, 28),
    "picked": (24, 25, 25), "nylon": (24,), "jazzguitar": (26,), "banjo": (105,), "mandolin": (25, 15, 104),
    "funkguitar": (27, 28, 28),
    "skank": (27, 28, 26), "clav": (7, 7, 6), "montuno": (0, 1, 2), "strings": (48, 48, 49, 50, 51, 45, 44),
    "brass": (61, 61, 62, 63, 56, 57, 60),
    "vibes": (11, 12, 11), "pad": (88, 89, 90, 91, 92, 93, 94, 95, 50, 51), "pluck": (45, 46, 96, 98, 107,
    12, 108), "arp": (80, 81, 87, 98, 46),
    "stab": (81, 87, 62, 63, 55, 16, 0), "bells": (8, 9, 10, 11, 14, 98, 112), "harp": (46,),
    "accordion": (21, 23), "slide": (25, 27, 26),
    "lead_guitar": (27, 29, 30, 26, 28, 25), "lead_synth": (80, 81, 82, 83, 84, 86, 87), "lead_sax": (64,
    65, 65, 66, 66, 67, 71),
    "lead_violin": (40, 40, 41, 42, 110), "lead_flute": (72, 73, 73, 74, 75, 77, 79, 78, 68, 69),
    "lead_brass": (56, 56, 57, 59, 60), "harmonica": (22,),
    "riff": (0, 4, 16, 27, 28, 29, 30, 56, 61, 65, 80, 81, 87, 7, 11, 104, 107, 24, 25),
}  # fmt: skip
"""Voices and choirs (52 to 54, 85, and pads like 91) are excluded, because they would belong to the vocals."""

SINGING_PROGRAMS = (52, 53, 54, 85)
"""Choir aahs, voice oohs, synth voice, voice lead: never used in "other"."""


def midi(
    rng: np.random.Generator,
    notes: Sequence[Note],
    total: int,
    program: int,
    split: Split,
    bends: Sequence[tuple[float, float]] = (),
    swells: Sequence[tuple[float, float]] = (),
) -> Audio:
    """Play notes on a random soundfont of the split: (2, total)."""
    font = soundfonts.load(pick(rng, [path for path in sounds.FONTS[split] if path.exists()]))
    return font.render(notes, total, program, 0, bends, swells)
