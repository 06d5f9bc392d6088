"""BSSEval version 4 through its library, museval (Stöter, Liutkus and Ito, arXiv 1804.06267).

As in the SiSEC 2018 campaign: distortion filters for the whole song, ratios for windows of one second, and of
those the median. Windows in which a reference or an estimate is silent count for nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unbraid.errors import SettingError
from unbraid.evaluation.multitrack import Floats

WINDOW_S = 1.0
_REST = ""  # what the references leave of the mixture; not a name of a stem


@dataclass(frozen=True, slots=True)
class BssEval:
    """Medians in dB; None where no window could be scored."""

    sdr: float | None
    isr: float | None
    sir: float | None
    sar: float | None


def load_library() -> Any:
    """The module `museval.metrics`. Raises SettingError where it can't be used."""
    try:
        from museval import metrics
    except ImportError as error:
        raise SettingError(
            "BSSEval needs its library, which ./unbraid lacks. From the checkout, in an environment of your own: "
            "pip install '.[evaluate]'"
        ) from error
    except RuntimeError as error:  # its own dependencies refuse to be imported without FFmpeg's programs
        raise SettingError(
            "BSSEval's library needs the programs ffmpeg and ffprobe. Install FFmpeg, or leave out --bsseval."
        ) from error
    return metrics


def bsseval_v4(
    references: Mapping[str, Floats], estimates: Mapping[str, Floats], mixture: Floats, sample_rate: int
) -> dict[str, BssEval]:
    """Scores of each stem; all arrays are (channels, samples), none of them silent.

    Where the references don't add up to the mixture, what is left of it is one more source of interference.
    """
    metrics = load_library()
    all_references = dict(references)
    all_estimates = dict(estimates)
    rest = mixture - np.sum(list(references.values()), axis=0)
    if np.sum(rest**2) > 1e-6 * np.sum(mixture**2):  # -60 dB: more than rounding
        all_references[_REST] = rest
        all_estimates[_REST] = rest  # each estimate is scored by itself; this one only has to be there
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
