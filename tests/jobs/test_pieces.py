"""The stems of a song are published while it is separated, and equal the files at the end within their gain."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import Sound, decode
from tests.conftest import WriteWave
from tests.jobs.memory import MemoryObjects, MemoryStore, Outbox, Workspace
from tests.jobs.piece_reader import read_piece
from tests.separation.conftest import noise

from unbraid.audio.encode import Encoder
from unbraid.errors import OutputError
from unbraid.jobs import preview, runner
from unbraid.jobs.leases import LeasedJob, Leases
from unbraid.jobs.limits import Limits
from unbraid.jobs.playable import Piece, pieces_of
from unbraid.jobs.separators import Separators
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices, Playable, Session, State
from unbraid.jobs.sessions import Sessions

RATE = 8000
STEP = 1 / 2**15  # of 16 bits


class KeptObjects(MemoryObjects):
    """Files in memory. Discarded ones are kept apart. `refused`: part of the keys that can't be stored."""

    def __init__(self) -> None:
        super().__init__()
        self.discarded: dict[str, bytes] = {}
        self.refused = "nothing"

    def put(self, file: Path, key: str, content_type: str) -> None:
        if self.refused in key:
            raise OutputError("The disk is full.")
        super().put(file, key, content_type)

    def discard(self, keys: list[str]) -> None:  # type: ignore[override]
        self.discarded |= {key: self.files[key] for key in keys}
        super().discard(keys)


@dataclass
class WatchedLeases(Leases):
    """Leases that remember what was playable, and the state at that moment."""

    sessions: Sessions
    seen: list[Playable] = field(default_factory=list)

    def set_playable(self, session_id: str, worker: str, playable: Playable) -> bool:
        held = super().set_playable(session_id, worker, playable)
        session = self.sessions.store.get(session_id)
        assert session is not None
        assert (session.playable, session.state) == (playable, State.IN_PROGRESS)
        self.seen.append(playable)
        return held


class Songs:
    """Separates songs as a worker does."""

    def __init__(self, folder: Path, separators: Separators) -> None:
        self.objects, self.folder, self.separators = KeptObjects(), folder, separators
        outbox = Outbox()
        sessions = Sessions(MemoryStore(), self.objects, outbox, outbox, Limits(keep_free_bytes=0))
        self.service, self.leases = Service(sessions), WatchedLeases(sessions)

    def separate(self, song: Path, **choices: str | float) -> Session:
        """Separate a song with lite; return its record at the end."""
        upload = self.service.upload("Song.wav", "audio/wav").session
        self.objects.put(song, upload.input_key, "audio/wav")
        self.service.start(upload.id, choices=Choices(**({"model": "lite"} | choices)))  # type: ignore[arg-type]
        session = self.leases.take("me")
        assert session is not None
        job = LeasedJob(session, self.leases)
        runner.run_job(job, self.separators, self.folder / "scratch", threading.Event())
        return self.service.get(session.id)

    def pieces(self) -> list[bytes]:
        """Return the pieces of the last song, in order."""
        keys = sorted(self.objects.discarded, key=lambda key: int(key.split("-")[-1].split(".")[0]))
        return [self.objects.discarded[key] for key in keys]


@pytest.fixture(scope="module")
def separators() -> Separators:
    return Separators()


@pytest.fixture
def songs(tmp_path: Path, separators: Separators) -> Songs:
    return Songs(tmp_path, separators)


