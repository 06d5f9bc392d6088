"""One run that teaches a model from uploaded stems, in a folder. The server and the worker share the folder.

run.json      what the user wants; only the server writes it
songs/        the uploaded stems: SONG/STEM, or a stem file; deleted at the end of the run unless the user keeps them
check.json    the check of the songs                            } the worker writes these
aws.json      the app in AWS that can teach too                 }
offer.json    what teaching there costs                         }
in_aws        something of the run is in AWS                    }
events.jsonl  the progress, a line for each event               }
result.json   the end of the run, with its card                 }
error.json    why the worker stopped                            }
clips/        ten seconds of a held-out song, before and after  }
models/       the unfinished run, and then the new model        }

So the state survives a restart, and no process waits for another.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from unbraid.errors import Busy, InputError, OutputError, SessionNotFound, SettingError
from unbraid.files.atomic import atomic_write
from unbraid.files.oserrors import write_cause
from unbraid.local.files import Part
from unbraid.models.own import NOT_BETTER, check_name, own_folder

FOLDER = "teaching"
RUN, CHECK, EVENTS, RESULT, ERROR = "run.json", "check.json", "events.jsonl", "result.json", "error.json"
AWS, OFFER, IN_AWS = "aws.json", "offer.json", "in_aws"
SONGS, CLIPS, MODELS = "songs", "clips", "models"
MOST_MINUTES = 24 * 60.0

_CLIP = re.compile(r"(?:before|after)-\d{1,3}\.wav", re.ASCII)
_BAD_NAME = re.compile(r"[\x00-\x1f\x7f/\\]|^\.|^\s*$")


class Wanted(StrEnum):
    """What the user wants next."""

    COLLECT = "collect"
    CHECK = "check"
    OFFER = "offer"
    """The price of teaching in AWS."""
    TEACH = "teach"
    CANCEL = "cancel"
    """Delete everything in AWS, and then the run."""


class Phase(StrEnum):
    """Where a run is."""

    NONE = "none"
    COLLECTING = "collecting"
    CHECKING = "checking"
    CHECKED = "checked"
    OFFERING = "offering"
    OFFERED = "offered"
    TEACHING = "teaching"
    ENDED = "ended"
    FAILED = "failed"
    CANCELLING = "cancelling"


WORKING = (Phase.CHECKING, Phase.OFFERING, Phase.TEACHING, Phase.CANCELLING)
"""Phases in which the worker runs."""
_FIXED = (Phase.TEACHING, Phase.ENDED, Phase.CANCELLING)
"""Phases in which the songs can't be changed."""
_READY = (Phase.CHECKED, Phase.OFFERED, Phase.FAILED)
"""Phases in which teaching can start."""


@dataclass(frozen=True)
class Run:
    """What the user wants."""

    id: str
    owner: str | None
    wanted: Wanted = Wanted.COLLECT
    name: str = ""
    base: str | None = None
    minutes: float | None = None
    """None: until the score no longer rises."""
    keep_stems: bool = False
    aws: bool = False
    """Whether it teaches in AWS, not on this machine."""
    most_usd: float | None = None
    """The price that the user agreed to."""


