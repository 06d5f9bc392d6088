"""Genres: ranges and weights that songs are drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Genre:
    """Ranges and probabilities of a genre.

    tempo_bpm: range. swing: probability that a song swings. swing_unit: in quarter notes. colours: weights of the
    chord types of `harmony.make_chord`. drums, basses, layers: weights of drum patterns, bass lines and the parts of
    "other". kits: acoustic, machine, mixed or loop. looseness_s: standard deviation of a player's timing. vocals:
    weights of singing styles, including "none". tracks: range of the number of layers of "other". dryness: 0..1, less
    reverberation.
    """

    tempo_bpm: tuple[float, float]
    drums: Weights
    kits: Weights
    basses: Weights
    bass_sounds: Weights
    layers: Weights
    colours: Weights
    modes: Weights = field(default_factory=lambda: {"major": 5, "minor": 4, "mixolydian": 1, "dorian": 1})
    meters: Weights = field(default_factory=lambda: {"4/4": 1})
    swing: float = 0.0
    swing_unit: float = 0.5
    vocals: Weights = field(default_factory=lambda: {"sung": 9, "none": 1})
    looseness_s: float = 0.008
    tracks: tuple[int, int] = (2, 5)
    without_drums: float = 0.02
    without_bass: float = 0.02
    dryness: float = 0.5


_BAND = {"finger": 4.0, "pick": 4, "fretless": 0.5, "synth": 0.5}
_ELECTRONIC = {
    "saw": 2.0,
    "square": 1.5,
    "sub": 2,
    "fm": 1.5,
    "acid": 1,
    "reese": 1.5,
    "sampled": 1,
    "synth": 1,
}
_LEADS = {
    "lead_guitar": 1.0,
    "lead_synth": 1,
    "lead_sax": 0.6,
    "lead_violin": 0.5,
    "lead_flute": 0.5,
    "lead_brass": 0.4,
}

GENRES: dict[str, Genre] = {
    "pop": Genre(
        (84, 128), {"pop": 5, "four": 3, "half": 1}, {"acoustic": 3, "machine": 5, "mixed": 3},
        {"eighths": 3, "held": 2, "syncopated": 3, "follow": 3}, {**_BAND, **_ELECTRONIC}, {"piano": 3,
        "strum": 3, "clean": 3, "pad": 4, "pluck": 3, "strings": 2, "arp": 2, "epiano": 1, "organ": 1,
        "bells": 1, "stab": 1, "power": 1, "fx": 1, **_LEADS}, {"triad": 6, "sus": 2, "seventh": 1},
        tracks=(3, 6),
    ),
    "synthpop": Genre(
        (96, 136), {"pop": 3, "four": 4}, {"machine": 5, "mixed": 1}, {"eighths": 4, "octaves": 3,
        "syncopated": 2}, _ELECTRONIC, {"pad": 4, "arp": 4, "pluck": 3, "stab": 3, "lead_synth": 3,
        "bells": 2, "clean": 1, "fx": 1}, {"triad": 5, "sus": 3, "seventh": 1}, looseness_s=0.001,
        tracks=(3, 6),
    ),
    "rock": Genre(
        (90, 165), {"rock": 6, "half": 1, "tribal": 1}, {"acoustic": 1}, {"eighths": 5, "follow": 3,
        "held": 1}, _BAND, {"power": 6, "clean": 3, "strum": 2, "lead_guitar": 4, "organ": 2, "piano": 1,
        "riff": 3, "strings": 0.5}, {"power": 5, "triad": 3, "sus": 1}, tracks=(2, 5), meters={"4/4": 9,
        "6/8": 1, "3/4": 0.5}, modes={"major": 3, "minor": 4, "mixolydian": 3, "dorian": 1},
    ),
    "indie": Genre(
        (95, 160), {"rock": 3, "pop": 2, "four": 2}, {"acoustic": 4, "mixed": 1}, {"eighths": 4,
        "syncopated": 3, "held": 2}, _BAND, {"clean": 5, "strum": 3, "riff": 4, "pad": 2, "piano": 2,
        "lead_synth": 2, "lead_guitar": 2, "bells": 1, "strings": 1, "epiano": 1, "power": 1}, {"triad": 5,
        "sus": 2, "seventh": 3}, tracks=(2, 5),
    ),
    "punk": Genre(
        (150, 190), {"punk": 4, "rock": 2}, {"acoustic": 1}, {"eighths": 6, "follow": 1}, {"pick": 5,
        "finger": 1}, {"power": 6, "riff": 2, "lead_guitar": 2, "organ": 0.3}, {"power": 5, "triad": 1},
        tracks=(1, 3),
    ),
    "metal": Genre(
        (95, 185), {"metal": 4, "rock": 1, "half": 1}, {"acoustic": 1}, {"follow": 4, "eighths": 3},
        {"pick": 4, "finger": 1}, {"power": 8, "riff": 3, "lead_guitar": 4, "pad": 1, "strings": 1},
        {"power": 1}, modes={"minor": 4, "phrygian": 4, "harmonic": 2}, tracks=(2, 4),
    ),
    "house": Genre(
        (116, 130), {"four": 6}, {"machine": 6, "loop": 1}, {"offbeat": 4, "syncopated": 4, "octaves": 2,
        "eighths": 1}, _ELECTRONIC, {"stab": 5, "pad": 4, "piano": 2, "pluck": 3, "organ": 2, "arp": 2,
        "fx": 3, "strings": 1, "lead_synth": 2, "lead_sax": 0.5}, {"seventh": 4, "triad": 3, "ninth": 2},
        vocals={"sung": 6, "chops": 1, "none": 2}, looseness_s=0.0005, tracks=(2, 5),
    ),
    "trance": Genre(
        (128, 145), {"four": 6}, {"machine": 1}, {"offbeat": 6, "sixteenths": 3}, {"saw": 3, "square": 1,
        "sub": 1, "reese": 1}, {"arp": 5, "pluck": 5, "pad": 5, "lead_synth": 5, "fx": 3, "piano": 1,
        "stab": 2}, {"triad": 4, "sus": 2}, modes={"minor": 5, "major": 1}, vocals={"sung": 5, "none": 3},
        looseness_s=0.0005, tracks=(3, 6),
    ),
    "techno": Genre(
        (118, 145), {"four": 6, "breakbeat": 1}, {"machine": 5, "loop": 1}, {"sixteenths": 3, "offbeat": 3,
        "acid": 3}, {"acid": 4, "square": 1, "sub": 2, "fm": 2}, {"stab": 5, "arp": 3, "fx": 4, "pad": 3,
        "riff": 2, "lead_synth": 1}, {"triad": 2, "seventh": 2}, modes={"minor": 4, "phrygian": 2},
        vocals={"sung": 3, "rap": 1, "chops": 2, "none": 4}, looseness_s=0.0005, tracks=(2, 4),
    ),
    "drum and bass": Genre(
        (160, 178), {"breakbeat": 6}, {"loop": 3, "acoustic": 1, "machine": 3, "mixed": 2}, {"held": 4,
        "syncopated": 3}, {"reese": 4, "sub": 4, "fm": 2, "sampled": 2}, {"pad": 5, "arp": 2, "stab": 2,
        "piano": 2, "fx": 4, "strings": 2, "lead_synth": 2, "bells": 1, "lead_flute": 0.5}, {"seventh": 3,
        "triad": 2, "ninth": 1}, vocals={"sung": 5, "rap": 2, "chops": 1, "none": 2}, looseness_s=0.001,
    ),
    "dubstep": Genre(
        (136, 146), {"half": 6}, {"machine": 4, "mixed": 1}, {"wobble": 5, "held": 2}, {"reese": 4, "fm": 3,
        "square": 2, "acid": 2}, {"stab": 3, "pad": 4, "lead_synth": 3, "fx": 5, "piano": 1, "arp": 2,
        "bells": 1}, {"triad": 3, "seventh": 1}, modes={"minor": 4, "phrygian": 2}, vocals={"sung": 5,
        "rap": 2, "chops": 2, "none": 2}, looseness_s=0.001,
    ),
    "boom bap": Genre(
        (82, 102), {"boombap": 6}, {"acoustic": 2, "machine": 2, "mixed": 3, "loop": 1}, {"syncopated": 4,
        "held": 2, "walking": 1}, {"finger": 3, "sub": 3, "fretless": 1, "sampled": 1}, {"piano": 3,
        "epiano": 4, "strings": 3, "brass": 2, "organ": 1, "lead_sax": 2, "lead_flute": 2, "jazzguitar": 2,
        "vinyl": 4, "bells": 1, "riff": 1}, {"seventh": 4, "ninth": 3, "triad": 1}, modes={"minor": 4,
        "dorian": 3, "major": 1}, swing=0.8, swing_unit=0.25, vocals={"rap": 7, "sung": 2, "none": 1},
        looseness_s=0.006, tracks=(2, 4),
    ),
    "trap": Genre(
        (125, 160), {"trap": 6}, {"machine": 1}, {"eight08": 6}, {"808": 1}, {"bells": 4, "piano": 3,
        "pad": 4, "pluck": 4, "lead_flute": 2, "strings": 2, "clean": 2, "fx": 2, "lead_synth": 2,
        "stab": 1, "brass": 1}, {"triad": 4, "seventh": 2}, modes={"minor": 4, "harmonic": 2,
        "phrygian": 2}, vocals={"rap": 6, "sung": 5, "none": 1}, looseness_s=0.0005, tracks=(2, 4),
    ),
    "funk": Genre(
        (92, 122), {"funk": 6}, {"acoustic": 5, "mixed": 1}, {"slapfunk": 4, "syncopated": 4, "octaves": 1},
        {"slap": 4, "finger": 4, "synth": 1, "square": 0.5}, {"funkguitar": 6, "brass": 4, "clav": 4,
        "organ": 3, "epiano": 3, "lead_sax": 2, "strings": 1, "lead_synth": 1, "lead_brass": 1},
        {"seventh": 3, "ninth": 4}, modes={"dorian": 4, "mixolydian": 4}, swing=0.4, swing_unit=0.25,
        tracks=(3, 5),
    ),
    "disco": Genre(
        (108, 126), {"four": 6}, {"acoustic": 4, "machine": 2, "mixed": 2}, {"octaves": 6, "slapfunk": 2},
        {"finger": 4, "slap": 1, "synth": 2, "saw": 1}, {"strings": 5, "funkguitar": 5, "brass": 3,
        "piano": 3, "epiano": 2, "clav": 2, "pad": 1, "lead_synth": 1, "lead_violin": 1}, {"seventh": 4,
        "triad": 2, "ninth": 2}, tracks=(3, 6),
    ),
    "soul": Genre(
        (66, 112), {"pop": 3, "funk": 2, "ballad": 2}, {"acoustic": 5, "mixed": 2}, {"syncopated": 4,
        "walking": 1, "follow": 2}, {"finger": 5, "fretless": 1, "synth": 1, "sub": 1}, {"epiano": 5,
        "organ": 4, "brass": 4, "clean": 3, "strings": 3, "piano": 2, "lead_sax": 2, "funkguitar": 1,
        "lead_brass": 1}, {"seventh": 5, "ninth": 3, "triad": 2}, meters={"4/4": 6, "6/8": 2}, swing=0.3,
        swing_unit=0.25, tracks=(3, 5),
    ),
    "jazz": Genre(
        (96, 190), {"jazz": 6, "brushes": 3}, {"acoustic": 1}, {"walking": 7, "twobeat": 2}, {"upright": 5,
        "fretless": 1, "finger": 1}, {"piano": 6, "jazzguitar": 3, "lead_sax": 4, "lead_brass": 3,
        "lead_flute": 1, "vibes": 2, "brass": 2, "organ": 1, "lead_violin": 0.5}, {"seventh": 3,
        "ninth": 5}, meters={"4/4": 6, "3/4": 2}, swing=1.0, modes={"major": 4, "minor": 2, "dorian": 2},
        vocals={"sung": 4, "none": 2}, looseness_s=0.012, tracks=(1, 4),
    ),
    "bossa": Genre(
        (110, 150), {"bossa": 6, "brushes": 1}, {"acoustic": 1}, {"bossa": 6}, {"upright": 3, "finger": 3,
        "fretless": 1}, {"nylon": 7, "piano": 2, "lead_flute": 3, "lead_sax": 2, "strings": 2, "epiano": 1},
        {"seventh": 2, "ninth": 4}, looseness_s=0.01, tracks=(1, 4),
    ),
    "folk": Genre(
        (70, 140), {"brushes": 2, "ballad": 1, "pop": 1, "tribal": 1}, {"acoustic": 1}, {"twobeat": 4,
        "held": 3, "eighths": 1}, {"upright": 3, "finger": 3, "fretless": 1}, {"strum": 7, "picked": 6,
        "accordion": 2, "lead_violin": 3, "lead_flute": 2, "harmonica": 2, "piano": 1, "banjo": 2,
        "strings": 1, "mandolin": 2}, {"triad": 7, "sus": 2}, meters={"4/4": 5, "3/4": 3, "6/8": 3},
        without_drums=0.45, without_bass=0.3, looseness_s=0.014, tracks=(1, 4),
    ),
    "country": Genre(
        (84, 150), {"train": 4, "pop": 2, "rock": 1}, {"acoustic": 1}, {"twobeat": 6, "walking": 1},
        {"finger": 4, "pick": 2, "upright": 1}, {"strum": 6, "clean": 4, "lead_violin": 3, "banjo": 3,
        "slide": 4, "piano": 2, "harmonica": 1, "lead_guitar": 2}, {"triad": 6, "seventh": 1},
        meters={"4/4": 6, "3/4": 2}, modes={"major": 6, "mixolydian": 2}, swing=0.3, tracks=(2, 5),
    ),
    "blues": Genre(
        (70, 135), {"shuffle": 5, "brushes": 1, "rock": 1}, {"acoustic": 1}, {"walking": 5, "eighths": 2},
        {"finger": 5, "pick": 1, "upright": 2}, {"lead_guitar": 5, "piano": 3, "organ": 3, "harmonica": 4,
        "clean": 2, "riff": 2, "lead_sax": 1, "power": 1}, {"dominant": 6, "ninth": 1}, meters={"4/4": 5,
        "6/8": 2}, modes={"mixolydian": 4, "minor": 1}, swing=0.9, tracks=(2, 4), looseness_s=0.012,
    ),
    "ballad": Genre(
        (56, 88), {"ballad": 6, "half": 1}, {"acoustic": 4, "machine": 1, "mixed": 1}, {"held": 5,
        "follow": 3}, {**_BAND, "sub": 1}, {"piano": 6, "strings": 5, "pad": 4, "strum": 2, "picked": 3,
        "epiano": 3, "lead_violin": 2, "lead_guitar": 2, "lead_sax": 2, "bells": 1}, {"triad": 5,
        "seventh": 2, "sus": 2}, meters={"4/4": 5, "6/8": 3, "3/4": 1}, without_drums=0.25,
        without_bass=0.12, looseness_s=0.012,
    ),
    "reggae": Genre(
        (66, 96), {"onedrop": 6}, {"acoustic": 4, "mixed": 1}, {"reggae": 6}, {"finger": 5, "sub": 2,
        "synth": 1}, {"skank": 8, "organ": 5, "piano": 2, "brass": 3, "clav": 1, "lead_sax": 1, "riff": 1},
        {"triad": 5, "seventh": 1}, modes={"minor": 4, "major": 3, "dorian": 1}, swing=0.4, swing_unit=0.25,
        tracks=(2, 4),
    ),
    "latin": Genre(
        (88, 128), {"latin": 5, "reggaeton": 4}, {"acoustic": 2, "machine": 2, "mixed": 3}, {"tumbao": 4,
        "eight08": 1, "syncopated": 2}, {"finger": 3, "upright": 2, "sub": 2, "synth": 1}, {"montuno": 5,
        "brass": 4, "nylon": 3, "accordion": 2, "pluck": 2, "pad": 1, "lead_flute": 2, "lead_brass": 2,
        "strings": 1, "bells": 1}, {"triad": 4, "seventh": 3}, modes={"minor": 5, "harmonic": 2,
        "major": 2}, vocals={"sung": 7, "rap": 2, "none": 1},
    ),
    "ambient": Genre(
        (60, 110), {"half": 2, "breakbeat": 1, "four": 1}, {"machine": 3, "loop": 1}, {"held": 5},
        {"sub": 3, "saw": 1, "fretless": 1}, {"pad": 8, "fx": 4, "ambience": 5, "piano": 3, "bells": 3,
        "strings": 2, "lead_synth": 2, "arp": 2, "lead_flute": 1, "lead_violin": 1}, {"sus": 3,
        "seventh": 2, "ninth": 2, "triad": 2}, without_drums=0.5, without_bass=0.35, vocals={"sung": 5,
        "none": 3}, looseness_s=0.004, dryness=0.1,
    ),
    "cinematic": Genre(
        (60, 130), {"tribal": 4, "half": 1}, {"acoustic": 2, "mixed": 2}, {"held": 5, "eighths": 2},
        {"finger": 1, "sub": 2, "saw": 1, "upright": 2}, {"strings": 8, "brass": 4, "piano": 3, "harp": 2,
        "lead_violin": 4, "lead_flute": 3, "pad": 3, "bells": 2, "fx": 2}, {"triad": 5, "sus": 3},
        meters={"4/4": 4, "3/4": 2, "6/8": 2}, without_drums=0.3, without_bass=0.2, tracks=(3, 6),
        modes={"minor": 5, "major": 2, "harmonic": 2}, vocals={"sung": 6, "none": 4}, dryness=0.15,
    ),
    "lofi": Genre(
        (68, 92), {"boombap": 5}, {"mixed": 3, "machine": 2, "acoustic": 1}, {"held": 3, "syncopated": 3},
        {"sub": 3, "finger": 2, "fretless": 1}, {"epiano": 5, "jazzguitar": 3, "piano": 3, "vinyl": 6,
        "pad": 2, "lead_sax": 1, "lead_flute": 1, "vibes": 2}, {"ninth": 5, "seventh": 3}, swing=0.9,
        swing_unit=0.25, vocals={"sung": 5, "rap": 3, "none": 3}, tracks=(2, 4),
    ),
}  # fmt: skip

POPULARITY: dict[str, float] = {
    "pop": 6, "rock": 6, "indie": 4, "synthpop": 3, "house": 3, "boom bap": 3, "trap": 3, "metal": 2.5,
    "folk": 3, "soul": 3,
    "funk": 2, "disco": 2, "ballad": 3, "jazz": 2, "country": 2, "blues": 2, "punk": 1.5, "trance": 1.5,
    "techno": 1.5,
    "drum and bass": 1.5, "dubstep": 1, "reggae": 1.5, "latin": 2, "bossa": 1, "ambient": 1,
    "cinematic": 1.2, "lofi": 1,
}  # fmt: skip
"""Weights of the genres, similar to the songs that users separate: pop and rock come first."""
