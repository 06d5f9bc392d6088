"""The process that separates songs: `python -m unbraid.local.worker`. Its settings come by the environment.

It is apart from the server, as it parses files of strangers, needs much memory and may crash in code of others. It ends
when its parent is gone, and by SIGTERM or SIGINT; a job that it is at is given back at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from unbraid.errors import UnbraidError
from unbraid.jobs.service import Service
from unbraid.local import logs
from unbraid.local.factory import open_service
from unbraid.local.settings import Settings

LOOK_S = 0.25  # between two looks for work, and for the parent
LEAVE_S = 5.0  # for a segment that is being computed when the process has to end
IDLE_S = 300.0  # after which a model no longer stays in memory
SCRATCH = "scratch"  # in the data folder, on the disk of the stems
NICE = 15  # the server answers first

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until told to stop; the exit code."""
    parser = argparse.ArgumentParser(prog="unbraid.local.worker", description=__doc__)
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this is no longer the parent")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="that share the processor")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = Settings.load()
        logs.set_up(settings.log_level)
        service = open_service(settings)
    except UnbraidError as error:
        sys.stderr.write(f"unbraid: {error.message}\n")
        return 1
    _step_back()
    # The thread that works may be in a call of seconds; this one hears signals, and sees the parent go.
    thread = threading.Thread(
        target=work, args=(service, settings.data / SCRATCH, options.workers, stop), name="work", daemon=True
    )
    thread.start()
    while thread.is_alive() and not stop.is_set():
        thread.join(LOOK_S)
        if options.parent is not None and os.getppid() != options.parent:
            stop.set()
    thread.join(LEAVE_S)
    if thread.is_alive():
        logging.shutdown()
        os._exit(0)  # in the middle of a segment: the interpreter would wait for it, or crash
    return 0 if stop.is_set() else 1


def work(service: Service, scratch: Path, workers: int, stop: threading.Event) -> None:
    """Take one job after the other until `stop` is set; one of so many `workers`."""
    # Imported when they are needed, as they take a second and 100 MB.
    from unbraid.jobs.runner import clear_scratch, run_job
    from unbraid.jobs.separators import Separators

    try:
        clear_scratch(scratch)
    except OSError:
        log.exception("the folder to work in can't be used")
        return
    separators = Separators(workers)
    worker = f"{os.getpid()}-{secrets.token_hex(8)}"
    busy = time.monotonic()
    while not stop.is_set():
        try:
            if (session := service.take(worker)) is not None:
                run_job(session, service, service.objects, separators, worker, scratch, stop)
                busy = time.monotonic()
                continue
        except Exception:
            log.warning("looking for work failed", exc_info=True)
        if time.monotonic() - busy > IDLE_S:
            separators.forget()
        stop.wait(LOOK_S)


def _step_back() -> None:
    """Let the server go first: for the processor, and, where memory ends, not to be the one that is killed."""
    with suppress(OSError):
        os.nice(NICE)
    with suppress(OSError):
        # Linux shares the cores between sessions first, of which this is one; niceness counts within one alone.
        Path("/proc/self/autogroup").write_text(str(NICE), encoding="ascii")
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
