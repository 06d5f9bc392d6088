"""Whatever happens to a job, it ends completed, failed in words, or given back; its files are whole or not there."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.audio.sounds import KINDS, bursts, write
from tests.conftest import WriteWave
from tests.jobs.memory import MemoryObjects, MemoryStore, Outbox

from unbraid.errors import Fault, UnbraidError
from unbraid.jobs import heartbeat, messages, runner
from unbraid.jobs.leases import LeasedJob, Leases
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import ObjectStore
from unbraid.jobs.separators import Loaded, Separators
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices, Session, State
from unbraid.jobs.sessions import Sessions
from unbraid.local.files import FolderStore
from unbraid.local.links import Links
from unbraid.separation import Separator

LITE = Choices(model="lite")


class InterruptedLeases(Leases):
    """Calls `happens` once, when the song is being separated."""

    happens: Callable[[str], object] | None = None

    def renew_lease(self, session_id: str, worker: str, *arguments: Any, **named: Any) -> bool:
        ours = super().renew_lease(session_id, worker, *arguments, **named)
        if self.happens is not None and "separating" in arguments:
            happens, self.happens = self.happens, None
            happens(session_id)
        return ours


class World:
    """Everything a job needs; the store of files is in memory unless another is given."""

    def __init__(self, folder: Path, separators: Separators, objects: ObjectStore | None = None) -> None:
        self.jobs, self.told = MemoryStore(), Outbox()
        self.memory = MemoryObjects()
        self.objects: ObjectStore = objects or self.memory
        self.separators = separators
        self.scratch = folder / "scratch"
        self.stop = threading.Event()
        self.sessions = Sessions(self.jobs, self.objects, self.told, self.told, Limits(keep_free_bytes=0))
        self.service, self.leases = Service(self.sessions), InterruptedLeases(self.sessions)

    def bring(self, song: Path, name: str = "My Song.wav", choices: Choices = LITE) -> Session:
        """A session whose song is here, taken by the worker `me`."""
        upload = self.service.upload(name, "audio/wav")
        copy = song.with_name("copy")
        copy.write_bytes(song.read_bytes())
        self.objects.put(copy, upload.session.input_key, "audio/wav")
        self.service.start(upload.session.id, choices=choices)
        session = self.leases.take("me")
        assert session is not None
        return session

    def run(self, session: Session) -> Session:
        """The record when the job has ended; nothing may be left of the work."""
        runner.run_job(LeasedJob(session, self.leases), self.separators, self.scratch, self.stop)
        assert [path for path in self.scratch.rglob("*") if self.scratch.is_dir()] == []
        return self.jobs.get(session.id) or session

    def outputs(self, session: Session) -> list[str]:
        """Names of what lies in the session's place."""
        return sorted(
            key.rsplit("/", 1)[1] for key in self.memory.files if key.startswith(f"outputs/{session.id}/")
        )


@pytest.fixture(scope="module")
def separators() -> Separators:
    return Separators()


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Songs as short as these are done between two."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)


@pytest.fixture
def world(tmp_path: Path, separators: Separators) -> World:
    return World(tmp_path, separators)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song of two seconds."""
    return write_wave(tmp_path_factory.mktemp("short") / "short.wav")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song that takes a few seconds."""
    return write_wave(tmp_path_factory.mktemp("long") / "long.wav", 40.0)


def test_stems_are_those_of_the_command_line_with_what_plays_and_draws_them(
    world: World, short: Path, tmp_path: Path
) -> None:
    session = world.run(world.bring(short))
    assert (session.state, session.model_used, session.duration_s) == (State.COMPLETED, "lite", 2.0)
    assert [output.type for output in session.outputs] == ["vocals", "no_vocals"]
    expected = Separator("lite").separate_to_files(short, tmp_path, name="direct").files
    for output in session.outputs:
        assert output.filename == f"{output.type}.wav"
        assert world.memory.files[output.key] == expected[output.type].read_bytes()
        assert output.size == len(world.memory.files[output.key])
        assert output.duration_s == 2.0
        assert output.play_key is not None
        assert output.peaks_key is not None
        play = json.loads(world.memory.files[output.peaks_key])["play"]
        assert play["samples"] == 88_200
        assert play["offsets"][-1] == len(world.memory.files[output.play_key])
    assert len(world.outputs(session)) == 6


def test_all_stems_in_another_format(world: World, short: Path) -> None:
    session = world.run(world.bring(short, choices=Choices("lite", "all", "mp3")))
    assert [output.filename for output in session.outputs] == [
        *("drums.mp3", "bass.mp3", "other.mp3", "vocals.mp3")
    ]


