"""BSSEval version 4 through its library, museval (Stöter, Liutkus and Ito, arXiv 1804.06267).

Settings as in the SiSEC 2018 campaign: one distortion filter for the whole song, ratios in windows of one second, and
their median. Windows with a silent reference or a silent estimate are ignored.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.errors import SettingError

WINDOW_S = 1.0
_RESIDUAL = ""  # key of the residual: the mixture minus all references. No stem has this name.


@dataclass(frozen=True, slots=True)
class BssEval:
    """Medians over the windows in dB; None if no window could be scored."""

    sdr: float | None
    isr: float | None
    sir: float | None
    sar: float | None


def load_library() -> Any:
    """Import `museval.metrics`. Raises SettingError if it is missing or lacks FFmpeg."""
    try:
        from museval import metrics
    except ImportError as error:
        raise SettingError(
            "BSSEval needs the library museval, which ./unbraid doesn't install. In the clone, with your own "
            "environment activated, run: pip install '.[evaluate]'"
        ) from error
    except RuntimeError as error:  # its dependencies can't be imported without FFmpeg's programs
        raise SettingError(
            "BSSEval needs the programs ffmpeg and ffprobe. Install FFmpeg, or leave out --bsseval."
        ) from error
    return metrics


def bsseval_v4(
    references: Mapping[str, Floats], estimates: Mapping[str, Floats], mixture: Floats, sample_rate: int
) -> dict[str, BssEval]:
    """Score each stem. All arrays are (channels, samples); none of them is silent.

    If the references don't add up to the mixture, their residual counts as one more interfering source.
    """
    metrics = load_library()
    all_references = dict(references)
    all_estimates = dict(estimates)
    residual = mixture - np.sum(list(references.values()), axis=0)
    if np.sum(residual**2) > 1e-6 * np.sum(mixture**2):  # -60 dB: more than rounding
        all_references[_RESIDUAL] = residual
        all_estimates[_RESIDUAL] = (
            residual  # the library needs an estimate of every reference; its score is ignored
        )
    window = round(WINDOW_S * sample_rate)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # silent windows
        ratios = metrics.bss_eval(
            np.stack([stem.T for stem in all_references.values()]).astype(np.float64),
            np.stack([all_estimates[name].T for name in all_references]).astype(np.float64),
            window=window,
            hop=window,
        )[:4]
        medians = np.nanmedian(np.stack(ratios), axis=-1)  # (sdr, isr, sir, sar; stems)
    return {
        name: BssEval(*(float(value) if np.isfinite(value) else None for value in medians[:, index]))
        for index, name in enumerate(references)
    }
