"""Clips of other songs, which `lite` rehearses while it learns, so that it doesn't forget other voices and instruments.

Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", Connection Science 7 (1995). `training.rehearsal`
wrote the clips.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unbraid.finetuning.material import Tracks
from unbraid.finetuning.songs import SAMPLE_RATE, decoded

FOLDER = Path(__file__).parent
CLIP_SAMPLES = 4 * SAMPLE_RATE
SHARE = 0.4  # of what it hears


def clips() -> list[Tracks]:
    """Read the clips: drums, bass, other and vocals of each."""
    stems = {
        path.stem: np.concatenate([block.T.astype(np.float16) for block in decoded(path)])
        for path in FOLDER.glob("*.opus")
    }
    samples = min(map(len, stems.values()))
    return [
        Tracks(f"clip {number}", {name: stem[start : start + CLIP_SAMPLES] for name, stem in stems.items()})
        for number, start in enumerate(range(0, samples - CLIP_SAMPLES + 1, CLIP_SAMPLES), 1)
    ]
