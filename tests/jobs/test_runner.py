"""Every job ends completed, failed with a message, or released; its files are complete or absent."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.analysis.sounds import RATE_HZ, chords, clicks
from tests.audio.sounds import KINDS, Kind, bursts, decode, write
from tests.conftest import WriteWave
from tests.jobs.memory import MemoryObjects, MemoryStore, Outbox
from tests.separation.conftest import noise

from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe
from unbraid.errors import Fault, SettingError, Unavailable
from unbraid.jobs import heartbeat, messages, runner
from unbraid.jobs.leases import LeasedJob, Leases
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import ObjectStore
from unbraid.jobs.queue_snapshot import Wait
from unbraid.jobs.separators import Loaded, Separators
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices, Session, State
from unbraid.jobs.sessions import Sessions
from unbraid.jobs.splits import StemSplits
from unbraid.jobs.status import status_of
from unbraid.local.files import FolderStore
from unbraid.local.links import Links
from unbraid.separation import Separator

LITE = Choices(model="lite")


CHOSEN = Choices("lite", "no_bass,drums+bass,mix", start=-1.5, end=1.25)


class InterruptedLeases(Leases):
    """Leases that call `on_separating` once, when the worker reports that stage."""

    on_separating: Callable[[str], object] | None = None

    def renew_lease(self, session_id: str, worker: str, *arguments: Any, **named: Any) -> bool:
        renewed = super().renew_lease(session_id, worker, *arguments, **named)
        if self.on_separating is not None and "separating" in arguments:
            callback, self.on_separating = self.on_separating, None
            callback(session_id)
        return renewed


class JobWorkspace:
    """Sessions, models and folders for jobs. Files are in memory unless `objects` is another object store."""

    def __init__(self, folder: Path, separators: Separators, objects: ObjectStore | None = None) -> None:
        self.store, self.outbox = MemoryStore(), Outbox()
        self.memory = MemoryObjects()
        self.objects: ObjectStore = objects or self.memory
        self.separators = separators
        self.scratch = folder / "scratch"
        self.stop = threading.Event()
        self.sessions = Sessions(
            self.store, self.objects, self.outbox, self.outbox, Limits(keep_free_bytes=0)
        )
        self.service, self.leases = Service(self.sessions), InterruptedLeases(self.sessions)

    def lease(self, song: Path, name: str = "My Song.wav", choices: Choices = LITE) -> Session:
        """Upload a song and lease its session to the worker `me`."""
        upload = self.service.upload(name, "audio/wav")
        copy = song.with_name("copy")
        copy.write_bytes(song.read_bytes())
        self.objects.put(copy, upload.session.input_key, "audio/wav")
        self.service.start(upload.session.id, choices=choices)
        session = self.leases.take("me")
        assert session is not None
        return session

    def run(self, session: Session) -> Session:
        """Run the job and return its record; no temporary file may remain."""
        runner.run_job(LeasedJob(session, self.leases), self.separators, self.scratch, self.stop)
        assert [path for path in self.scratch.rglob("*") if self.scratch.is_dir()] == []
        return self.store.get(session.id) or session

    def outputs(self, session: Session) -> list[str]:
        """Return the names of the session's output files."""
        return sorted(
            key.rsplit("/", 1)[1] for key in self.memory.files if key.startswith(f"outputs/{session.id}/")
        )


@pytest.fixture(scope="module")
def separators() -> Separators:
    return Separators()


@pytest.fixture(autouse=True)
def quick_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send heartbeats more often, because these songs are short."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)


@pytest.fixture
def workspace(tmp_path: Path, separators: Separators) -> JobWorkspace:
    return JobWorkspace(tmp_path, separators)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A two-second song."""
    return write_wave(tmp_path_factory.mktemp("short") / "short.wav")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song that takes a few seconds to separate."""
    return write_wave(tmp_path_factory.mktemp("long") / "long.wav", 40.0)


def test_a_stem_file_can_be_played_and_has_the_name_of_the_song(
    workspace: JobWorkspace, short: Path, tmp_path: Path
) -> None:
    session = workspace.run(workspace.lease(short, choices=Choices("lite", "all", "stem")))
    (output,) = session.outputs
    assert (output.type, output.filename) == ("stem", "stems.stem.mp4")
    path = tmp_path / "stems.stem.mp4"
    path.write_bytes(workspace.memory.files[output.key])
    assert probe(path).streams == 5
    assert output.play_key is not None
    (file,) = status_of(session, workspace.memory, 60, Wait()).files
    assert file.save_as == "My Song.stem.mp4"
    with pytest.raises(SettingError, match="can't be separated further"):
        StemSplits(workspace.service).start(session.id, "stem")