def test_a_film_comes_with_its_accompaniment(world: World, tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "mp4-aac")
    film = write(tmp_path / "film.mp4", bursts(44100, 2, 44100), 44100, kind)
    session = world.run(world.bring(film, "Film.mp4", Choices("lite", video=True)))
    *_, video = session.outputs
    assert (video.type, video.filename, video.peaks_key) == ("video", "no_vocals.mp4", None)
    assert world.memory.files[video.key][4:8] == b"ftyp"
    assert video.size == len(world.memory.files[video.key])


def test_a_film_of_a_song_without_pictures_fails_before_the_work(world: World, short: Path) -> None:
    session = world.run(world.bring(short, choices=Choices("lite", video=True)))
    assert session.state == State.FAILED
    assert (session.error_message or "").startswith("My Song.wav is not a video")


def test_progress_is_told_while_it_goes_on(world: World, long: Path) -> None:
    session = world.bring(long)
    seen: list[tuple[str | None, float, float | None]] = []

    def look(session_id: str) -> None:
        record = world.service.get(session_id)
        seen.append((record.stage, record.progress, record.duration_s))
        world.stop.set()

    world.leases.happens = look
    world.run(session)
    [(stage, progress, duration_s)] = seen
    assert stage == "separating"
    assert 0 < progress < 1
    assert duration_s == 40.0


def test_a_song_that_cant_be_read_fails_by_its_users_name(world: World, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nothing of the kind")
    session = world.run(world.bring(song, "Étude (live).wav"))
    assert session.state == State.FAILED
    assert session.error_message is not None
    assert session.error_message.startswith("Étude (live).wav can't be read as audio")
    assert world.outputs(session) == []


def test_warnings_name_the_song_as_its_user_does(world: World, short: Path, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(short.read_bytes()[:200_000])
    session = world.run(world.bring(song, "Cut.wav"))
    assert [warning.split(";")[0] for warning in session.warnings] == ["Cut.wav is cut off"]


def test_fails_if_song_is_longer_than_limit(world: World, short: Path) -> None:
    world.sessions.limits = Limits(max_song_s=2)
    assert world.run(world.bring(short)).state == State.COMPLETED
    world.sessions.limits = Limits(max_song_s=1.9)
    session = world.run(world.bring(short))
    assert (session.state, session.error_fault) == (State.FAILED, Fault.SONG)
    assert session.error_message == (
        "My Song.wav is longer than 0 minutes, the most that is taken. Cut it into parts."
    )


def test_auto_says_in_a_warning_what_it_came_to(world: World, short: Path) -> None:
    world.separators = Separators()
    session = world.run(world.bring(short, choices=Choices("auto")))
    assert session.model_used == "lite"
    assert "Using lite" in session.warnings[0]


def test_a_model_that_cant_be_had_fails_with_what_else_there_is(world: World, short: Path) -> None:
    session = world.run(world.bring(short, choices=Choices("htdemucs")))
    assert session.state == State.FAILED
    assert session.error_message == (
        "htdemucs can't be downloaded: UNBRAID_OFFLINE is set. Choose lite, which is always here, or try again later."
    )


def test_a_song_that_was_deleted_before_is_asked_for_again(world: World, short: Path) -> None:
    session = world.bring(short)
    world.memory.files.clear()
    assert world.run(session).error_message == messages.SONG_GONE


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("Cannot allocate memory")])
def test_too_little_memory_is_told(world: World, short: Path, error: Exception) -> None:
    class Greedy(Separators):
        def get(self, name: str, downloading: Any = None) -> Loaded:
            raise error

    world.separators = Greedy()
    assert world.run(world.bring(short)).error_message == messages.NO_MEMORY


