"""One job from its song to its stems, wherever it runs. Whatever happens, it is completed, failed or given back."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from unbraid.audio import video
from unbraid.errors import Cancelled, InputError, UnbraidError
from unbraid.files.workfolder import clear_abandoned
from unbraid.jobs import preview
from unbraid.jobs.disk import causes, in_users_words, work_folder
from unbraid.jobs.estimates import DOWNLOADING
from unbraid.jobs.heartbeat import Heartbeat
from unbraid.jobs.media import MEDIA_TYPES
from unbraid.jobs.ports import ObjectStore
from unbraid.jobs.separators import Separators
from unbraid.jobs.service import Service
from unbraid.jobs.session import Output, Session
from unbraid.models.download import DownloadError
from unbraid.out_of_memory import is_out_of_memory
from unbraid.separation import Progress
from unbraid.separation.separator import Result

# Of the whole; the rest is for previews, which take 0.003 s for a second of each stem: a sixth of the time that the
# fastest model needs for two, a hundredth with htdemucs.
SEPARATE_SHARE = 0.95

INSIST_S = 10.0  # for which the end of a job is told again and again to a service that doesn't answer
NO_MEMORY = (
    "There is not enough memory for this model. Choose a smaller one, such as lite, or try again later."
)
OUR_FAULT = "Something went wrong here, and not with your song. Try again; if it stays so, tell whoever runs this app."
GONE = "The song is no longer here. Upload it once more."

log = logging.getLogger(__name__)


def run_job(
    session: Session,
    service: Service,
    objects: ObjectStore,
    separators: Separators,
    worker_id: str,
    scratch: Path,
    stop: threading.Event,
) -> None:
    """Do the job `session`, which `worker_id` has taken. It ends completed, failed, or, when `stop` is set, given back.

    `scratch` is a folder for what is needed meanwhile, best on the disk of `objects`; nothing stays there. A job that
    is no longer ours (cancelled, deleted, taken over) stops within a second and changes nothing any more.
    """
    job = _Job(session, objects, separators, service.limits.max_song_s)
    with Heartbeat(session.id, service, worker_id, stop) as pulse:
        try:
            job.run(pulse, scratch)
        except Cancelled:
            if stop.is_set():  # the pulse may not have seen it yet
                _insist(lambda: service.give_back(session.id, worker_id))
            _insist(lambda: service.clear_outputs(session.id))
        except Exception as error:
            message = _told(error, session)
            if not pulse.is_set():
                _clear(objects, session.id)
            if not _insist(lambda: service.fail(session.id, worker_id, message)):
                _insist(lambda: service.clear_outputs(session.id))
        else:
            kept = _insist(
                lambda: service.complete(
                    session.id, worker_id, job.outputs, job.duration_s, job.model_used, job.warnings
                )
            )
            if not kept:
                _insist(lambda: service.clear_outputs(session.id))


def clear_scratch(scratch: Path) -> None:
    """Remove what workers that were killed left in `scratch`, which is made."""
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear_abandoned(scratch)


@dataclass
class _Job:
    session: Session
    objects: ObjectStore
    separators: Separators
    max_song_s: float
    outputs: tuple[Output, ...] = ()
    duration_s: float = 0.0
    model_used: str = ""
    warnings: tuple[str, ...] = ()

    def run(self, pulse: Heartbeat, scratch: Path) -> None:
        """Separate the song and put the files in their places. Raises UnbraidError, and anything for faults."""
        _clear(self.objects, self.session.id)  # of an attempt that was cut short
        with _song(self.objects, self.session) as song, work_folder(scratch) as work:
            result = self._separate(song, work, pulse)
            with in_users_words():
                previews = self._preview(result, work, pulse)
                film = self._film(song, result, work, pulse)

            def put(file: Path) -> str:
                pulse.tell(1.0, "writing")  # stops where it isn't ours any more
                return self._put(file)

            self.outputs = tuple(
                self._output(stem, file, result, put, *previews[stem]) for stem, file in result.files.items()
            )
            if film is not None:
                self.outputs += (self._output("video", film, result, put),)
        self.duration_s, self.model_used = result.duration_s, result.model

    def _separate(self, song: Path, work: Path, pulse: Heartbeat) -> Result:
        def downloading(done: int, total: int) -> None:
            pulse.tell(done / total if total else 0.0, DOWNLOADING)

        def separating(progress: Progress) -> None:
            if progress.seconds_done > self.max_song_s:
                longest = f"{self.max_song_s / 60:.0f} minutes"
                raise InputError(
                    f"is longer than {longest}, the most that is taken. Cut it in parts.", subject=song.name
                )
            if progress.stage != "analysing":
                pulse.duration_s = progress.seconds_total
            pulse.tell(SEPARATE_SHARE * progress.fraction, progress.stage)

        choices = self.session.choices
        if choices.video:
            video.check_video(song)
        loaded = self.separators.get(choices.model, downloading)
        with in_users_words():
            result = loaded.separator.separate_to_files(
                song,
                work,
                name="stems",
                stems=choices.stems,
                format=choices.format,
                progress=separating,
                cancel=pulse,
            )
        self.warnings = (
            *loaded.notices,
            *(warning.message_about(self.session.file_name) for warning in result.warnings),
        )
        return result

    def _preview(self, result: Result, work: Path, pulse: Heartbeat) -> dict[str, tuple[Path, Path]]:
        """What plays and what draws each stem."""
        files = {stem: (work / f"{stem}.play", work / f"{stem}.peaks.json") for stem in result.files}
        done = dict.fromkeys(files, 0.0)
        of_all = len(files) * result.duration_s

        def make(stem: str) -> None:
            def report(seconds: float) -> None:
                done[stem] = seconds
                share = min(1.0, sum(done.values()) / of_all)
                pulse.tell(SEPARATE_SHARE + (1 - SEPARATE_SHARE) * share, "writing")

            preview.make(result.files[stem], *files[stem], report)

        with ThreadPoolExecutor(self.separators.threads, thread_name_prefix="preview") as pool:
            list(pool.map(make, files))  # waits for all, and passes on what they raise
        return files

    def _film(self, song: Path, result: Result, work: Path, pulse: Heartbeat) -> Path | None:
        if not self.session.choices.video:
            return None
        return video.write_without(song, result.files, work, check=lambda: pulse.tell(1.0, "writing"))

    @staticmethod
    def _output(
        kind: str,
        file: Path,
        result: Result,
        put: Callable[[Path], str],
        play: Path | None = None,
        peaks: Path | None = None,
    ) -> Output:
        size = file.stat().st_size
        return Output(
            type=kind,
            filename=file.name,
            key=put(file),
            size=size,
            duration_s=result.duration_s,
            peaks_key=None if peaks is None else put(peaks),
            play_key=None if play is None else put(play),
        )

    def _put(self, file: Path) -> str:
        key = f"outputs/{self.session.id}/{file.name}"
        self.objects.put(file, key, MEDIA_TYPES[file.suffix[1:]])
        return key


def _clear(objects: ObjectStore, session_id: str) -> None:
    try:
        objects.delete(f"outputs/{session_id}/")
    except Exception:
        log.warning("files can't be deleted; they are when the session expires", exc_info=True)


@contextmanager
def _song(objects: ObjectStore, session: Session) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            song = stack.enter_context(objects.local_file(session.input_key))
        except FileNotFoundError as error:
            raise InputError(GONE) from error
        yield song


def _told(error: Exception, session: Session) -> str:
    """What the user reads. Faults of ours are logged, with nothing of the user's in it."""
    if is_out_of_memory(error) or any(is_out_of_memory(cause) for cause in causes(error)):
        return NO_MEMORY
    if isinstance(error, DownloadError):
        name = session.choices.model
        return f"{name} can't be downloaded: {error.cause}. Choose lite, which is always here, or try again later."
    if isinstance(error, InputError):
        return error.message_about(session.file_name)
    if isinstance(error, UnbraidError):
        return error.message
    trace = "".join(traceback.format_exception(error))
    log.error(
        "a job failed by a fault of ours:\n%s", trace.replace(session.id, "…").replace(session.file_name, "…")
    )
    return OUR_FAULT


def _insist(call: Callable[[], bool]) -> bool:
    """`call` until it succeeds or has failed for INSIST_S; then nothing is told, and the lease runs out."""
    until = time.monotonic() + INSIST_S
    while True:
        try:
            return call()
        except Exception:
            log.warning("the session store didn't answer", exc_info=True)
            if time.monotonic() > until:
                return False
            time.sleep(1.0)
