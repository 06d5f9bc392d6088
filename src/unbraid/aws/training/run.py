"""A training in AWS from the upload of its songs to the installed model. Nothing of the music stays there after it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from unbraid.aws.training.bucket import Folder
from unbraid.aws.training.deployment import Deployment
from unbraid.aws.training.image import Image
from unbraid.aws.training.job import HOUR, Job, Status, request_of
from unbraid.aws.training.material import File
from unbraid.aws.training.names import LOG_GROUP
from unbraid.aws.training.result import fetch
from unbraid.aws.training.state import STATE, State, folder_of
from unbraid.errors import SettingError, Unavailable
from unbraid.files.workfolder import WorkFolder
from unbraid.finetuning.result import Result

FORMAT = 1
"""Of the request. A container of another version refuses it."""
POLL_S = 15.0
STOPPING_POLL_S = 3.0
UPLOAD, BUILD, PHASE, BILLED, DELETED = "upload", "build", "phase", "billed", "deleted"
"""Events, beside those of a run on this machine."""


class EndedEarly(Unavailable):
    """AWS stopped the job. It can continue. `why`: a sentence."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(f"The training ended early. {why} {advice}")
        self.why = why


Event = Callable[[Mapping[str, Any]], object]
Sleep = Callable[[float], object]


class Training:
    """The training of the model `name` with a state that was saved. `event` receives what happens.

    `kept`: folder for the model; None: that of the user's models.
    """

    def __init__(
        self,
        name: str,
        state: State,
        deployment: Deployment,
        event: Event,
        sleep: Sleep = time.sleep,
        kept: Path | None = None,
    ) -> None:
        state.check_place(deployment)
        self._name, self._state, self._deployment = name, state, deployment
        self._event, self._sleep, self._kept = event, sleep, kept
        self._folder, self._image = Folder(deployment, state.prefix), Image(deployment)

    def start(self, files: Sequence[File]) -> None:
        """Upload the files, wait for the image, and create the job. Steps that were completed before are skipped.

        If AWS refuses, the songs are deleted again. Raises SettingError, Unavailable.
        """
        try:
            if not self._image.exists() and not self._image.is_building(self._state.build):
                self._state.build = self._image.start_build()
                self._save()
            request = {"format": FORMAT, "name": self._name, "base": self._state.base, **self._state.settings}
            self._folder.upload(files, request, folder_of(self._name), self._uploaded)
            if self._state.build is not None and not self._image.exists():
                self._image.wait_for_build(
                    self._state.build,
                    lambda phase: self._event({"event": BUILD, "phase": phase}),
                    self._sleep,
                )
            self._create()
        except (SettingError, Unavailable):
            self._clean_up()
            raise

    def _create(self) -> None:
        image = self._image.uri
        self._state.jobs += 1
        self._state.running = True
        self._save()  # before the job exists: a job that this machine doesn't know could not be stopped
        try:
            self._job().create(request_of(self._state, self._deployment, image))
        except ClientError:
            self._state.running = False
            self._save()
            raise

    def follow(self) -> Result:
        """Report the job until it ends, fetch its model, and delete everything in AWS.

        Raises Unavailable if it failed, after deleting everything, and EndedEarly if AWS stopped it.
        """
        job, phase = self._job(), None
        while True:
            try:
                status = job.status()
            except Unavailable:
                self._state.running = False
                self._save()
                raise
            for event in job.events():
                self._event(event)
            if status.phase != phase:
                phase = status.phase
                self._event({"event": PHASE, "phase": phase})
            if status.ended:
                break
            self._sleep(POLL_S)
        self._event({"event": BILLED, **self._billed(status)})
        if status.status == "Stopped":
            self._state.running = False
            self._save()
            raise self._stopped(status)
        if status.status == "Failed":
            self._clean_up()
            raise Unavailable(
                f"The training in AWS failed: {status.reason or 'AWS gives no reason'} Its log is in the log group "
                f"{LOG_GROUP}. Songs and checkpoints in AWS were deleted."
            )
        with WorkFolder(folder_of(self._name)) as place:
            result = fetch(self._folder, job.name, self._name, place, self._kept)
        job.delete_log()
        self._clean_up()
        return result

    def cancel(self) -> None:
        """Stop the job and delete everything of the training in AWS."""
        if self._state.build is not None and not self._state.jobs:
            self._image.stop_build(self._state.build)
        if self._state.jobs:
            job = self._job()
            with suppress(Unavailable):
                if not job.status().ended:
                    job.stop()
                while not job.status().ended:  # while it stops, SageMaker still writes to the bucket
                    self._sleep(STOPPING_POLL_S)
            job.delete_log()
        self._clean_up()

    def _job(self) -> Job:
        return Job(self._deployment, self._state.job)

    def _save(self) -> None:
        self._state.save(self._name)

    def _uploaded(self, done: int, total: int) -> None:
        self._event({"event": UPLOAD, "bytes": done, "of": total})

    def _billed(self, status: Status) -> dict[str, Any]:
        return {"seconds": status.billed_s, "usd": round(status.billed_s / HOUR * self._state.usd, 2)}

    def _stopped(self, status: Status) -> EndedEarly:
        reasons = {
            "MaxRuntimeExceeded": f"It reached its time limit of {self._state.most_hours} hours.",
            "MaxWaitTimeExceeded": "It waited too long for a spot machine; --on-demand doesn't wait.",
            "Interrupted": "AWS took the spot machine back; --on-demand prevents this.",
        }
        why = reasons.get(status.phase, "It was stopped in AWS.")
        return EndedEarly(
            why,
            "The same command continues from its last checkpoint, also with another --at-most-hours or --on-demand. "
            "With --stop, it deletes the songs and checkpoints in AWS; otherwise AWS deletes them a week after they "
            "were uploaded.",
        )

    def _clean_up(self) -> None:
        """Delete the objects, the image unless something needs it, and at last the state, which finds both."""
        deleted, folder = self._folder.delete(), folder_of(self._name)
        others = [state for state in folder.parent.glob(f"*.aws/{STATE}") if state.parent != folder]
        if not self._state.keep_image and not others:
            self._image.delete()
        shutil.rmtree(folder, ignore_errors=True)
        self._event({"event": DELETED, "objects": deleted})