def test_a_fault_of_ours_is_logged_without_whose_song_it_was(
    world: World, short: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(file: Path, key: str, content_type: str) -> None:
        raise RuntimeError(f"no way to {key}")

    session = world.bring(short, "Secret.wav")
    world.memory.put = broken  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        ended = world.run(session)
    assert (ended.state, ended.error_message) == (State.FAILED, messages.INTERNAL)
    assert "RuntimeError: no way to …" in caplog.text
    assert session.id not in caplog.text
    assert "Secret" not in caplog.text


@pytest.mark.parametrize("early", [False, True], ids=["while it is separated", "before it has begun"])
def test_told_to_stop_it_gives_the_job_back(world: World, long: Path, early: bool) -> None:
    session = world.bring(long)
    if early:
        world.stop.set()
    else:
        world.leases.happens = lambda _: world.stop.set()
    ended = world.run(session)
    assert (ended.state, ended.attempts, ended.worker) == (State.PENDING, 0, None)
    assert world.outputs(session) == []


def test_a_cancelled_job_stops_within_about_a_second(world: World, long: Path) -> None:
    session = world.bring(long)
    cancelled_at = 0.0

    def cancel(session_id: str) -> None:
        nonlocal cancelled_at
        cancelled_at = time.process_time()
        world.service.cancel(session_id)

    world.leases.happens = cancel
    ended = world.run(session)
    assert time.process_time() - cancelled_at < 2  # a beat and a segment, of two cores
    assert ended.state == State.CANCELLED
    assert world.outputs(session) == []


@pytest.mark.parametrize("late", [False, True], ids=["while it is separated", "when its stems are put"])
def test_a_deleted_job_leaves_nothing(world: World, long: Path, short: Path, late: bool) -> None:
    session = world.bring(short if late else long)
    put = world.memory.put

    def delete_then_put(file: Path, key: str, content_type: str) -> None:
        world.service.cleanup(session.id)
        put(file, key, content_type)

    if late:
        world.memory.put = delete_then_put  # type: ignore[method-assign]
    else:
        world.leases.happens = world.service.cleanup
    world.run(session)
    assert world.jobs.get(session.id) is None
    assert world.memory.files == {}


def test_a_job_cancelled_while_its_stems_are_put_leaves_none(world: World, short: Path) -> None:
    session, put = world.bring(short), world.memory.put

    def cancel_then_put(file: Path, key: str, content_type: str) -> None:
        world.service.cancel(session.id)
        put(file, key, content_type)

    world.memory.put = cancel_then_put  # type: ignore[method-assign]
    assert world.run(session).state == State.CANCELLED
    assert world.outputs(session) == []


def test_a_job_that_somebody_else_has_taken_is_left_alone(world: World, long: Path) -> None:
    session = world.bring(long)
    theirs = f"outputs/{session.id}/vocals.wav"

    def taken_over(session_id: str) -> None:
        world.leases.release(session_id, "me")
        world.leases.begin(session_id, "somebody else")
        world.memory.files[theirs] = b"theirs"

    world.leases.happens = taken_over
    ended = world.run(session)
    assert (ended.state, ended.worker) == (State.IN_PROGRESS, "somebody else")
    assert world.memory.files[theirs] == b"theirs"


def test_what_an_attempt_left_that_was_cut_short_goes(world: World, short: Path) -> None:
    session = world.bring(short)
    world.memory.files[f"outputs/{session.id}/drums.flac"] = b"half"
    assert "drums.flac" not in world.outputs(world.run(session))


def test_a_store_that_is_away_for_a_moment_costs_nothing(world: World, short: Path) -> None:
    session = world.bring(short)
    get, failing = world.jobs.get, 2

    def sometimes(session_id: str) -> Session | None:
        nonlocal failing
        if failing:
            failing -= 1
            raise ConnectionError
        return get(session_id)

    world.jobs.get = sometimes  # type: ignore[method-assign]
    assert world.run(session).state == State.COMPLETED
    assert failing == 0


def test_a_store_that_stays_away_ends_the_work(
    world: World, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RETRY_S", 0.0)
    world.sessions.limits = Limits(lease_s=0.5)
    session = world.bring(long)

    def away(session_id: str) -> None:
        def get(session_id: str) -> Session | None:
            raise ConnectionError

        world.jobs.get = get  # type: ignore[method-assign]

    world.leases.happens = away
    runner.run_job(LeasedJob(session, world.leases), world.separators, world.scratch, world.stop)
    assert world.outputs(session) == []
    assert world.jobs.records[session.id].state == State.IN_PROGRESS  # until its lease runs out


@pytest.mark.parametrize("where", ["scratch", "outputs"])
def test_a_full_disk_is_told_in_words_and_nothing_stays(
    tmp_path: Path, tiny_disk: Path, separators: Separators, short: Path, where: str
) -> None:
    store = FolderStore(tiny_disk if where == "outputs" else tmp_path / "objects", Links(bytes(32)))
    world = World(tmp_path, separators, store)
    if where == "scratch":
        world.scratch = tiny_disk
    session = world.bring(short)  # 350 kB each, song and stems, on a disk of 512 kB
    ended = world.run(session)
    assert ended.state == State.FAILED
    assert ended.error_message is not None
    assert "no room left" in ended.error_message
    assert str(tiny_disk) not in ended.error_message
    assert [path.name for path in store.root.rglob("*") if path.is_file()] == ["song.wav"]


def test_models_are_kept_until_another_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    separators = Separators()
    lite = separators.get("lite")
    assert separators.get("lite") is lite
    auto = separators.get("auto")
    assert auto.separator is not lite.separator
    assert separators.get("auto") is auto
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3600)
    assert separators.get("auto") is not auto  # the network may be back
    with pytest.raises(UnbraidError):
        separators.get("htdemucs")
