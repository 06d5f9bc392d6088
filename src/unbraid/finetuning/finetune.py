"""Teach a model from a user's songs, from the check to the model folder. Training needs PyTorch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unbraid.errors import SettingError
from unbraid.files.oserrors import write_cause
from unbraid.finetuning.card_needed import check_card
from unbraid.finetuning.check import LITTLE_MIN, Check, check_songs, require
from unbraid.finetuning.material import Tracks, fingerprint, split
from unbraid.finetuning.plan import Plan, load_plan
from unbraid.finetuning.result import Result, compare
from unbraid.finetuning.songs import Song
from unbraid.finetuning.spool import Spool
from unbraid.finetuning.targets import choose_targets, summed
from unbraid.finetuning.teachable import check_base
from unbraid.models import Model, find_model
from unbraid.models.cache import locked
from unbraid.models.converted import checksum
from unbraid.models.folder import WEIGHTS
from unbraid.models.own import FOLDER, NOT_BETTER, check_name, own_folder
from unbraid.models.own_files import save_model
from unbraid.separation.runtimes.choose import check_device

if TYPE_CHECKING:
    from unbraid.finetuning.teach import Event, Teacher

RUNS = ".runs"  # in the folder of the user's models: unfinished runs, without sound
DEFAULT_MINUTES = 30.0


@dataclass(frozen=True)
class Request:
    """What the user asked for. One of `minutes`, `steps` and `until_best` sets the length."""

    songs: Path
    name: str
    base: str | None = None
    """None: `spleeter` for vocals and accompaniment, `lite` for all other stems."""
    minutes: float | None = None
    steps: int | None = None
    until_best: bool = False
    seed: int = 0
    device: str = "auto"
    place: Path | None = None
    """Folder for the result; None: among the user's models."""
    run: Path | None = None
    """Folder for the unfinished run; None: a hidden one beside the result."""

    @property
    def models(self) -> Path:
        """Folder of the result."""
        return self.place or own_folder()

    @property
    def run_folder(self) -> Path:
        """Folder of the unfinished run."""
        return self.run or self.models / RUNS / self.name


def require_pytorch() -> None:
    """Raise SettingError if PyTorch is missing."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise SettingError(
            "Training needs PyTorch. Install it with: pip install 'unbraid[torch]'. `--check` works without it."
        ) from error


def finetune(
    request: Request,
    event: Event,
    seen: Callable[[int, int, Song], object] | None = None,
    checked: Callable[[Check], object] | None = None,
    notice: Callable[[str], object] | None = None,
    downloading: Callable[[int, int], object] | None = None,
) -> Result:
    """Check the songs, train, score, and keep the result. A run that was stopped continues.

    `event` receives the progress as dicts (docs/finetune.md), `seen` each song that was read, `checked` the check.
    Raises SettingError, InputError and ModelError.
    """
    require_pytorch()
    check_name(request.name)
    check_device(request.device)
    check_free(request.name)
    if request.base is not None:
        check_base(request.base)
        check_card(request.base, request.device)
    folder = request.run_folder
    with locked(folder):
        check_free(request.name)  # another run with this name may have ended while this one waited
        try:
            folder.mkdir(parents=True, exist_ok=True)
            spool = Spool(folder)
            check = check_songs(request.songs, spool, seen)
        except OSError as error:
            raise SettingError(
                f"can't be written: {write_cause(error)}. Free some space, or set {FOLDER} to another folder",
                subject=str(folder),
            ) from error
        if checked is not None:
            checked(check)
        require(check)
        base = find_model(base_of(request, check), progress=downloading, notice=notice)
        result = _taught(request, check, spool, base, folder, event)
        shutil.rmtree(folder)
    with suppress(OSError):  # another run is under way
        folder.with_name(f".{folder.name}.lock").unlink()
        if request.run is None:
            folder.parent.rmdir()
    return result


def check_free(name: str) -> None:
    """Raise SettingError if the user has a model with this name."""
    if (taken := own_folder() / name).exists():
        raise SettingError(
            f"You have a model {name} already. Choose another name, or remove its folder: {taken}"
        )


def base_of(request: Request, check: Check) -> str:
    """Return the name of the model to begin with."""
    return request.base or ("spleeter" if set(check.stems) == {"vocals", "no_vocals"} else "lite")


def _taught(request: Request, check: Check, spool: Spool, base: Model, folder: Path, event: Event) -> Result:
    from unbraid.finetuning.bases import student_of
    from unbraid.finetuning.teach import Teacher

    name = base_of(request, check)
    weights = base.networks[0].folder / WEIGHTS
    targets = choose_targets(check.stems, base.sources)
    chosen = Plan(
        base=name,
        base_weights=checksum(weights) if weights.exists() else "",
        targets={target: list(parts) for target, parts in targets.items()},
        songs=fingerprint(check),
        seed=request.seed,
        minutes=None if request.steps or request.until_best else request.minutes or DEFAULT_MINUTES,
        until_best=request.until_best,
        device=request.device,
        late_only=min(map(check.audible_min, check.stems)) < LITTLE_MIN,
        steps=request.steps or 0,
    )
    plan = load_plan(folder)
    if plan is not None and not plan.same_as(chosen):
        raise SettingError(
            f"A run with the name {request.name} and other songs or settings is unfinished. Repeat its command, "
            f"choose another name, or remove {folder}"
        )
    learnt, held_out = split(check, spool)
    student = student_of(base, tuple(targets), request.seed, little=chosen.late_only)
    teacher = Teacher(plan or chosen, student, learnt, held_out, folder, event)
    if plan is None:
        event({"event": "measure"})
        teacher.plan = teacher.measure()
        teacher.plan.save(folder)
    event({"event": "start", "steps": teacher.plan.steps, "resumed": plan is not None})
    best = teacher.teach()
    event({"event": "scoring"})
    return _kept(request, check, teacher, held_out, student.arrays(best))


def _kept(
    request: Request, check: Check, teacher: Teacher, held_out: list[Tracks], arrays: dict[str, Any]
) -> Result:
    """Score the result, and write its model folder: among the user's models, or apart if it isn't better."""
    plan = teacher.plan
    songs = [summed(song.multitrack(), plan.targets) for song in held_out]
    trial = save_model(teacher.folder / request.name, teacher.student.template, arrays, {})
    before, after, compared_with, better = compare(plan.base, trial.folder, songs)
    card = {
        "base": plan.base,
        "date": datetime.now(UTC).date().isoformat(),
        "songs": {"learnt": len(check.used) - len(check.held_out), "held_out": max(1, len(check.held_out))},
        "minutes_of_songs": round(check.minutes, 1),
        "minutes_heard": {stem: round(check.audible_min(stem), 1) for stem in check.stems},
        "recipe": {
            "minutes": round(teacher.progress.seconds / 60, 1),
            "steps": teacher.progress.best_step,
            "of": teacher.progress.curve[-1]["steps"],
            "batch": teacher.student.batch,
            "learning_rate": teacher.student.learning_rate,
            "later_layers_only": plan.late_only and not teacher.student.has_adapters,
            "adapters": teacher.student.has_adapters,
            "rehearsal": teacher.student.rehearsal,
            "precision": "bfloat16" if plan.bfloat16 else "float32",
            "seed": plan.seed,
        },
        "sdr_db": {"before": before, "after": after, "compared_with": compared_with},
        "better": better,
        "curve": teacher.progress.curve,
    }
    place = request.models if better else request.models / NOT_BETTER
    kept = save_model(place / request.name, teacher.student.template, arrays, card)
    return Result(request.name, kept.folder, better, before, after, compared_with, card)
