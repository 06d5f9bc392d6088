"""Estimates of the time that songs take."""

from __future__ import annotations

import threading

import pytest
from tests.jobs.memory import SONG, Workspace

from unbraid import Separator
from unbraid.api.answers import models_answer
from unbraid.jobs.available import AvailableModels
from unbraid.jobs.estimates import Rates
from unbraid.jobs.queue_snapshot import QueueSnapshot, QueueSnapshots
from unbraid.jobs.session import Choices
from unbraid.models import unavailable
from unbraid.models.catalog import catalog
from unbraid.models.presets import expected_work
from unbraid.models.questions import QUALITIES

LITE = Choices("lite")


def learn(
    workspace: Workspace,
    seconds: float,
    duration_s: float = 100.0,
    choices: Choices = LITE,
    used: str = "lite",
) -> None:
    """Complete a song of `duration_s` that took `seconds`."""
    session_id = workspace.working(choices=choices)
    workspace.now += seconds
    assert workspace.leases.complete(session_id, "w", [], duration_s, used)
    workspace.now += 1


def eta(workspace: Workspace, session_id: str) -> float | None:
    return workspace.service.status(session_id).wait.eta_s


def test_unused_models_have_the_catalogues_rate() -> None:
    assert all(entry.speed.all_stems >= entry.speed.one_stem > 0 for entry in catalog().values())
    rates = Rates(cores=2)
    assert rates.of("lite", "vocals") == 0.035
    assert (rates.of("htdemucs_ft", "vocals"), rates.of("htdemucs_ft", "all")) == (0.48, 1.9)
    assert Rates(cores=8).of("htdemucs", "all") == 0.12


def test_rate_is_measured_from_completed_songs(workspace: Workspace) -> None:
    learn(workspace, 7.0)
    learn(workspace, 9.0, choices=Choices("lite", "all"))
    assert workspace.service.queue_snapshot.rates.of("lite", "drums") == 0.07
    assert workspace.service.queue_snapshot.rates.of("lite", "all") == 0.09


def test_rate_prefers_long_and_recent_songs(workspace: Workspace) -> None:
    learn(workspace, 10.0, duration_s=200.0)
    for _ in range(5):
        learn(workspace, 3.0, duration_s=2.0)
    assert workspace.service.queue_snapshot.rates.of("lite", "vocals") == 0.05
    for _ in range(9):
        learn(workspace, 2.0, duration_s=200.0)
    assert workspace.service.queue_snapshot.rates.of("lite", "vocals") == 0.01


def test_short_songs_do_not_change_the_rate_of_whole_songs(workspace: Workspace) -> None:
    """The first song of a machine also compiles the network. If it is short, that is most of its time."""
    before = workspace.service.queue_snapshot.rates.of("lite", "vocals")
    learn(workspace, 18.0, duration_s=12.0)
    assert workspace.service.queue_snapshot.rates.of("lite", "vocals") == before


@pytest.mark.parametrize(
    ("quality", "work"), [("fast", 0.75 / 0.9), ("balanced", 1), ("best", 2 * 0.75 / 0.5)]
)
def test_quality_of_a_named_model_changes_its_time(workspace: Workspace, quality: str, work: float) -> None:
    """docs/cli.md has the same factors. With `auto`, the quality chooses another model."""
    times = []
    for choices in (Choices("htdemucs"), Choices("htdemucs", quality=quality)):
        session_id = workspace.waiting(choices=choices, data=SONG + bytes(24_000 * 300 - len(SONG)))
        times.append(eta(workspace, session_id) or 0.0)
        workspace.service.cleanup(session_id)
        workspace.now += 1
    assert times[1] / times[0] == pytest.approx(work)


def test_rate_of_a_song_at_another_quality_is_converted(workspace: Workspace) -> None:
    for _ in range(3):
        learn(workspace, 36.0, choices=Choices("htdemucs", quality="best"), used="htdemucs")
    rates = workspace.service.queue_snapshot.rates
    assert rates.of("htdemucs", "vocals") == pytest.approx(0.12)
    assert rates.of("htdemucs", "vocals", "best") == pytest.approx(0.36)


@pytest.mark.parametrize("quality", QUALITIES)
def test_expected_work_is_that_of_the_loaded_model(quality: str) -> None:
    assert expected_work(catalog()["lite"], quality) == pytest.approx(Separator("lite", quality=quality).work)