def test_the_record_has_tempo_and_key(workspace: JobWorkspace, tmp_path: Path) -> None:
    cadence = 2 * [(45, 57, 60, 64), (38, 57, 62, 65), (40, 56, 59, 64), (45, 57, 60, 64)]
    with Encoder(tmp_path / "song.wav", sample_rate=RATE_HZ, channels=2) as encoder:
        encoder.write(chords(cadence) + clicks(120, len(cadence)))
    session = workspace.run(workspace.lease(tmp_path / "song.wav"))
    assert (session.bpm, session.musical_key) == (pytest.approx(120, abs=0.5), "A minor")
    for output in session.outputs:
        described = json.loads(workspace.memory.files[output.peaks_key or ""])
        assert np.diff(described["beats"]) == pytest.approx(0.5, abs=0.02)


def test_stems_equal_the_command_lines_and_have_previews(
    workspace: JobWorkspace, short: Path, tmp_path: Path
) -> None:
    session = workspace.run(workspace.lease(short))
    assert (session.state, session.model_used, session.duration_s) == (State.COMPLETED, "lite", 2.0)
    assert [output.type for output in session.outputs] == ["vocals", "no_vocals"]
    expected = Separator("lite").separate_to_files(short, tmp_path, name="direct").files
    for output in session.outputs:
        assert output.filename == f"{output.type}.wav"
        assert workspace.memory.files[output.key] == expected[output.type].read_bytes()
        assert output.size == len(workspace.memory.files[output.key])
        assert output.duration_s == 2.0
        assert output.play_key is not None
        assert output.peaks_key is not None
        play = json.loads(workspace.memory.files[output.peaks_key])["play"]
        assert play["samples"] == 88_200
        assert play["offsets"][-1] < len(workspace.memory.files[output.play_key])  # a waveform follows
    assert len(workspace.outputs(session)) == 6


def test_stems_are_as_deep_as_the_song_and_do_not_clip_on_the_page(
    workspace: JobWorkspace, tmp_path: Path
) -> None:
    loud = Kind("wav", "wav", "pcm_f32le", "flt")
    song = write(tmp_path / "loud.wav", 8 * bursts(44100, 2, 44100), 44100, loud)
    session = workspace.run(workspace.lease(song))
    for output in session.outputs:
        stem = tmp_path / output.filename
        stem.write_bytes(workspace.memory.files[output.key])
        assert probe(stem).depth == "float"
        assert abs(decode(stem)).max() <= 1


def test_separates_all_stems_in_another_format(workspace: JobWorkspace, short: Path) -> None:
    session = workspace.run(workspace.lease(short, choices=Choices("lite", "all", "mp3")))
    assert [output.filename for output in session.outputs] == [
        *("drums.mp3", "bass.mp3", "other.mp3", "vocals.mp3")
    ]


def test_video_gets_the_accompaniment(workspace: JobWorkspace, tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "mp4-aac")
    clip = write(tmp_path / "clip.mp4", bursts(44100, 2, 44100), 44100, kind)
    session = workspace.run(workspace.lease(clip, "Clip.mp4", Choices("lite", video=True)))
    *_, video = session.outputs
    assert (video.type, video.filename, video.peaks_key) == ("video", "no_vocals.mp4", None)
    assert workspace.memory.files[video.key][4:8] == b"ftyp"
    assert video.size == len(workspace.memory.files[video.key])


def test_video_option_fails_for_a_song_without_pictures(workspace: JobWorkspace, short: Path) -> None:
    session = workspace.run(workspace.lease(short, choices=Choices("lite", video=True)))
    assert session.state == State.FAILED
    assert (session.error_message or "").startswith("My Song.wav is not a video")


def test_reports_progress(workspace: JobWorkspace, long: Path) -> None:
    session = workspace.lease(long)
    seen: list[tuple[str | None, float, float | None]] = []

    def record_progress(session_id: str) -> None:
        record = workspace.service.get(session_id)
        seen.append((record.stage, record.progress, record.duration_s))
        workspace.stop.set()

    workspace.leases.on_separating = record_progress
    workspace.run(session)
    [(stage, progress, duration_s)] = seen
    assert stage == "separating"
    assert 0 < progress < 1
    assert duration_s == 40.0


