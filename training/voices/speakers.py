"""Speakers of speech synthesisers, and their splits.

The programs are free and in Linux distributions (espeak-ng, festival with its voices, flite), except Open JTalk, which
comes with `pyopenjtalk-plus`. Each human speaker is in one split: both voices of "slt" in "test", those of "kal" in
"train".
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from training.sound import Split

Program = Literal["espeak-ng", "festival", "flite", "openjtalk"]
Sound = tuple[NDArray[np.float64], int]


@dataclass(frozen=True)
class Speaker:
    """A voice of a synthesiser, the language of its texts, the encoding that it reads, and its split."""

    program: Program
    voice: str
    language: str
    split: Split = "train"
    encoding: str = "utf-8"

    @property
    def name(self) -> str:
        """Name for files."""
        return f"{self.program}-{self.voice}".replace("+", "-").replace(" ", "")


SPEAKERS: tuple[Speaker, ...] = (
    Speaker("festival", "ked_diphone", "en"),
    Speaker("festival", "czech_dita", "latin"),
    Speaker("festival", "czech_krb", "latin"),
    Speaker("festival", "czech_ph", "latin"),
    Speaker("festival", "suo_fi_lj_diphone", "latin", encoding="latin-1"),
    Speaker("festival", "hy_fi_mv_diphone", "latin", encoding="latin-1"),
    Speaker("festival", "pc_diphone", "latin", encoding="latin-1"),
    Speaker("festival", "msu_ru_nsh_clunits", "ru"),
    Speaker("festival", "upc_ca_ona_hts", "latin", encoding="latin-1"),
    Speaker("flite", "awb", "en"),
    Speaker("flite", "kal16", "en"),
    Speaker("openjtalk", "mei", "ja"),
    Speaker("espeak-ng", "en-us+m3", "en"),
    Speaker("espeak-ng", "en-us+f2", "en"),
    Speaker("espeak-ng", "en-gb+f4", "en"),
    Speaker("espeak-ng", "en-us+klatt2", "en"),
    Speaker("espeak-ng", "en-gb+Andy", "en"),
    Speaker("espeak-ng", "en-us+Annie", "en"),
    Speaker("espeak-ng", "es+m1", "es"),
    Speaker("espeak-ng", "es+Alicia", "es"),
    Speaker("espeak-ng", "de+m5", "de"),
    Speaker("espeak-ng", "de+belinda", "de"),
    Speaker("espeak-ng", "fr+f3", "fr"),
    Speaker("espeak-ng", "fr+klatt4", "fr"),
    Speaker("espeak-ng", "sv+m4", "sv"),
    Speaker("espeak-ng", "it+steph", "latin"),
    Speaker("espeak-ng", "pt-br+m6", "latin"),
    Speaker("festival", "cmu_us_slt_arctic_hts", "en", "test"),
    Speaker("flite", "slt", "en", "test"),
    Speaker("flite", "rms", "en", "test"),
    Speaker("festival", "czech_machac", "latin", "test"),
    Speaker("festival", "lp_diphone", "latin", "test", encoding="latin-1"),
    Speaker("espeak-ng", "en-us+m7", "en", "test"),
    Speaker("espeak-ng", "fr+f5", "fr", "test"),
    Speaker("espeak-ng", "de+linda", "de", "test"),
)


def available(speaker: Speaker) -> bool:
    """Whether the speaker's program is installed. A missing voice shows only in `speak`."""
    if speaker.program == "openjtalk":
        try:
            import pyopenjtalk  # noqa: F401
        except ImportError:
            return False
        return True
    return shutil.which(speaker.program) is not None


def speak(speaker: Speaker, texts: Sequence[str]) -> list[Sound]:
    """Synthesise texts as (samples, rate). Failed texts are left out: all of them if the voice is missing."""
    if speaker.program == "openjtalk":
        import pyopenjtalk

        return [(np.asarray(sound) / 32768.0, int(rate)) for sound, rate in map(pyopenjtalk.tts, texts)]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number:03d}.wav" for number in range(len(texts))]
        if speaker.program == "festival":
            _festival(speaker, texts, paths)
        else:
            for text, path in zip(texts, paths, strict=True):
                if speaker.program == "flite":
                    command = ["flite", "-voice", speaker.voice, "-t", text, "-o", str(path)]
                else:
                    command = ["espeak-ng", "-v", speaker.voice, "-s", "135", "-w", str(path), text]
                _run(command)
        return [sound for sound in map(_read, paths) if sound is not None]


def _run(command: list[str], limit_s: float = 20.0) -> None:
    """Run a synthesiser and ignore failures: the caller checks which files exist."""
    try:
        subprocess.run(command, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return


def _festival(speaker: Speaker, texts: Sequence[str], paths: Sequence[Path]) -> None:
    """Synthesise all texts in one process, because loading a voice takes longer than speaking."""
    script = [f"(voice_{speaker.voice})"]
    for text, path in zip(texts, paths, strict=True):
        script.append(f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff)')
    file = paths[0].with_suffix(".scm")
    file.write_text("\n".join(script), encoding=speaker.encoding)
    _run(["festival", "-b", str(file)], limit_s=180.0)


def _read(path: Path) -> Sound | None:
    try:
        rate, samples = wavfile.read(path)
    except (FileNotFoundError, ValueError):
        return None
    if len(samples) < rate // 20:
        return None
    return samples.astype(np.float64) / 32768.0, int(rate)
