"""The end of a run that teaches: clips to compare by ear, and the result."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from unbraid.local.teaching import CLIPS, RESULT, SONGS, Run, Teaching

if TYPE_CHECKING:
    from unbraid.finetuning.check import Check
    from unbraid.finetuning.result import Result


def write_end(teaching: Teaching, run: Run, check: Check, base: str, result: Result) -> None:
    """Write the clips and the result, and remove the stems unless they are kept.

    `base`: name of the model that the new one began with.
    """
    from unbraid.finetuning.clips import write_clips
    from unbraid.models import find_model

    clips = write_clips(check, base, result.folder, find_model(base).sources, teaching.folder / CLIPS)
    billed = next((event["usd"] for event in reversed(teaching.events()) if event["event"] == "billed"), None)
    teaching.write(
        RESULT,
        {
            "better": result.better,
            "sdr_db": result.card["sdr_db"],
            "base": base,
            "clips": clips,
            "billed_usd": billed,
        },
    )
    if not run.keep_stems:
        shutil.rmtree(teaching.folder / SONGS, ignore_errors=True)
