"""A bank of voices to sing with."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from training.sound import Split
from training.voices.timbre import equalised
from training.voices.tract import computed_voices
from training.voices.voice import Voice


def default_folder() -> Path:
    """Default folder of the bank, in the user's cache."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local"))
    elif sys.platform == "darwin":
        base = Path("~/Library/Caches")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return base.expanduser() / "unbraid" / "voices"


class VoiceBank:
    """Voices of both splits. No voice is in both."""

    def __init__(self, voices: Iterable[Voice]) -> None:
        self.voices = tuple(sorted(voices, key=lambda voice: voice.name))

    @classmethod
    def load(cls, folder: Path | str | None = None) -> Self:
        """Load all voices of a folder (None: `default_folder`), and add the computed ones.

        Raises FileNotFoundError if the folder has no voices.
        """
        folder = default_folder() if folder is None else folder
        paths = sorted(Path(folder).glob("*.npz"))
        if not paths:
            raise FileNotFoundError(
                f"No voices in {folder}. Build them with `python -m training.voices build --out {folder}`."
            )
        return cls(equalised(voice) for voice in (*(Voice.load(path) for path in paths), *computed_voices()))

    @classmethod
    def computed(cls) -> Self:
        """Return only the computed voices, which need no speech synthesiser."""
        return cls(equalised(voice) for voice in computed_voices())

    def of(self, split: Split, *, speaking: bool = False) -> list[Voice]:
        """Return the voices of a split, or only those with spoken phrases. Raises ValueError if there are none."""
        voices = [voice for voice in self.voices if voice.split == split and (voice.phrases or not speaking)]
        if not voices:
            raise ValueError(f"This bank has no {'speaking ' if speaking else ''}voice for {split}.")
        return voices
