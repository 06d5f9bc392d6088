"""Write songs to disk, a folder for each."""

import json
from pathlib import Path

import numpy as np

from training.songs.render import STEMS, bank_from, render
from training.sound import SAMPLE_RATE, Split, as_int16
from unbraid.audio.encode import Encoder
from unbraid.files.atomic import atomic_folder


def write_song(
    seed: int, split: Split, out_dir: Path, voices: Path | None = None, wav: bool = False
) -> Path | None:
    """Render a song into OUT_DIR/SPLIT-SEED/, atomically: one NumPy file per stem, and song.json.

    Returns the folder, or None if it exists already. With `wav` the stems are WAV files, to listen to and for
    `unbraid evaluate`. If two processes render the same song, the later one replaces the folder with an equal one.
    """
    target = out_dir / f"{split}-{seed}"
    if target.exists():
        return None
    song = render(seed, split, bank_from(voices))
    with atomic_folder(target) as folder:
        for name in STEMS:
            if wav:
                with Encoder(folder / f"{name}.wav", sample_rate=SAMPLE_RATE, channels=2) as encoder:
                    encoder.write(song.stems[name])
            else:
                np.save(folder / f"{name}.npy", as_int16(song.stems[name]))
        (folder / "song.json").write_text(json.dumps(song.about, indent=1) + "\n", encoding="utf-8")
    return target
