"""Songs on disk: a folder each, whole or not there."""

import json
import os
import shutil
from pathlib import Path

import numpy as np

from training.songs.render import STEMS, bank_from, render
from training.sound import SAMPLE_RATE, Split, as_int16
from unbraid.audio.encode import Encoder


def write_song(
    seed: int, split: Split, out_dir: Path, voices: Path | None = None, wav: bool = False
) -> Path | None:
    """Renders a song into OUT_DIR/<split>-<seed>/, one <stem>.npy each and song.json; None if it was there already.

    With `wav` the stems are sound files instead, for ears and for `unbraid evaluate`.

    It is written under a temporary name and renamed when whole, so a folder that exists is complete.
    """
    target = out_dir / f"{split}-{seed}"
    if target.exists():
        return None
    song = render(seed, split, bank_from(voices))
    partial = out_dir / f".{split}-{seed}.{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name in STEMS:
            if wav:
                with Encoder(partial / f"{name}.wav", sample_rate=SAMPLE_RATE, channels=2) as encoder:
                    encoder.write(song.stems[name])
            else:
                np.save(partial / f"{name}.npy", as_int16(song.stems[name]))
        (partial / "song.json").write_text(json.dumps(song.about, indent=1) + "\n", encoding="utf-8")
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not target.exists():
            raise
        return None  # another process wrote the same song meanwhile
    return target
