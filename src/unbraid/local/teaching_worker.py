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
from importlib.util import find_spec
from typing import Any

from unbraid.errors import UnbraidError
from unbraid.jobs.ports import JobStore
from unbraid.jobs.session import State
from unbraid.local import logs
from unbraid.local.factory import open_sessions
from unbraid.local.settings import Settings
from unbraid.local.teaching import AWS, CHECK, ERROR, MODELS, SONGS, Run, Teaching, Wanted
from unbraid.local.teaching_end import write_end
from unbraid.local.worker import lower_priority

POLL_S = 0.5
AWS_WAIT_S = 30.0  # for AWS, after the check
BELOW_SONGS = 3  # of the priority: half the processor time that a song would get
CRASHED = (
    "Teaching stopped because of an error of this server. Its log has the details. Start again to continue."
)

log = logging.getLogger(__name__)


def main() -> int:
    """Do what the run wants, and return the exit code."""
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
            check(teaching, aws=settings.teaches_in_aws)
        elif run.wanted != Wanted.TEACH or run.aws:
            work_in_aws(teaching, run)
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


def check(teaching: Teaching, *, aws: bool = False) -> None:
    """Check the uploaded songs. With `aws`, also look for an app in AWS that could teach too."""
    from unbraid.finetuning.check import check_songs
    from unbraid.finetuning.description import as_dict

    apps: list[dict[str, str]] = []
    looking = threading.Thread(target=_find_app, args=(apps,), name="AWS", daemon=True)
    if aws and find_spec("boto3") is not None:
        looking.start()
    checked = as_dict(check_songs(teaching.folder / SONGS))
    if looking.ident is not None:
        looking.join(AWS_WAIT_S)
    for app in apps:
        teaching.write(AWS, app)
    teaching.write(CHECK, checked)


def _find_app(apps: list[dict[str, str]]) -> None:
    from unbraid.local.teaching_aws import find_app

    if (app := find_app()) is not None:
        apps.append(app)


def work_in_aws(teaching: Teaching, run: Run) -> None:
    """Write the price of teaching in AWS, teach there, or delete that, as the run wants."""
    from unbraid.local.teaching_aws import TeachingInAws

    there = TeachingInAws(teaching, run)
    if run.wanted == Wanted.OFFER:
        there.write_offer()
    elif run.wanted == Wanted.CANCEL:
        there.cancel()
        teaching.clear()
    else:
        result = there.teach()
        write_end(teaching, run, there.check, there.base, result)


def teach(teaching: Teaching, run: Run, store: JobStore) -> None:
    """Teach the model of a run, write the clips and the result, and remove the stems unless they are kept."""
    from unbraid.finetuning.check import Check
    from unbraid.finetuning.finetune import Request, finetune

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
    write_end(teaching, run, checks[0], str(result.card["base"]), result)


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
