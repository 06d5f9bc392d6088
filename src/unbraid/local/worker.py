"""The process that separates songs: `python -m unbraid.local.worker`, configured by the environment.

Workers are separate from the server because they parse strangers' files, need much memory, and may crash in native
code. A worker exits when its parent dies, and on SIGTERM or SIGINT. It first finishes its song if that takes at most
`UNBRAID_DRAIN_S`, and otherwise releases it for another worker.
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
from unbraid.jobs.leases import LeasedJob, Leases
from unbraid.local import logs
from unbraid.local.draining import Shutdown
from unbraid.local.factory import open_sessions
from unbraid.local.postgres_queue import QueueListener, QueuePoll, queue_wait
from unbraid.local.settings import SCRATCH, Settings
from unbraid.local.sql import SqlStore

POLL_S = 0.25  # between two checks of the parent process
PAUSE_S = 1.0  # after an error of the queue
GRACE_S = 5.0  # for the segment in progress when the process has to exit
IDLE_S = 300.0  # an idle worker unloads its model after this time

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until a signal; return the exit code."""
    parser = argparse.ArgumentParser(prog="unbraid.local.worker", description=__doc__)
    parser.add_argument("--parent", type=int, metavar="PID", help="exit when this is no longer the parent")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="number of workers that share the processor"
    )
    options = parser.parse_args(arguments)
    shutdown = Shutdown()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: shutdown.request())
    try:
        settings = Settings.load()
        logs.set_up(settings.log_level)
        shutdown.drain_s = settings.drain_s
        sessions = open_sessions(settings)
    except UnbraidError as error:
        sys.stderr.write(f"unbraid: {error.message}\n")
        return 1
    if options.parent is None:  # otherwise the server has said it
        for warning in settings.warnings:
            sys.stderr.write(f"unbraid: {warning}\n")
    lower_priority(settings.nice)
    # The working thread can be busy for seconds. This thread handles signals, and notices when the parent dies.
    assert isinstance(sessions.store, SqlStore)
    waiting = queue_wait(sessions.store)
    thread = threading.Thread(
        target=work,
        args=(Leases(sessions), waiting, settings.data / SCRATCH, options.workers, shutdown),
        name="work",
        daemon=True,
    )
    thread.start()
    while thread.is_alive() and not shutdown.stop.is_set():
        thread.join(POLL_S)
        if options.parent is not None and os.getppid() != options.parent:
            shutdown.now()
        shutdown.check_time()
    thread.join(GRACE_S)
    if thread.is_alive():
        logging.shutdown()
        os._exit(0)  # in the middle of a segment: the interpreter would wait for it, or crash
    return 0 if shutdown.draining.is_set() else 1


def work(
    leases: Leases, waiting: QueueListener | QueuePoll, scratch: Path, workers: int, shutdown: Shutdown
) -> None:
    """Run one job after another until `shutdown`, as one of `workers` processes."""
    # Imported late: they take a second and 100 MB.
    from unbraid.jobs.runner import clear_scratch, run_job
    from unbraid.jobs.separators import Separators

    try:
        clear_scratch(scratch)
    except OSError:
        log.exception("the scratch folder can't be used")
        return
    separators = Separators(workers)
    worker = f"{os.getpid()}-{secrets.token_hex(8)}"
    busy = time.monotonic()
    while not shutdown.draining.is_set():
        try:
            if (session := leases.take(worker)) is not None:
                run_job(LeasedJob(session, leases), separators, scratch, shutdown.stop)
                busy = time.monotonic()
                continue
        except Exception:
            log.warning("the queue can't be read", exc_info=True)
            shutdown.draining.wait(PAUSE_S)
        if time.monotonic() - busy > IDLE_S:
            separators.forget()
        waiting.wait(shutdown.draining)
    waiting.close()


def lower_priority(nice: int) -> None:
    """Lower the priority for processor time by `nice`, and let Linux kill the worker first when memory runs out."""
    with suppress(OSError):
        os.nice(nice)
    # Linux shares the cores between process sessions first, and nice acts only within one. The supervisor gives each
    # worker a session. In the session of a terminal or a test run, this would slow down everything else in it.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
