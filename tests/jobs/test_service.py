"""What a user may do with a song."""

from __future__ import annotations

from tests.jobs.memory import MemoryJobs, MemoryObjects, Told

from unbraid.jobs.limits import Limits
from unbraid.jobs.service import Service
from unbraid.jobs.session import Output, State


def test_a_song_goes_all_the_way() -> None:
    jobs, objects, told = MemoryJobs(), MemoryObjects(), Told()
    service = Service(jobs, objects, told, told, Limits())
    upload = service.upload("My Song.MP3", "audio/mpeg")
    key = upload.session.input_key
    assert key == f"inputs/{upload.session.id}/song.mp3"
    objects.files[key] = b"ID3" + bytes(100)
    assert service.start(upload.session.id, key).state == State.PENDING
    assert service.status(upload.session.id).queue_position == 1
    session = service.take("worker")
    assert session is not None
    assert service.alive(session.id, "worker", progress=0.5, stage="separating", duration_s=10.0)
    output = Output("vocals", "vocals.wav", f"outputs/{session.id}/vocals.wav", 44, 10.0)
    assert service.complete(session.id, "worker", [output], 10.0, "lite")
    status = service.status(session.id)
    assert (status.session.state, status.session.progress) == (State.COMPLETED, 1.0)
    assert [(file.filename, file.save_as) for file in status.files] == [
        ("vocals.wav", "My Song - vocals.wav")
    ]
    assert service.cleanup(session.id) == 2
    assert service.cleanup(session.id) == 0