class Teaching:
    """The run of a server; there is one at most."""

    def __init__(self, data: Path) -> None:
        """`data`: the server's data folder."""
        self.folder = data / FOLDER

    def run(self) -> Run | None:
        """Return the run; None if there is none."""
        values = self._read(RUN)
        return None if values is None else Run(**{**values, "wanted": Wanted(values["wanted"])})

    def phase(self) -> Phase:
        """Return where the run is."""
        run = self.run()
        if run is None:
            return Phase.NONE
        if run.wanted == Wanted.COLLECT:
            return Phase.COLLECTING
        if run.wanted == Wanted.CANCEL:
            return Phase.CANCELLING
        if (self.folder / ERROR).exists():
            return Phase.FAILED
        if run.wanted == Wanted.CHECK:
            return Phase.CHECKED if (self.folder / CHECK).exists() else Phase.CHECKING
        if run.wanted == Wanted.OFFER:
            return Phase.OFFERED if (self.folder / OFFER).exists() else Phase.OFFERING
        return Phase.ENDED if (self.folder / RESULT).exists() else Phase.TEACHING

    def own(self, owner: str | None) -> Run:
        """Return the run of this owner. Raises SessionNotFound if there is none, Busy if it is of another."""
        run = self.run()
        if run is None:
            raise SessionNotFound("No songs to learn from are here. Add some first.")
        if run.owner != owner:
            raise Busy("Another person is teaching a model on this server. Try again later.")
        return run

    def receive(self, path: str, owner: str | None) -> Part:
        """Return a new file for the stem SONG/STEM, or for a stem file. Begins a run if there is none.

        Raises InputError for an unusable path, Busy if a run is under way, OutputError if it can't be written.
        """
        parts = path.split("/")[-2:]
        if any(_BAD_NAME.search(part) or len(part.encode()) > 200 for part in parts):
            raise InputError("This file has a name that can't be used. Rename it.")
        if self.run() is None:
            self._write(Run(secrets.token_hex(8), owner))
        run = self.own(owner)
        if self.phase() in _FIXED:
            raise Busy("A model is being taught. Stop it, or wait for its end, before you add songs.")
        self._require_nothing_in_aws()
        if run.wanted != Wanted.COLLECT:
            self._write(replace(run, wanted=Wanted.COLLECT))
        self._forget(CHECK, OFFER, ERROR)
        return Part(self.folder.joinpath(SONGS, *parts))

    def stems(self) -> list[str]:
        """Return the paths of all uploaded files, SONG/STEM."""
        songs = self.folder / SONGS
        files = [path for path in songs.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return sorted(path.relative_to(songs).as_posix() for path in files)

    def check(self, owner: str | None) -> None:
        """Let the worker check the songs."""
        run = self.own(owner)
        if self.phase() in _FIXED:
            raise Busy("A model is being taught already.")
        self._require_nothing_in_aws()
        if not self.stems():
            raise InputError("Add songs first: a folder for each, with one file for each stem.")
        self._forget(CHECK, AWS, OFFER, ERROR)
        self._write(replace(run, wanted=Wanted.CHECK))

    def start(
        self,
        owner: str | None,
        name: str,
        base: str | None,
        minutes: float | None,
        keep_stems: bool,
        aws: bool = False,
    ) -> None:
        """Let the worker teach, or ask AWS for the price. Raises SettingError for an unusable name or length."""
        run = self.own(owner)
        check_name(name)
        if (own_folder() / name).exists():
            raise SettingError(f"You have a model {name} already. Choose another name.", "name")
        if minutes is not None and not 0 < minutes <= MOST_MINUTES:
            raise SettingError("Choose a time of at most a day.", "minutes")
        if self.phase() not in _READY:
            raise Busy("Let the songs be checked first.")
        check = self.checked()
        if check is None or check["problem"]:
            raise InputError("Nothing can be learnt from these songs. Correct them first.")
        chosen = replace(
            run,
            name=name,
            base=base,
            minutes=minutes,
            keep_stems=keep_stems,
            aws=aws,
            wanted=Wanted.OFFER if aws else Wanted.TEACH,
            most_usd=None,
        )
        if replace(run, wanted=chosen.wanted, most_usd=None) != chosen:  # not the run that was stopped
            self._require_nothing_in_aws()
            self._forget(EVENTS)
            shutil.rmtree(self.folder / MODELS, ignore_errors=True)
        self._forget(OFFER, ERROR)
        self._write(chosen)

    def accept(self, owner: str | None, most_usd: float) -> None:
        """Let the worker teach in AWS, for the price that the user has seen. Raises Busy if that isn't the offer."""
        run, offer = self.own(owner), self.offer()
        if self.phase() != Phase.OFFERED or offer is None or offer["most_usd"] != most_usd:
            raise Busy("This is not the price any more. Look at it again.")
        self._write(replace(run, wanted=Wanted.TEACH, most_usd=most_usd))

    def stop(self, owner: str | None) -> None:
        """Stop teaching, and keep what was learnt, so that the same start continues; or leave an offer.

        Raises Busy for a training in AWS, which can't pause.
        """
        run, phase = self.own(owner), self.phase()
        if phase == Phase.TEACHING and run.aws:
            raise Busy("Teaching in AWS can't pause. Let it go on, or stop and delete it.")
        if phase in (Phase.TEACHING, Phase.OFFERING, Phase.OFFERED):
            self._write(replace(run, wanted=Wanted.CHECK))

    def finish(self, owner: str | None, keep: bool) -> None:
        """Keep the new model, or discard it; or discard a run that hasn't ended. Raises Busy, SettingError.

        What is in AWS is deleted first. To discard the run again doesn't wait for that.
        """
        run = self.own(owner)
        if not keep and self._is_in_aws() and run.wanted != Wanted.CANCEL:
            self.abandon()
            return
        if keep:
            if self.phase() != Phase.ENDED:
                raise Busy("The model isn't ready yet.")
            place, found = own_folder() / run.name, self.model()
            if place.exists():
                raise SettingError(f"You have a model {run.name} already. Remove it first.", "name")
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(found, place)
            except OSError as error:
                raise OutputError(f"The model can't be kept: {write_cause(error)}.") from error
        if run.keep_stems and keep:
            self._forget(CHECK, AWS, OFFER, EVENTS, RESULT, ERROR)
            for folder in (CLIPS, MODELS):
                shutil.rmtree(self.folder / folder, ignore_errors=True)
            self._write(Run(secrets.token_hex(8), owner))
        else:
            self.clear()

    def abandon(self) -> None:
        """Remove the run, after the worker has deleted what is in AWS."""
        run = self.run()
        if run is None or not self._is_in_aws():
            self.clear()
        elif run.wanted != Wanted.CANCEL:
            self._forget(ERROR)
            self._write(replace(run, wanted=Wanted.CANCEL))

    def clear(self) -> None:
        """Remove the run with everything in its folder."""
        (self.folder / RUN).unlink(missing_ok=True)  # first: without it there is no run
        shutil.rmtree(self.folder, ignore_errors=True)

    def unchanged_s(self) -> float:
        """Return the seconds since the user or the worker last changed the run."""
        files = [self.folder / name for name in (RUN, CHECK, RESULT, ERROR)]
        return time.time() - max(
            (file.stat().st_mtime for file in files if file.exists()), default=time.time()
        )

    def model(self) -> Path:
        """Return the folder of the new model."""
        run, models = self.run(), self.folder / MODELS
        name = "" if run is None else run.name
        return next(
            (place for place in (models / name, models / NOT_BETTER / name) if place.is_dir()), models
        )

    def clip(self, name: str, owner: str | None) -> Path:
        """Return the file of a clip. Raises SessionNotFound if there is none."""
        self.own(owner)
        path = self.folder / CLIPS / name
        if not _CLIP.fullmatch(name) or not path.is_file():
            raise SessionNotFound("This clip doesn't exist any more.")
        return path

    def checked(self) -> dict[str, Any] | None:
        """Return the check of the songs; None if there is none yet."""
        return self._read(CHECK)

    def aws(self) -> dict[str, Any] | None:
        """Return the app in AWS that can teach too: account, region and deployment; None if the check found none."""
        return self._read(AWS)

    def offer(self) -> dict[str, Any] | None:
        """Return what teaching in AWS costs; None if that isn't known yet."""
        return self._read(OFFER)

    def result(self) -> dict[str, Any] | None:
        """Return the end of the run; None if it hasn't ended."""
        return self._read(RESULT)

    def error(self) -> str | None:
        """Return why the worker stopped; None if it didn't."""
        found = self._read(ERROR)
        return None if found is None else str(found["detail"])

    def events(self) -> list[dict[str, Any]]:
        """Return the events so far. A line that is being written is left out."""
        try:
            lines = (self.folder / EVENTS).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Write one of the worker's files atomically."""
        with atomic_write(self.folder / name) as file:
            file.write(json.dumps(values).encode())

    def mark_in_aws(self, there: bool) -> None:
        """Remember whether something of the run is in AWS."""
        if there:
            (self.folder / IN_AWS).touch()
        else:
            self._forget(IN_AWS)

    def _is_in_aws(self) -> bool:
        return (self.folder / IN_AWS).exists()

    def _require_nothing_in_aws(self) -> None:
        if self._is_in_aws():
            raise Busy(
                "A training in AWS is unfinished. Continue it with the same settings, or delete it first."
            )

    def note(self, event: Mapping[str, Any]) -> None:
        """Append an event."""
        with (self.folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    def _write(self, run: Run) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.write(RUN, asdict(run))
        except OSError as error:
            raise OutputError(f"The run can't be stored: {write_cause(error)}.") from error

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            values: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise OutputError(f"{self.folder / name} is damaged. Remove the folder {self.folder}.") from error
        return values

    def _forget(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
