"""Assign soundfonts, samples and presets to the splits, so that "train" and "test" share no sound."""

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.songs.score import stereo
from training.sound import SAMPLE_RATE, Audio, Split

FONTS: dict[Split, tuple[Path, ...]] = {
    "train": (
        Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
        Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3"),
    ),
    "test": (Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),),
}
"""General MIDI soundfonts, from Debian's fluid-soundfont-gm, musescore-general-soundfont and timgm6mb-soundfont."""

KITS: dict[Split, tuple[Path, ...]] = {
    "train": (
        Path("/usr/share/sounds/sf2/Black_Pearl_4_LV2.sf2"),
        Path("/usr/share/sounds/sf2/Red_Zeppelin_4_LV2.sf2"),
    ),
    "test": (),
}
"""Drum kits recorded with overhead microphones, on General MIDI keys, from Debian's avldrums.lv2-soundfont."""

SAMPLES = Path("/usr/share/sonic-pi/samples")
"""One-shots and loops (CC0), from Debian's sonic-pi-samples."""

HITS: dict[str, tuple[str, ...]] = {
    "kick": ("bd_808", "bd_ada", "bd_boom", "bd_fat", "bd_gas", "bd_haus", "bd_klub", "bd_mehackit",
    "bd_pure", "bd_sone",
             "bd_tek", "bd_zome", "bd_zum", "drum_bass_hard", "drum_bass_soft", "drum_heavy_kick",
             "elec_hollow_kick",
             "elec_soft_kick"),
    "snare": ("drum_snare_hard", "drum_snare_soft", "sn_dolf", "sn_dub", "sn_generic", "sn_zome",
    "elec_filt_snare",
              "elec_hi_snare", "elec_lo_snare", "elec_mid_snare", "elec_snare"),
    "clap": ("perc_snap", "perc_snap2", "elec_pop"),
    "hat": ("drum_cymbal_closed", "elec_cymbal", "elec_tick", "drum_cymbal_pedal"),
    "open": ("drum_cymbal_open", "drum_cymbal_soft"),
    "crash": ("drum_splash_hard", "drum_splash_soft", "drum_cymbal_hard"),
    "tom_high": ("drum_tom_hi_hard", "drum_tom_hi_soft", "elec_fuzz_tom"),
    "tom_mid": ("drum_tom_mid_hard", "drum_tom_mid_soft"),
    "tom_low": ("drum_tom_lo_hard", "drum_tom_lo_soft"),
    "perc": ("drum_cowbell", "elec_wood", "elec_triangle", "elec_blip", "elec_blip2", "elec_flip",
    "glitch_perc1", "glitch_perc2",
             "glitch_perc3", "glitch_perc4", "glitch_perc5", "perc_bell", "perc_till", "perc_door",
             "perc_impact1", "perc_impact2",
             "elec_twip", "elec_bong", "tabla_ghe1", "tabla_ghe3", "tabla_ghe5", "tabla_ke1", "tabla_ke3",
             "tabla_na", "tabla_na_s",
             "tabla_te1", "tabla_tas1", "tabla_tun1", "tabla_re", "tabla_tun3"),
}  # fmt: skip
"""One-shots by kind of drum."""

LOOPS: dict[str, float] = {
    "loop_amen": 4, "loop_amen_full": 16, "loop_compus": 16, "loop_electric": 4,
    "loop_garzul": 16,
    "loop_industrial": 2, "loop_mehackit1": 4, "loop_mehackit2": 4, "loop_safari": 16,
    "loop_tabla": 16,
    "loop_perc1": 4, "loop_perc2": 4, "loop_3d_printer": 16,
}  # fmt: skip
"""Drum and percussion loops with their lengths in quarter notes. `loop_breakbeat` and `loop_mika` are left out, because
they contain a bass."""

BASSES: dict[str, float] = {
    "bass_dnb_f": 41, "bass_hard_c": 36, "bass_hit_c": 36, "bass_thick_c": 36, "bass_trance_c": 36,
    "bass_woodsy_c": 36,
    "glitch_bass_g": 43,
}  # fmt: skip
"""Bass notes with their MIDI pitches, taken from their names."""

AMBIENCES = (
    "ambi_dark_woosh", "ambi_drone", "ambi_glass_hum", "ambi_glass_rub", "ambi_haunted_hum",
    "ambi_lunar_land", "ambi_sauna",
    "ambi_soft_buzz", "ambi_swoosh", "perc_swash", "perc_swoosh", "misc_cineboom", "vinyl_rewind",
    "vinyl_backspin",
    "vinyl_scratch", "ambi_piano", "guit_harmonics", "guit_e_slide", "elec_chime", "elec_bell",
    "elec_twang", "elec_ping",
)  # fmt: skip
"""Textures and effects without rhythm."""


PRESETS = 400
"""Number of presets of each synthesiser; the number of a preset is the seed of its parameters."""


def split_of(name: str) -> Split:
    """Return the split of a sample: every fourth of each list is for "test"."""
    for names in (*HITS.values(), tuple(LOOPS), tuple(BASSES), AMBIENCES):
        if name in names:
            return "test" if names.index(name) % 4 == 1 else "train"
    return "train"


def in_split(names: tuple[str, ...], split: Split) -> tuple[str, ...]:
    return tuple(name for name in names if split_of(name) == split)


def preset(rng: np.random.Generator, split: Split) -> int:
    """Draw the number of a preset; multiples of 5 are for "test" only."""
    number = int(rng.integers(PRESETS))
    return number - number % 5 if split == "test" else number - number % 5 + int(rng.integers(1, 5))


def have_samples() -> bool:
    return (SAMPLES / "bd_808.flac").exists()


def have_fonts(split: Split) -> bool:
    return any(path.exists() for path in FONTS[split])


@cache
def kits(split: Split) -> tuple[Path, ...]:
    """Return the installed recorded kits of a split."""
    return tuple(path for path in KITS[split] if path.exists())


@lru_cache(maxsize=64)
def sample(name: str) -> Audio:
    """Load a sample: (2, samples) at SAMPLE_RATE, peak 1, without leading silence, read-only."""
    import av

    blocks: list[NDArray[np.float32]] = []
    with av.open(str(SAMPLES / f"{name}.flac")) as container:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE)
        for frame in container.decode(audio=0):
            blocks.extend(part.to_ndarray().astype(np.float32) for part in resampler.resample(frame))
        blocks.extend(part.to_ndarray().astype(np.float32) for part in resampler.resample(None))
    sound: Audio = stereo(np.concatenate(blocks, axis=1))
    peak = float(np.abs(sound).max())
    loud = np.flatnonzero(np.abs(sound).max(axis=0) > 0.01 * peak)
    sound = np.ascontiguousarray(sound[:, int(loud[0]) :] / peak)
    sound.flags.writeable = False
    return sound
