"""The held-out score: songs of unseen seeds, voices and instruments, taken apart by the averaged network."""

import numpy as np
import torch

from unbraid.evaluation.sdr import sdr
from unbraid.networks.lite import SAMPLE_RATE, SOURCES, Lite
from unbraid.training.dataset import SongPool
from unbraid.training.stft import spectra, waveforms

SONGS = 24
CROP_S = 12
SILENT_DB = -50.0  # a stem below this level in the crop has no SDR worth averaging


class Validation:
    """Fixed crops from the middle of the first songs of the test split."""

    def __init__(self, pool: SongPool) -> None:
        samples = CROP_S * SAMPLE_RATE
        self.crops = []
        for song in range(min(SONGS, len(pool.songs))):
            start = max(0, (len(pool.songs[song][0]) - samples) // 2)
            self.crops.append(
                np.stack([pool.crop(song, source, start, samples) for source in range(len(SOURCES))])
            )

    @torch.no_grad()
    def scores(self, network: Lite, device: torch.device) -> dict[str, float]:
        """Mean SDR in dB of each stem over the crops in which it sounds, and of all."""
        values: dict[str, list[float]] = {source: [] for source in SOURCES}
        for stems in self.crops:
            mixture = torch.from_numpy(stems.sum(0)).to(device)
            scale = mixture.std() + 1e-8
            spectrum = torch.view_as_real(spectra(mixture / scale))[None]
            estimate = torch.view_as_complex(network(spectrum)[0].contiguous())
            audio = (waveforms(estimate, stems.shape[-1]) * scale).cpu().numpy()
            for index, source in enumerate(SOURCES):
                if 10 * np.log10(np.mean(stems[index] ** 2) + 1e-12) > SILENT_DB:
                    values[source].append(sdr(stems[index], audio[index]))
        scores = {source: float(np.mean(part)) for source, part in values.items() if part}
        scores["all"] = float(np.mean(list(scores.values())))
        return {source: round(value, 3) for source, value in scores.items()}
