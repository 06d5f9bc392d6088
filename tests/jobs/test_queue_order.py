"""The order of the queue: people in order of their starts, the songs of one person in order of the drop."""

from __future__ import annotations

from itertools import permutations

import pytest
from tests.jobs.memory import SONG, Workspace

from unbraid.jobs.new_file import NewFile
from unbraid.jobs.session import Choices

ANNA, BEN = "browser:anna", "browser:ben"


def dropped(workspace: Workspace, owner: str | None, at: float) -> str:
    """Create a session whose song was dropped at this time, and upload its song; return its id."""
    session = workspace.service.upload("a.mp3", "audio/mpeg", owner, dropped_at=at).session
    workspace.objects.files[session.input_key] = SONG
    return session.id


def start(workspace: Workspace, *session_ids: str) -> None:
    for session_id in session_ids:
        workspace.service.start(session_id)
        workspace.now += 1


def positions(workspace: Workspace, *session_ids: str) -> list[int | None]:
    return [workspace.service.status(one).wait.position for one in session_ids]


def taken(workspace: Workspace) -> list[str]:
    """Take all sessions of the queue; return their ids."""
    ids = []
    while (session := workspace.leases.take("w")) is not None:
        ids.append(session.id)
    return ids


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_songs_of_one_person_are_separated_in_the_order_of_the_drop(
    workspace: Workspace, order: tuple[int, ...]
) -> None:
    """Uploads of different sizes end in any order."""
    songs = [dropped(workspace, ANNA, at) for at in (1.0, 2.0, 3.0)]
    start(workspace, *(songs[number] for number in order))
    assert positions(workspace, *songs) == [1, 2, 3]
    assert taken(workspace) == songs


def test_drop_order_does_not_move_a_person_ahead_of_others(workspace: Workspace) -> None:
    """Anna's clock is slow; that moves none of her songs ahead of Ben's."""
    small, ben, large = (
        dropped(workspace, ANNA, 2.0), dropped(workspace, BEN, 9.0), dropped(workspace, ANNA, 1.0)
    )  # fmt: skip
    start(workspace, small, ben, large)
    assert positions(workspace, large, ben, small) == [1, 2, 3]
    assert taken(workspace) == [large, ben, small]


def test_without_an_owner_songs_are_separated_in_the_order_of_their_starts(workspace: Workspace) -> None:
    songs = [dropped(workspace, None, at) for at in (2.0, 1.0)]
    start(workspace, *songs)
    assert taken(workspace) == songs


def test_without_a_time_of_the_drop_the_upload_decides(workspace: Workspace) -> None:
    first = workspace.uploaded(owner=ANNA)
    workspace.now += 1
    second = workspace.uploaded(owner=ANNA)
    start(workspace, second, first)
    assert taken(workspace) == [first, second]


def test_songs_of_a_batch_keep_the_order_of_the_request(workspace: Workspace) -> None:
    _, uploads = workspace.service.upload_many(
        [NewFile(f"{n}.mp3", "audio/mpeg", None) for n in range(20)], ANNA
    )
    for upload in uploads:
        workspace.objects.files[upload.session.input_key] = SONG
    songs = [upload.session.id for upload in uploads]
    start(workspace, *reversed(songs))
    assert taken(workspace) == songs


def test_a_waiting_song_knows_when_its_work_begins(workspace: Workspace) -> None:
    """Two workers: the third song begins when the first worker is free."""
    lite = Choices("lite")
    for seconds in (100.0, 300.0):
        session_id = workspace.working(choices=lite)
        workspace.leases.renew_lease(session_id, "w", 0.0, "separating", seconds)
    waiting = [workspace.waiting(choices=lite) for _ in range(2)]
    workspace.now += 1
    rate = workspace.service.queue_snapshot.rates.of("lite", "vocals")
    first, second = sorted(
        (workspace.service.status(one).wait for one in waiting), key=lambda wait: wait.position or 0
    )
    assert first.begins_s == pytest.approx(100 * rate)
    assert first.eta_s is not None and second.begins_s == pytest.approx(first.eta_s)
    running = workspace.service.status(session_id).wait
    assert (running.begins_s, running.position) == (None, None)