def test_stages_come_in_order(
    workspace: JobWorkspace, short: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is downloaded before the song is read. Before its first report, a job has no stage."""
    session = workspace.lease(short, choices=Choices("auto"))
    stages = [session.stage]
    report = heartbeat.Heartbeat.report

    def recorded(self: heartbeat.Heartbeat, progress: float, stage: str) -> None:
        if stage != stages[-1]:
            stages.append(stage)
        report(self, progress, stage)

    monkeypatch.setattr(heartbeat.Heartbeat, "report", recorded)
    workspace.separators = Separators()
    ended = workspace.run(session)
    assert (ended.state, ended.model_used) == (State.COMPLETED, "htdemucs")
    assert stages == [None, "downloading", "analysing", "separating", "writing"]


def test_unreadable_song_fails_with_the_users_file_name(workspace: JobWorkspace, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nothing of the kind")
    session = workspace.run(workspace.lease(song, "Étude (live).wav"))
    assert session.state == State.FAILED
    assert session.error_message is not None
    assert session.error_message.startswith("Étude (live).wav can't be read as audio")
    assert workspace.outputs(session) == []


def test_warnings_have_the_users_file_name(workspace: JobWorkspace, short: Path, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(short.read_bytes()[:200_000])
    session = workspace.run(workspace.lease(song, "Cut.wav"))
    assert [warning.split(";")[0] for warning in session.warnings] == ["Cut.wav is cut off"]


def test_fails_if_song_is_longer_than_limit(workspace: JobWorkspace, short: Path) -> None:
    workspace.sessions.limits = Limits(max_song_s=2)
    assert workspace.run(workspace.lease(short)).state == State.COMPLETED
    workspace.sessions.limits = Limits(max_song_s=1.9)
    session = workspace.run(workspace.lease(short))
    assert (session.state, session.error_fault) == (State.FAILED, Fault.SONG)
    assert session.error_message == (
        "My Song.wav is longer than 0 minutes, the limit here. Cut it into parts."
    )


def test_auto_warns_which_model_it_used(workspace: JobWorkspace, short: Path) -> None:
    workspace.separators = Separators()
    session = workspace.run(workspace.lease(short, choices=Choices("auto")))
    assert session.model_used == "lite"
    assert "Using lite" in session.warnings[0]


def test_unavailable_model_fails_and_suggests_another(workspace: JobWorkspace, short: Path) -> None:
    session = workspace.run(workspace.lease(short, choices=Choices("htdemucs")))
    assert session.state == State.FAILED
    assert session.error_message == (
        "htdemucs can't be downloaded: UNBRAID_OFFLINE is set. Choose lite, which is included, or try again later."
    )


def test_missing_song_fails_and_asks_for_a_new_upload(workspace: JobWorkspace, short: Path) -> None:
    session = workspace.lease(short)
    workspace.memory.files.clear()
    assert workspace.run(session).error_message == messages.SONG_GONE


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("Cannot allocate memory")])
def test_out_of_memory_fails_with_advice(workspace: JobWorkspace, short: Path, error: Exception) -> None:
    class Greedy(Separators):
        def get(
            self, name: str, downloading: Any = None, *, stems: str = "all", quality: str | None = None
        ) -> Loaded:
            raise error

    workspace.separators = Greedy()
    assert workspace.run(workspace.lease(short)).error_message == messages.NO_MEMORY


def test_internal_error_is_logged_without_the_song(
    workspace: JobWorkspace, short: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(file: Path, key: str, content_type: str) -> None:
        raise RuntimeError(f"no path to {key}")

    session = workspace.lease(short, "Secret.wav")
    workspace.memory.put = broken  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        ended = workspace.run(session)
    assert (ended.state, ended.error_message) == (State.FAILED, messages.INTERNAL)
    assert "RuntimeError: no path to …" in caplog.text
    assert session.id not in caplog.text
    assert "Secret" not in caplog.text


@pytest.mark.parametrize("early", [False, True], ids=["while separating", "before the start"])
def test_stop_releases_the_job(workspace: JobWorkspace, long: Path, early: bool) -> None:
    session = workspace.lease(long)
    if early:
        workspace.stop.set()
    else:
        workspace.leases.on_separating = lambda _: workspace.stop.set()
    ended = workspace.run(session)
    assert (ended.state, ended.attempts, ended.worker) == (State.PENDING, 0, None)
    assert workspace.outputs(session) == []


def test_cancelled_job_stops_within_two_seconds(workspace: JobWorkspace, long: Path) -> None:
    session = workspace.lease(long)
    cancelled_at = 0.0

    def cancel(session_id: str) -> None:
        nonlocal cancelled_at
        cancelled_at = time.process_time()
        workspace.service.cancel(session_id)

    workspace.leases.on_separating = cancel
    ended = workspace.run(session)
    assert time.process_time() - cancelled_at < 2  # one heartbeat and one segment, on two cores
    assert ended.state == State.CANCELLED
    assert workspace.outputs(session) == []


@pytest.mark.parametrize("late", [False, True], ids=["while separating", "while storing stems"])
def test_deleted_job_leaves_no_files(workspace: JobWorkspace, long: Path, short: Path, late: bool) -> None:
    session = workspace.lease(short if late else long)
    put = workspace.memory.put

    def delete_then_put(file: Path, key: str, content_type: str) -> None:
        workspace.service.cleanup(session.id)
        put(file, key, content_type)

    if late:
        workspace.memory.put = delete_then_put  # type: ignore[method-assign]
    else:
        workspace.leases.on_separating = workspace.service.cleanup
    workspace.run(session)
    assert workspace.store.get(session.id) is None
    assert workspace.memory.files == {}


def test_job_cancelled_while_storing_stems_leaves_none(workspace: JobWorkspace, short: Path) -> None:
    session, put = workspace.lease(short), workspace.memory.put

    def cancel_then_put(file: Path, key: str, content_type: str) -> None:
        workspace.service.cancel(session.id)
        put(file, key, content_type)

    workspace.memory.put = cancel_then_put  # type: ignore[method-assign]
    assert workspace.run(session).state == State.CANCELLED
    assert workspace.outputs(session) == []


def test_does_not_change_a_job_that_another_worker_took_over(workspace: JobWorkspace, long: Path) -> None:
    session = workspace.lease(long)
    other_output = f"outputs/{session.id}/vocals.wav"

    def take_over(session_id: str) -> None:
        workspace.leases.release(session_id, "me")
        workspace.leases.begin(session_id, "another worker")
        workspace.memory.files[other_output] = b"other"

    workspace.leases.on_separating = take_over
    ended = workspace.run(session)
    assert (ended.state, ended.worker) == (State.IN_PROGRESS, "another worker")
    assert workspace.memory.files[other_output] == b"other"


def test_deletes_outputs_of_an_earlier_attempt(workspace: JobWorkspace, short: Path) -> None:
    session = workspace.lease(short)
    workspace.memory.files[f"outputs/{session.id}/drums.flac"] = b"half"
    assert "drums.flac" not in workspace.outputs(workspace.run(session))


def test_survives_a_short_outage_of_the_session_store(workspace: JobWorkspace, short: Path) -> None:
    session = workspace.lease(short)
    get, failing = workspace.store.get, 2

    def sometimes(session_id: str) -> Session | None:
        nonlocal failing
        if failing:
            failing -= 1
            raise ConnectionError
        return get(session_id)

    workspace.store.get = sometimes  # type: ignore[method-assign]
    assert workspace.run(session).state == State.COMPLETED
    assert failing == 0


def test_stops_when_the_session_store_stays_unavailable(
    workspace: JobWorkspace, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RETRY_S", 0.0)
    workspace.sessions.limits = Limits(lease_s=0.5)
    session = workspace.lease(long)

    def fail_from_now_on(session_id: str) -> None:
        def get(session_id: str) -> Session | None:
            raise ConnectionError

        workspace.store.get = get  # type: ignore[method-assign]

    workspace.leases.on_separating = fail_from_now_on
    runner.run_job(
        LeasedJob(session, workspace.leases), workspace.separators, workspace.scratch, workspace.stop
    )
    assert workspace.outputs(session) == []
    assert workspace.store.records[session.id].state == State.IN_PROGRESS  # until its lease expires


@pytest.mark.parametrize("where", ["scratch", "outputs"])
def test_full_disk_fails_with_advice_and_leaves_no_files(
    tmp_path: Path, tiny_disk: Path, separators: Separators, short: Path, where: str
) -> None:
    store = FolderStore(tiny_disk if where == "outputs" else tmp_path / "objects", Links(bytes(32)))
    workspace = JobWorkspace(tmp_path, separators, store)
    if where == "scratch":
        workspace.scratch = tiny_disk
    session = workspace.lease(short)  # 350 kB each, song and stems, on a disk of 512 kB
    ended = workspace.run(session)
    assert ended.state == State.FAILED
    assert ended.error_message is not None
    assert "no disk space left" in ended.error_message
    assert str(tiny_disk) not in ended.error_message
    assert [path.name for path in store.root.rglob("*") if path.is_file()] == ["song.wav"]


def test_stems_that_were_lowered_are_a_warning(workspace: JobWorkspace, tmp_path: Path) -> None:
    loud = tmp_path / "loud.wav"
    with Encoder(loud, sample_rate=44100, channels=2, subtype="float") as encoder:
        encoder.write(noise(2, 44100, peak=4.0))
    session = workspace.run(workspace.lease(loud))
    (warning,) = session.warnings
    assert re.fullmatch(
        r"The stems are 1\d\.\d dB quieter than in the song\. At its level, they would clip\.", warning
    )


def test_parts_of_a_stem_equal_those_of_a_chain(
    workspace: JobWorkspace, separators: Separators, short: Path, tmp_path: Path
) -> None:
    parent = workspace.run(workspace.lease(short))
    part = StemSplits(workspace.service).start(parent.id, "no_vocals", "lite")
    assert workspace.leases.take("me")
    done = workspace.run(workspace.store.records[part.id])
    separator = separators.get("lite").separator
    chain = separator.separate_to_files(short, tmp_path / "chain", then={"no_vocals": separator})
    names = [f"no_vocals.{part}" for part in ("drums", "bass", "other", "vocals")]
    assert [(output.type, output.filename) for output in done.outputs] == [(n, f"{n}.wav") for n in names]
    for output in done.outputs:
        assert workspace.memory.files[output.key] == chain.files[output.type].read_bytes()
        assert output.peaks_key in workspace.memory.files
        assert output.play_key in workspace.memory.files


def test_lists_of_stems_and_a_part_equal_the_command_lines(
    workspace: JobWorkspace, short: Path, tmp_path: Path
) -> None:
    session = workspace.run(workspace.lease(short, choices=CHOSEN))
    assert (session.state, session.duration_s) == (State.COMPLETED, 0.75)
    result = Separator("lite").separate_to_files(
        short, tmp_path, stems=CHOSEN.stems, start=-1.5, end=1.25, name="direct"
    )
    assert [output.filename for output in session.outputs] == ["no_bass.wav", "drums+bass.wav", "mix.wav"]
    for output in session.outputs:
        assert workspace.memory.files[output.key] == result.files[output.type].read_bytes()
        assert output.duration_s == 0.75


def test_store_that_is_away_costs_no_song_and_no_attempt(
    workspace: JobWorkspace, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "AWAY_S", 0.0)
    stored = workspace.memory.put

    def away(file: Path, key: str, content_type: str) -> None:
        raise Unavailable("The store doesn't answer.")

    workspace.memory.put = lambda file, key, kind: (away if "outputs" in key else stored)(file, key, kind)  # type: ignore[method-assign]
    session = workspace.run(workspace.lease(short))
    assert (session.state, session.attempts, session.error_message) == (State.PENDING, 0, None)
    workspace.memory.put = stored  # type: ignore[method-assign]
    again = workspace.leases.take("me")
    assert again is not None
    assert workspace.run(again).state == State.COMPLETED


def test_a_part_that_the_song_has_not_fails_in_its_words(workspace: JobWorkspace, short: Path) -> None:
    session = workspace.run(workspace.lease(short, choices=Choices("lite", start=65.0)))
    assert session.state == State.FAILED
    assert session.error_message == "My Song.wav is 0:02 long, and ends before 1:05."


def test_another_model_on_a_part_gives_that_part_of_its_stems(
    workspace: JobWorkspace, short: Path, tmp_path: Path
) -> None:
    parent = workspace.run(workspace.lease(short))
    StemSplits(workspace.service).start(parent.id, "mix", "lite", start=0.5, end=1.5)
    part = workspace.leases.take("me")
    assert part is not None
    session = workspace.run(part)
    assert (session.state, session.error_message, session.duration_s) == (State.COMPLETED, None, 1.0)
    expected = Separator("lite").separate_to_files(short, tmp_path, stems="all", start=0.5, end=1.5).files
    names = [output.type for output in session.outputs]
    assert names[:4] == [f"mix.{stem}" for stem in expected]
    for output, path in zip(session.outputs, expected.values(), strict=False):
        assert workspace.memory.files[output.key] == path.read_bytes()
