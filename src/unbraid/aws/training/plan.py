"""Plan a training in AWS: its files, its machine and its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unbraid.aws.training.deployment import Deployment
from unbraid.aws.training.image import Image
from unbraid.aws.training.material import (
    GB,
    File,
    decoded_bytes,
    model_files,
    song_files,
)
from unbraid.aws.training.offer import (
    SMALL,
    WITH_CARD,
    Offer,
    check_quota,
    default_hours,
    default_instance,
    has_card,
)
from unbraid.aws.training.prices import price_of
from unbraid.aws.training.state import State
from unbraid.errors import SettingError
from unbraid.finetuning.check import Check
from unbraid.finetuning.finetune import DEFAULT_MINUTES
from unbraid.finetuning.teachable import TEACHABLE, is_teachable, only_network
from unbraid.models import Model
from unbraid.models.own import taught_network

SMALLEST_DISK_GB = 30
SPARE_DISK_GB = 10  # for checkpoints and the model


@dataclass(frozen=True)
class Wishes:
    """What the user wants of the machine."""

    instance: str | None
    """None: the default of the network."""
    most_hours: int | None
    """None: the default of the planned length."""
    spot: bool
    usd_per_hour: float | None
    """None: AWS's list price."""
    keep_image: bool


def plan(
    name: str,
    deployment: Deployment,
    check: Check,
    base: str,
    model: Model,
    settings: Mapping[str, Any],
    wishes: Wishes,
    before: State | None = None,
) -> tuple[State, list[File], Offer]:
    """Return the state of a new training of the model `name`, its files, and what it costs.

    `base`: what the user calls the `model` to begin with. `before`: a training without a job, which continues. Nothing
    is written or created. Raises SettingError, and ModelError for a model of several networks.
    """
    single = only_network(model)
    if not is_teachable(single):
        raise SettingError(f"{base} can't be taught. Use --from with {TEACHABLE}.")
    network = model.name if model.name in SMALL else taught_network(single.folder) or ""
    base, files = model_files(base, model)
    files += song_files(check)
    listed: list[list[Any]] = [[file.key, file.size] for file in files]
    if before is not None and (before.settings, before.files, before.base) != (settings, listed, base):
        raise unfinished(name)
    instance = wishes.instance or (before.instance if before else default_instance(network))
    if network not in SMALL and not has_card(instance):
        raise SettingError(
            f"{base} learns on a graphics card, and {instance} has none. Without --instance, it is {WITH_CARD}."
        )
    check_quota(deployment, instance, wishes.spot)
    price = price_of(deployment.session, instance, deployment.region, wishes.usd_per_hour)
    minutes, size = settings["minutes"], sum(file.size for file in files)
    most_hours = wishes.most_hours or default_hours(minutes)
    state = State(
        deployment.account,
        deployment.region,
        deployment.name,
        dict(settings),
        listed,
        base,
        instance,
        wishes.spot,
        price.usd,
        most_hours,
        max(SMALLEST_DISK_GB, math.ceil(1.2 * (size + decoded_bytes(check)) / GB) + SPARE_DISK_GB),
        wishes.keep_image,
    )
    if before is not None:
        state.id, state.jobs, state.build = before.id, before.jobs, before.build
    builds = not Image(deployment).exists()
    offer = Offer(
        deployment, size, instance, wishes.spot, price, minutes, most_hours, builds, wishes.keep_image
    )
    return state, files, offer


def settings_of(minutes: float | None, steps: int | None, until_best: bool, seed: int) -> dict[str, Any]:
    """Return what a training depends on, beside the songs and the model that it begins with."""
    planned = not (steps or until_best)
    return {
        "minutes": (minutes or DEFAULT_MINUTES) if planned else None,
        "steps": steps,
        "until_best": until_best,
        "seed": seed,
    }


def unfinished(name: str) -> SettingError:
    """Return the error for a command that is not that of the unfinished training of a model."""
    return SettingError(
        f"A training of {name} in AWS with other songs or settings is unfinished. Repeat its command, or end it with "
        "--stop."
    )
