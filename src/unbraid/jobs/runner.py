"""Run one job from its song to its stems. The job always ends completed, failed or released."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from unbraid.audio import video
from unbraid.audio.formats import song_format
from unbraid.errors import Cancelled, InputError, Unavailable
from unbraid.files.workfolder import clear_abandoned
from unbraid.jobs import messages, preview
from unbraid.jobs.choices import choices_of_quality
from unbraid.jobs.disk import hide_folders, work_folder
from unbraid.jobs.estimates import DOWNLOADING
from unbraid.jobs.heartbeat import Heartbeat
from unbraid.jobs.pieces import Publisher
from unbraid.jobs.ports import Job
from unbraid.jobs.separators import Separators
from unbraid.jobs.session import Output
from unbraid.separation import Progress, Result

# Share of the progress bar for separating; previews have the rest. A preview takes 0.003 s for each second of a stem:
# a sixth of the time that the fastest model needs for two stems, a hundredth with htdemucs.
SEPARATE_SHARE = 0.95

# The smallest difference in level that most listeners notice.
NOTICEABLE_DB = 1.0

AWAY_S = 5.0  # before a song goes back to the queue because the store for files didn't answer
RETRY_S = 10.0  # to repeat the report of a job's end while the session store doesn't answer

log = logging.getLogger(__name__)


def run_job(job: Job, separators: Separators, scratch: Path, stop: threading.Event) -> None:
    """Separate the song of a leased job. It ends completed, failed, or released.

    It is released if `stop` is set, or if the store doesn't answer (Unavailable).

    `scratch` is a folder for temporary files, best on the disk of the outputs; nothing remains there. If the lease is
    lost (the job was cancelled, deleted or taken over), the work stops within a second and changes nothing any more.
    """
    attempt = _Attempt(job, separators)
    with Heartbeat(job, stop) as heartbeat:
        try:
            attempt.run(heartbeat, scratch)
        except Cancelled:
            if stop.is_set():  # the heartbeat may not have seen it yet
                _retry(job.release)
            _retry(job.delete_abandoned_outputs)
        except Unavailable as error:
            # The song isn't the cause. Without the pause, an idle worker would take it again at once.
            log.warning("a song goes back to the queue: %s", error.message)
            stop.wait(AWAY_S)
            if not _retry(job.release):
                _retry(job.delete_abandoned_outputs)
        except Exception as error:
            failure = messages.failure_of(error, job.song_name, job.choices.model)
            if not heartbeat.is_set():
                _delete_outputs(job)
            if not _retry(lambda: job.fail(failure)):
                _retry(job.delete_abandoned_outputs)
        else:
            if not _retry(attempt.complete):
                _retry(job.delete_abandoned_outputs)
        finally:
            attempt.discard_pieces()


def clear_scratch(scratch: Path) -> None:
    """Create `scratch`, and remove work folders of workers that were killed."""
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear_abandoned(scratch)


@dataclass
class _Attempt:
    """One attempt at a job, and its results."""

    job: Job
    separators: Separators
    outputs: tuple[Output, ...] = ()
    duration_s: float = 0.0
    model_used: str = ""
    warnings: tuple[str, ...] = ()
    bpm: float | None = None
    musical_key: str | None = None
    pieces: Sequence[str] = ()
    """Keys of the pieces that were played while the song was separated."""

    def run(self, heartbeat: Heartbeat, scratch: Path) -> None:
        """Separate the song and store the output files. Raises UnbraidError, and other exceptions for bugs."""
        _delete_outputs(self.job)  # of an earlier attempt whose worker was killed
        with _song(self.job) as song, work_folder(scratch) as work:
            with Publisher(self.job, work) as publisher:
                self.pieces = publisher.keys
                result = self._separate(song, work, heartbeat, publisher)
                with hide_folders():
                    previews = self._previews(result, publisher, work, heartbeat)
            with hide_folders():
                video_file = self._make_video(song, result, work, heartbeat)

            def put(file: Path) -> str:
                heartbeat.report(1.0, "writing")  # raises if the lease is lost
                return self.job.put(file)

            self.outputs = tuple(
                _output(stem, file, result, put, *previews.get(stem, ()))
                for stem, file in result.files.items()
            )
            if video_file is not None:
                self.outputs += (_output("video", video_file, result, put),)
        self.duration_s, self.model_used = result.duration_s, result.model
        self.bpm, self.musical_key = result.bpm, result.key

    def complete(self) -> bool:
        """Report the results."""
        return self.job.complete(
            self.outputs, self.duration_s, self.model_used, self.warnings, self.bpm, self.musical_key
        )

    def discard_pieces(self) -> None:
        """Delete the pieces of this attempt. A completed song has files to play, and another attempt makes its own."""
        try:
            if self.pieces:
                self.job.discard(self.pieces)
        except Exception:
            log.warning("pieces can't be deleted; they are when the session expires", exc_info=True)

    def _separate(self, song: Path, work: Path, heartbeat: Heartbeat, publisher: Publisher) -> Result:
        def downloading(done: int, total: int) -> None:
            heartbeat.report(done / total if total else 0.0, DOWNLOADING)

        def separating(progress: Progress) -> None:
            if progress.seconds_done > self.job.max_song_s:
                minutes = f"{self.job.max_song_s / 60:.0f}"
                raise InputError(
                    f"is longer than {minutes} minutes, the limit here. Cut it into parts.",
                    subject=song.name,
                )
            if progress.stage != "analysing":
                heartbeat.duration_s = progress.seconds_total
            heartbeat.report(SEPARATE_SHARE * progress.fraction, progress.stage)

        choices = choices_of_quality(self.job.choices)
        if choices.video:
            video.check_video(song)
        loaded = self.separators.get(choices.model, downloading, stems=choices.stems, quality=choices.quality)
        with hide_folders():
            result = loaded.separator.separate_to_files(
                song,
                work,
                name="stems",
                stems=choices.stems,
                start=choices.start,
                end=choices.end,
                parts_of=self.job.parts_of,
                format=choices.format,
                clip_mode="rescale",  # the page plays stems in 16 bit, which clips
                progress=separating,
                cancel=heartbeat,
                listener=publisher if self.job.previews else None,
            )
        named = (warning.message_about(self.job.song_name) for warning in result.warnings)
        lowered = [messages.lowered(result.lowered_db)] if result.lowered_db >= NOTICEABLE_DB else []
        self.warnings = (*loaded.notices, *named, *lowered)
        return result

    def _previews(
        self, result: Result, publisher: Publisher, work: Path, heartbeat: Heartbeat
    ) -> dict[str, tuple[Path, Path]]:
        """Return the two files of each stem that the web page plays and draws."""
        if not self.job.previews:
            return {}
        lossless = song_format(self.job.choices.format, None).bitrates is None
        if lossless and result.gain == 1 and (made := publisher.finish_previews(result.beats)):
            return made  # they have the samples of the files
        return self._make_previews(result, work, heartbeat)

    def _make_previews(
        self, result: Result, work: Path, heartbeat: Heartbeat
    ) -> dict[str, tuple[Path, Path]]:
        """Make the two files of each stem that the web page plays and draws."""
        files = {stem: (work / f"{stem}.play", work / f"{stem}.peaks.json") for stem in result.files}
        done = dict.fromkeys(files, 0.0)
        total = len(files) * result.duration_s

        def make(stem: str) -> None:
            def report(seconds: float) -> None:
                done[stem] = seconds
                share = min(1.0, sum(done.values()) / total)
                heartbeat.report(SEPARATE_SHARE + (1 - SEPARATE_SHARE) * share, "writing")

            preview.make(result.files[stem], *files[stem], report, result.beats, result.gain)

        with ThreadPoolExecutor(self.separators.threads, thread_name_prefix="preview") as pool:
            list(pool.map(make, files))  # waits for all, and raises their exceptions here
        return files

    def _make_video(self, song: Path, result: Result, work: Path, heartbeat: Heartbeat) -> Path | None:
        if not self.job.choices.video:
            return None
        return video.write_without(song, result.files, work, check=lambda: heartbeat.report(1.0, "writing"))


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


def _delete_outputs(job: Job) -> None:
    try:
        job.delete_outputs()
    except Exception:
        log.warning(
            "output files can't be deleted; the sweeper deletes them when the session expires", exc_info=True
        )


@contextmanager
def _song(job: Job) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            song = stack.enter_context(job.song())
        except FileNotFoundError as error:
            raise InputError(messages.SONG_GONE) from error
        yield song


def _retry(call: Callable[[], bool]) -> bool:
    """Repeat `call` while it raises, for at most RETRY_S. Then return False and let the lease expire."""
    until = time.monotonic() + RETRY_S
    while True:
        try:
            return call()
        except Exception:
            log.warning("the session store didn't answer", exc_info=True)
            if time.monotonic() > until:
                return False
            time.sleep(1.0)