def heard(piece: bytes) -> Sound:
    """Return the stems of a piece as they are played, (stems, channels, samples), and check its waveforms."""
    header, stems = read_piece(piece)
    for levels, stem in zip(header["peaks"], stems, strict=True):
        starts = [*range(0, stem.shape[-1], RATE // 10), stem.shape[-1]]
        lowest = [stem[:, begin:end].min() for begin, end in pairwise(starts)]
        highest = [stem[:, begin:end].max() for begin, end in pairwise(starts)]
        np.testing.assert_allclose(np.array(levels[::2]) / 128, np.maximum(lowest, -1), atol=0.0085)
        np.testing.assert_allclose(np.array(levels[1::2]) / 128, np.minimum(highest, 127 / 128), atol=0.0085)
    return stems


def files_of(songs: Songs, session: Session) -> Sound:
    """Return the samples of the output files, (stems, channels, samples)."""
    stems = []
    for output in session.outputs:
        path = songs.folder / output.filename
        path.write_bytes(songs.objects.files[output.key])
        stems.append(decode(path))
    return np.array(stems)


@pytest.mark.parametrize("loud", [False, True])
def test_what_is_heard_equals_the_files_within_their_gain(songs: Songs, loud: bool) -> None:
    song = songs.folder / "song.wav"
    mixture = noise(2, 27 * RATE, seed=3)
    mixture *= (1.0 if loud else 0.2) / np.abs(mixture).max()
    if loud:
        mixture[:, 3 * RATE : 9 * RATE] = np.sign(mixture[:, 3 * RATE : 9 * RATE])
    with Encoder(song, sample_rate=RATE, channels=2, format="wav", subtype="16") as encoder:
        encoder.write(mixture)
    session = songs.separate(song)
    assert session.state == State.COMPLETED
    stems = np.concatenate([heard(piece) for piece in songs.pieces()], axis=-1)
    files = files_of(songs, session)
    assert stems.shape == files.shape
    (gain,) = {
        json.loads(songs.objects.files[one.peaks_key or ""])["play"]["gain"] for one in session.outputs
    }
    assert (gain < 1) == loud
    np.testing.assert_allclose(stems * gain, files, atol=2 * STEP)
    assert [playable.ready // RATE for playable in songs.leases.seen] == [5, 10, 15, 20, 27]
    assert {(one.sample_rate, one.samples, one.stems) for one in songs.leases.seen} == {
        (RATE, 27 * RATE, ("vocals", "no_vocals"))
    }
    assert session.playable is None
    assert len(songs.objects.files) == 1 + 2 * 3  # the song; of each stem its file, preview and waveform


@pytest.mark.parametrize("format", ["flac", "mp3"])
def test_previews_of_the_files_are_the_same_as_before(
    songs: Songs, write_wave: WriteWave, format: str
) -> None:
    session = songs.separate(write_wave(songs.folder / "song.wav", 12.0), format=format)
    for output in session.outputs:
        stem, play, peaks = (songs.folder / f"again.{ending}" for ending in (format, "play", "json"))
        stored = json.loads(songs.objects.files[output.peaks_key or ""])
        stem.write_bytes(songs.objects.files[output.key])
        preview.make(stem, play, peaks, beats=stored["beats"])
        made = json.loads(peaks.read_text())
        chunks, fine = (
            (songs.objects.files[output.play_key or ""], play.read_bytes()),
            stored["fine"]["offset"],
        )
        assert chunks[0][:fine] == chunks[1][:fine]
        levels = [np.frombuffer(one[fine:], np.int8).astype(int) for one in chunks]
        np.testing.assert_allclose(*levels, atol=1)
        np.testing.assert_allclose(stored.pop("data"), made.pop("data"), atol=1)
        assert stored == made


def test_a_part_of_a_song_is_heard_too(songs: Songs, write_wave: WriteWave) -> None:
    session = songs.separate(
        write_wave(songs.folder / "song.wav", 12.0, sample_rate=RATE), start=4.0, stems="all"
    )
    stems = np.concatenate([heard(piece) for piece in songs.pieces()], axis=-1)
    np.testing.assert_allclose(stems, files_of(songs, session), atol=2 * STEP)
    assert songs.leases.seen[-1].samples == 8 * RATE


@pytest.mark.parametrize("choices", [{"format": "stem", "stems": "all"}, {}])
def test_nothing_is_published_where_it_cannot_be_played(
    songs: Songs, write_wave: WriteWave, choices: dict[str, str]
) -> None:
    rate = RATE if choices else 6000  # below what browsers play
    session = songs.separate(write_wave(songs.folder / "song.wav", 6.0, sample_rate=rate), **choices)
    assert session.state == State.COMPLETED
    assert songs.leases.seen == []
    assert songs.pieces() == []


def test_a_song_is_separated_although_no_piece_can_be_stored(songs: Songs, write_wave: WriteWave) -> None:
    songs.objects.refused = "-1.play"
    session = songs.separate(write_wave(songs.folder / "song.wav", 27.0))
    assert session.state == State.COMPLETED
    assert [playable.ready / 44100 for playable in songs.leases.seen] == [5]
    assert all(output.play_key in songs.objects.files for output in session.outputs)
    assert not any(key.split("/")[-1].split("-")[-1] == "0.play" for key in songs.objects.files)


def test_pieces_of_a_failed_song_are_deleted(songs: Songs, write_wave: WriteWave) -> None:
    songs.objects.refused = "no_vocals.wav"
    session = songs.separate(write_wave(songs.folder / "song.wav", 6.0))
    assert (session.state, session.playable) == (State.FAILED, None)
    assert songs.leases.seen != []
    assert [key.split("/")[0] for key in songs.objects.files] == ["inputs"]


def test_the_next_attempt_begins_with_nothing_to_play() -> None:
    workspace = Workspace()
    session_id = workspace.working("first")
    playable = Playable("aaaa", ("vocals",), RATE, 60 * RATE, 5 * RATE)
    assert workspace.leases.set_playable(session_id, "first", playable)
    assert workspace.service.status(session_id).session.playable == playable
    workspace.leases.reclaim(session_id, "first")
    assert workspace.service.get(session_id).playable is None
    assert workspace.leases.begin(session_id, "second") is not None
    assert not workspace.leases.set_playable(session_id, "first", playable)
    assert workspace.service.get(session_id).playable is None
    other = Playable("bbbb", ("vocals",), RATE, 60 * RATE, 5 * RATE)
    assert workspace.leases.set_playable(session_id, "second", other)
    workspace.service.cancel(session_id)
    assert workspace.service.get(session_id).playable is None


def test_two_attempts_have_different_keys(songs: Songs, write_wave: WriteWave) -> None:
    song = write_wave(songs.folder / "song.wav", 6.0)
    songs.separate(song)
    songs.separate(song)
    assert len({playable.attempt for playable in songs.leases.seen}) == 2


@pytest.mark.parametrize(
    ("ready_s", "pieces"),
    [
        (0, []),
        (2, [(0, 0, 1)]),
        (5, [(0, 0, 1)]),
        (20, [(0, 0, 1), (1, 1, 1), (2, 2, 1), (3, 3, 1)]),
        (30, [(0, 0, 1), (1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 4, 2)]),
        (32, [(0, 0, 1), (1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 4, 2), (5, 6, 1)]),
    ],
)
def test_places_of_pieces(ready_s: int, pieces: list[tuple[int, int, int]]) -> None:
    playable = Playable("a", ("vocals",), RATE, 60 * RATE, ready_s * RATE)
    assert pieces_of(playable) == [Piece(*piece) for piece in pieces]
