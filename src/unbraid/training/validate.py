"""Score the averaged network on the test split: songs, and voices over backings."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from unbraid.evaluation.sdr import sdr
from unbraid.models.lite import SAMPLE_RATE
from unbraid.networks.lite import SOURCES
from unbraid.training.dataset import OTHER, VOCALS, Audio, SongPool, SoundPool
from unbraid.training.families import LITE, Family
from unbraid.training.stft import spectra, waveforms

SONGS = 24
CROP_S = 12
OVER_BACKINGS = 32
OVER_CROP_S = 6
VOICE_DB = -8.0  # of the voices relative to the backings, as in a dense mix
SILENT_DB = -50.0  # the SDR of softer stems is meaningless


class Validation:
    """Fixed crops from the middle of the first songs, and voices over backings, if given."""

    def __init__(
        self, pool: SongPool, backings: SoundPool | None = None, voices: SoundPool | None = None
    ) -> None:
        samples = CROP_S * SAMPLE_RATE
        self.crops = []
        for song in range(min(SONGS, len(pool.songs))):
            start = max(0, (len(pool.songs[song][0]) - samples) // 2)
            self.crops.append(
                np.stack([pool.crop(song, source, start, samples) for source in range(len(SOURCES))])
            )
        self.over = [] if backings is None else list(voices_over_backings(pool, backings, voices))

    def scores(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Mean SDR in dB of each stem over the crops in which it is audible, and the mean of the stems (`all`).

        With backings, also the mean SDR of the voice (`backed`) and of the accompaniment.
        """
        values: dict[str, list[float]] = {source: [] for source in SOURCES}
        for stems in self.crops:
            audio = separate(network, stems.sum(0), device)
            for index, source in enumerate(SOURCES):
                if 10 * np.log10(np.mean(stems[index] ** 2) + 1e-12) > SILENT_DB:
                    values[source].append(sdr(stems[index], audio[index]))
        scores = {source: float(np.mean(part)) for source, part in values.items() if part}
        scores["all"] = float(np.mean(list(scores.values())))
        if self.over:
            pairs = [(stems, separate(network, stems.sum(0), device)) for stems in self.over]
            scores["backed"] = float(np.mean([sdr(stems[VOCALS], audio[VOCALS]) for stems, audio in pairs]))
            rests = [sdr(stems[OTHER], audio[:VOCALS].sum(0)) for stems, audio in pairs]
            scores["accompaniment"] = float(np.mean(rests))
        return {source: round(value, 3) for source, value in scores.items()}


def voices_over_backings(pool: SongPool, backings: SoundPool, voices: SoundPool | None) -> Iterator[Audio]:
    """Yield stems of voices over backings; `other` is the backing. Every second voice is from `voices`, if given."""
    rng = np.random.default_rng(0)
    samples = OVER_CROP_S * SAMPLE_RATE
    count = 0
    for _ in range(20 * OVER_BACKINGS):
        song = int(rng.integers(len(pool.songs)))
        start = int(rng.integers(max(1, len(pool.songs[song][VOCALS]) - samples)))
        voice, backing = pool.crop(song, VOCALS, start, samples), backings.crop(rng, samples)
        if voices is not None and count % 2:
            voice = voices.crop(rng, samples)
        if voice.std() < 1e-3 or backing.std() < 1e-2:
            continue
        stems = np.zeros((len(SOURCES), *voice.shape), np.float32)
        stems[OTHER] = backing
        stems[VOCALS] = voice * (backing.std() / voice.std() * 10 ** (VOICE_DB / 20))
        yield stems
        count += 1
        if count == OVER_BACKINGS:
            return


@torch.no_grad()
def separate(network: nn.Module, mixture: Audio, device: torch.device, family: Family = LITE) -> Audio:
    """Separate a mixture (2, samples) into stems (stems, 2, samples)."""
    audio = torch.from_numpy(mixture).to(device)
    scale = family.deviation / (audio.std() + 1e-8) if family.scaled else torch.ones((), device=device)
    spectrum = torch.view_as_real(spectra(audio * scale))[None]
    padded = nn.functional.pad(spectrum, (0, 0, 0, -spectrum.shape[3] % family.frames_multiple))
    masks = family.unpool(family.masks(network, padded)[..., : spectrum.shape[3]])
    estimate = torch.view_as_complex(spectrum[:, None].contiguous()) * masks
    return np.asarray((waveforms(estimate[0], mixture.shape[-1]) / scale).cpu().numpy(), np.float32)
