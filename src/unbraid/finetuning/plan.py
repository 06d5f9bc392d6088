"""The settings of a run, fixed at its start and kept in its folder, so that a run that was stopped continues alike."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from unbraid.errors import SettingError
from unbraid.files.atomic import atomic_write

PLAN = "plan.json"
WARM_UP = 0.03  # share of the steps
PATIENCE = 4  # scores in a row without a better one, until the learning rate falls
DROPS, DROP = 2, 0.25  # falls of the learning rate until the end, and the factor of each
LONGEST_UNTIL_BEST = 100_000  # steps


@dataclass(frozen=True)
class Plan:
    """Settings of a run. Equal plans on equal songs and the same machine give equal weights."""

    base: str
    """Name or folder of the model that the new one begins with."""
    base_weights: str
    """SHA-256 of its weights."""
    targets: dict[str, list[str]]
    """Stems of the new model, each with the stems of the songs that it is the sum of."""
    songs: list[Any]
    """See `unbraid.finetuning.material.fingerprint`."""
    seed: int
    minutes: float | None
    """Planned length; None: until the score no longer rises, or a number of steps."""
    until_best: bool
    device: str
    late_only: bool
    """Whether only the later layers learn, because there is little material."""
    steps: int = 0
    """Number of steps; the most if `until_best`. 0 until the speed has been measured."""
    score_steps: int = 0
    """Steps between two scores."""
    bfloat16: bool = False
    threads: int = 1

    def same_as(self, other: Plan) -> bool:
        """Whether both are for the same songs and settings, apart from the measured ones."""
        return self._chosen() == other._chosen()

    def _chosen(self) -> dict[str, Any]:
        steps = self.steps if self.minutes is None and not self.until_best else 0
        return asdict(replace(self, steps=steps, score_steps=0, bfloat16=False, threads=1))

    def rate(self, step: int, peak: float, drops: int) -> float:
        """Return the learning rate of a step: a warm-up, then a cosine to zero, or falls where the score stays."""
        warm_up = max(5, int(WARM_UP * min(self.steps, 2000)))
        if step < warm_up:
            return peak * (step + 1) / warm_up
        if self.until_best:
            return float(peak * DROP**drops)
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, self.steps - warm_up)))

    def save(self, folder: Path) -> None:
        """Write the plan into the folder of a run."""
        with atomic_write(folder / PLAN) as file:
            file.write(json.dumps(asdict(self), indent=1).encode())


def load_plan(folder: Path) -> Plan | None:
    """Read the plan of an unfinished run; None if there is none. Raises SettingError if it is unreadable."""
    try:
        return Plan(**json.loads((folder / PLAN).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(
            "has a run that can't be continued. Remove this folder, or use another name.", subject=str(folder)
        ) from error
