"""The schedule of a cluster's workers: each song goes to one worker, and lost workers lose no song."""

from __future__ import annotations

import random

from unbraid.cluster.schedule import MOST_LOSSES, SONGS_PER_WORKER, Schedule
from unbraid.cluster.storage import StoredSong


def songs(count: int) -> list[StoredSong]:
    return [StoredSong(f"/music/{i}.wav", "", str(i), 1, 0) for i in range(count)]


def give_all(schedule: Schedule, worker: str) -> list[StoredSong]:
    """Give the worker songs until it has enough."""
    given = []
    while song := schedule.next_for(worker):
        given.append(song)
    return given


def test_a_worker_has_a_song_to_compute_and_one_to_load() -> None:
    first, second, third, fourth = songs(4)
    schedule = Schedule([first, second, third, fourth])
    assert give_all(schedule, "a") == [first, second]
    assert give_all(schedule, "b") == [third, fourth]
    assert (schedule.waiting, schedule.running) == (0, 4)
    schedule.finish("a", second)
    assert give_all(schedule, "a") == []
    assert (schedule.waiting, schedule.running) == (0, 3)


def test_songs_of_a_lost_worker_come_last_and_alone() -> None:
    first, second, third, fourth, fifth = songs(5)
    schedule = Schedule([first, second, third, fourth, fifth])
    give_all(schedule, "a")
    assert schedule.lose("a") == []
    assert schedule.waiting == 5
    assert give_all(schedule, "b") == [third, fourth]
    assert give_all(schedule, "c") == [fifth]  # no song that lost a worker beside it
    schedule.finish("c", fifth)
    assert give_all(schedule, "c") == [first]
    schedule.finish("b", third)
    assert give_all(schedule, "b") == []  # it still has the fourth
    schedule.finish("b", fourth)
    assert give_all(schedule, "b") == [second]


def test_a_song_that_ends_its_workers_is_given_up_and_the_song_beside_it_is_not() -> None:
    deadly, other = songs(2)
    schedule = Schedule([deadly, other])
    done, given_up, lost = list[StoredSong](), list[StoredSong](), 0
    while schedule.waiting:
        worker = f"worker {lost}"
        given = give_all(schedule, worker)
        if deadly in given:
            given_up += schedule.lose(worker)
            lost += 1
        else:
            for song in given:
                schedule.finish(worker, song)
                done.append(song)
    assert (done, given_up, lost) == ([other], [deadly], MOST_LOSSES + 1)


def test_workers_lost_at_random_lose_no_song() -> None:
    choose, whole = random.Random(0), songs(300)
    schedule = Schedule(whole)
    workers = {f"worker {i}": list[StoredSong]() for i in range(8)}
    done = list[StoredSong]()
    lost = 0
    while schedule.waiting or schedule.running:
        for worker, given in workers.items():
            given += give_all(schedule, worker)
            assert len(given) <= SONGS_PER_WORKER
        worker = choose.choice([name for name, given in workers.items() if given])
        if lost < 60 and choose.random() < 0.3:
            assert schedule.lose(worker) == []
            workers[worker] = []
            lost += 1
        else:
            song = workers[worker].pop(choose.randrange(len(workers[worker])))
            schedule.finish(worker, song)
            done.append(song)
    assert sorted(song.path for song in done) == sorted(song.path for song in whole)
    assert lost == 60
