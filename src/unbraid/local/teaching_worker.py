"""The process that teaches a model: `python -m unbraid.local.teaching_worker --parent PID`.

It does what `run.json` wants (see `local.teaching`), and ends. It yields to songs: its priority is lower, and it
pauses while songs wait or are being separated. It exits when its parent dies, and on SIGTERM.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from unbraid.errors import UnbraidError
from unbraid.jobs.ports import JobStore
from unbraid.jobs.session import State
from unbraid.local import logs
from unbraid.local.factory import open_sessions
from unbraid.local.settings import Settings
from unbraid.local.teaching import CHECK, CLIPS, ERROR, MODELS, RESULT, SONGS, Run, Teaching, Wanted
from unbraid.local.worker import lower_priority

POLL_S = 0.5
BELOW_SONGS = 3  # of the priority: half the processor time that a song would get
CRASHED = (
    "Teaching stopped because of an error of this server. Its log has the details. Start again to continue."
)

log = logging.getLogger(__name__)


def main() -> int:
    """Check or teach, and return the exit code."""
    parser = argparse.ArgumentParser(prog="unbraid.local.teaching_worker", description=__doc__)
    parser.add_argument(
        "--parent", type=int, required=True, metavar="PID", help="exit when this is no longer the parent"
    )
    options = parser.parse_args()
    settings = Settings.load()
    logs.set_up(settings.log_level)
    lower_priority(min(19, settings.nice + BELOW_SONGS))
    _follow(options.parent)
    teaching = Teaching(settings.data)
    run = teaching.run()
    if run is None or run.wanted == Wanted.COLLECT:
        return 0
    try:
        if run.wanted == Wanted.CHECK:
            check(teaching)
        else:
            teach(teaching, run, open_sessions(settings).store)
    except UnbraidError as error:
        teaching.write(ERROR, {"detail": error.message})
    except Exception:
        log.exception("teaching failed")
        teaching.write(ERROR, {"detail": CRASHED})
        return 1
    return 0


def _follow(parent: int) -> None:
    """End this process when its parent has died. A run continues from its checkpoint."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_S)
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def check(teaching: Teaching) -> None:
    """Check the uploaded songs."""
    from unbraid.finetuning.check import check_songs
    from unbraid.finetuning.description import as_dict

    teaching.write(CHECK, as_dict(check_songs(teaching.folder / SONGS)))


def teach(teaching: Teaching, run: Run, store: JobStore) -> None:
    """Teach the model of a run, write the clips and the result, and remove the stems unless they are kept."""
    from unbraid.finetuning.check import Check
    from unbraid.finetuning.clips import write_clips
    from unbraid.finetuning.finetune import Request, finetune
    from unbraid.models import find_model

    models = teaching.folder / MODELS
    checks: list[Check] = []
    taught = teaching.model()
    if taught != models:  # the process ended after the model was written, and before its result
        shutil.rmtree(taught)

    def event(happened: Mapping[str, Any]) -> None:
        teaching.note(happened)
        wait_for_songs(teaching, store)

    request = Request(
        teaching.folder / SONGS,
        run.name,
        base=run.base,
        minutes=run.minutes,
        until_best=run.minutes is None,
        place=models,
    )
    result = finetune(request, event, checked=checks.append)
    base = str(result.card["base"])
    clips = write_clips(checks[0], base, result.folder, find_model(base).sources, teaching.folder / CLIPS)
    teaching.write(
        RESULT,
        {"better": result.better, "sdr_db": result.card["sdr_db"], "base": base, "clips": clips},
    )
    if not run.keep_stems:
        shutil.rmtree(teaching.folder / SONGS, ignore_errors=True)


def wait_for_songs(teaching: Teaching, store: JobStore) -> None:
    """Wait until no song waits or is being separated, and note it."""
    paused = False
    while _songs(store):
        if not paused:
            teaching.note({"event": "paused"})
            paused = True
        time.sleep(POLL_S)
    if paused:
        teaching.note({"event": "resumed"})


def _songs(store: JobStore) -> int:
    counts = store.counts()
    return counts.get(State.PENDING, 0) + counts.get(State.IN_PROGRESS, 0)


if __name__ == "__main__":
    sys.exit(main())