def test_auto_and_fast_have_the_rate_of_the_model_that_the_next_song_will_use(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(workspace, 50.0, choices=Choices("auto"), used="htdemucs")
    learn(workspace, 4.0, choices=Choices("auto"), used="spleeter")
    learn(workspace, 9.0)
    monkeypatch.delenv("UNBRAID_OFFLINE")

    def rates(*missing: str) -> tuple[float, float]:
        monkeypatch.setattr(unavailable, "_here", {})
        for name in missing:
            unavailable.remember(name, "no network")
        workspace.now += 1
        rates = workspace.service.queue_snapshot.rates
        return rates.of("auto", "vocals"), rates.of("fast", "vocals")

    try:
        assert rates() == (0.5, 0.04)
        assert rates("htdemucs") == (0.04, 0.04)
        assert rates("htdemucs", "spleeter") == (0.09, 0.09)
    finally:
        unavailable.forget()


def test_menu_and_song_have_the_same_estimate(workspace: Workspace) -> None:
    """The page multiplies the rates of GET /models with the length of a song."""
    learn(workspace, 7.0)
    answer = models_answer(workspace.sessions.limits, workspace.service.queue_snapshot.rates)
    for choice in answer.choices:
        for stems, used in choice.stems.items():
            session_id = workspace.waiting(
                choices=Choices(choice.name, stems), data=SONG + bytes(24_000 * 300 - len(SONG))
            )
            assert eta(workspace, session_id) == pytest.approx(300 * used.secondsPerSecond)
            workspace.service.cleanup(session_id)
            workspace.now += 1


def test_without_progress_the_usual_rate_counts(workspace: Workspace) -> None:
    learn(workspace, 10.0)
    session_id = workspace.working(choices=LITE)
    workspace.leases.renew_lease(session_id, "w", 0.0, "analysing", 300.0)
    assert eta(workspace, session_id) == pytest.approx(30.0)


def test_with_progress_the_songs_own_pace_counts(workspace: Workspace) -> None:
    learn(workspace, 10.0)
    session_id = workspace.working(choices=LITE)
    workspace.now += 20  # to load the model, which doesn't count
    workspace.leases.renew_lease(session_id, "w", 0.0, "analysing", 300.0)
    assert eta(workspace, session_id) == pytest.approx(30.0)
    workspace.now += 10
    workspace.leases.renew_lease(session_id, "w", 0.03, "separating", 300.0)
    assert eta(workspace, session_id) == pytest.approx(0.97 * 30.0)  # the song was only read
    workspace.leases.renew_lease(session_id, "w", 0.115, "separating")
    assert eta(workspace, session_id) == pytest.approx(0.885 * (0.5 * 10 / 0.115 + 0.5 * 30.0))
    workspace.now += 10
    workspace.leases.renew_lease(session_id, "w", 0.2, "separating")
    assert eta(workspace, session_id) == pytest.approx(80.0)
    workspace.now += 75
    workspace.leases.renew_lease(session_id, "w", 0.95, "separating")
    assert eta(workspace, session_id) == pytest.approx(5.0)


def test_download_time_is_added_to_the_songs(workspace: Workspace) -> None:
    learn(workspace, 10.0)
    session_id = workspace.working(choices=LITE)
    workspace.leases.renew_lease(session_id, "w", 0.0, "downloading", 300.0)
    assert eta(workspace, session_id) is None
    workspace.now += 20
    workspace.leases.renew_lease(session_id, "w", 0.01, "downloading")
    assert eta(workspace, session_id) is None  # most of these 20 s was the wait for the server
    workspace.leases.renew_lease(session_id, "w", 0.5, "downloading")
    assert eta(workspace, session_id) == pytest.approx(20.0 + 30.0)
    workspace.now += 20
    workspace.leases.renew_lease(session_id, "w", 0.0, "analysing")
    assert eta(workspace, session_id) == pytest.approx(30.0)


def test_waiting_song_adds_the_time_of_songs_ahead(workspace: Workspace) -> None:
    learn(workspace, 10.0)
    song = bytes(24_000 * 300)  # five minutes at 192 kbit/s
    at_work = [workspace.working(f"w{n}", choices=LITE, data=song) for n in (1, 2)]
    waiting = [workspace.waiting(choices=LITE, data=song) for _ in range(3)]
    workspace.leases.renew_lease(at_work[0], "w1", 0.0, "analysing")
    workspace.now += 15
    workspace.leases.renew_lease(
        at_work[0], "w1", 0.5, "separating", 300.0
    )  # 15 s left; the other song has 30 s left
    waiting.sort()  # queued at the same moment, so they are ordered by id
    assert [eta(workspace, one) for one in waiting] == pytest.approx([45.0, 60.0, 75.0])
    workspace.now += 0.5
    assert eta(workspace, waiting[0]) == pytest.approx(44.5)


def test_song_queued_since_the_snapshot_is_behind_all_others(workspace: Workspace) -> None:
    learn(workspace, 10.0)
    song = bytes(24_000 * 300)
    first = workspace.waiting(choices=LITE, data=song)
    assert eta(workspace, first) == pytest.approx(30.0)
    workspace.now += 0.5
    late = workspace.waiting(choices=LITE, data=song)
    later = eta(workspace, late)
    assert later is not None
    assert later >= 29.5


def test_no_estimate_for_videos_of_unknown_duration_and_inactive_sessions(workspace: Workspace) -> None:
    video = workspace.service.upload("video.mp4", "video/mp4").session
    workspace.objects.files[video.input_key] = bytes(1000)
    workspace.service.start(video.id)
    for session_id in (video.id, workspace.uploaded(), workspace.completed()):
        assert eta(workspace, session_id) is None


def test_concurrent_requests_share_one_snapshot(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread reads. The others use the previous snapshot, or wait for the first snapshot."""
    reads, go = [], threading.Event()
    read = QueueSnapshot.read

    def slow(jobs: object, now: float, available: AvailableModels) -> QueueSnapshot:
        reads.append(now)
        go.wait(10)
        return read(workspace.store, now, available)

    monkeypatch.setattr(QueueSnapshot, "read", slow)
    snapshots = QueueSnapshots(workspace.store, lambda: workspace.now, AvailableModels())
    for _ in range(2):
        go.clear()
        results: list[QueueSnapshot] = []
        threads = [threading.Thread(target=lambda: results.append(snapshots.fresh())) for _ in range(8)]  # noqa: B023
        for thread in threads:
            thread.start()
        go.set()
        for thread in threads:
            thread.join()
        assert len(results) == 8
        workspace.now += 1
    assert len(reads) == 2
