"""What a training in AWS will do and cost, said before it starts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws.quotas import find_quota
from unbraid.aws.training.deployment import Deployment
from unbraid.aws.training.image import BUILD_MIN, USD_PER_MONTH, build_usd
from unbraid.aws.training.job import LONGEST_WAIT_H
from unbraid.aws.training.material import GB
from unbraid.aws.training.prices import Price
from unbraid.errors import SettingError

WITH_CARD, WITHOUT = "ml.g4dn.xlarge", "ml.c7i.2xlarge"
SMALL = ("lite", "spleeter")
"""Networks that learn on processors."""
UNKNOWN_HOURS = 6
"""Time limit for a training without a planned length."""


def default_instance(network: str) -> str:
    """Return the instance type for a network, by the name of the model of the catalogue that has it."""
    return WITHOUT if network in SMALL else WITH_CARD


def has_card(instance: str) -> bool:
    """Whether an instance type has a card that PyTorch can use: AWS's families G and P."""
    return re.match(r"ml\.[gp]\d", instance) is not None


def default_hours(minutes: float | None) -> int:
    """Return the time limit for a planned length: half as much again, and half an hour to start, score and end."""
    return UNKNOWN_HOURS if minutes is None else math.ceil(1.5 * minutes / 60 + 0.5)


@dataclass(frozen=True)
class Offer:
    """A training that could start."""

    deployment: Deployment
    upload_bytes: int
    instance: str
    spot: bool
    price: Price
    minutes: float | None
    """Planned length; None: unknown."""
    most_hours: int
    builds: bool
    """Whether the image has to be built."""
    keep_image: bool

    @property
    def most_usd(self) -> float:
        """The most that the machine and the build cost, in US dollars."""
        return self.most_hours * self.price.usd + (build_usd() if self.builds else 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the offer as JSON values."""
        return {
            "account": self.deployment.account,
            "region": self.deployment.region,
            "deployment": self.deployment.name,
            "upload_bytes": self.upload_bytes,
            "instance": self.instance,
            "spot": self.spot,
            "usd_per_hour": self.price.usd,
            "minutes": self.minutes,
            "most_hours": self.most_hours,
            "builds_image": self.builds,
            "most_usd": round(self.most_usd, 2),
        }

    def lines(self, *, options: bool = True) -> Iterator[str]:
        """Yield what will happen, and what it costs. `options`: also which options of the command change that."""
        place = self.deployment
        yield f"This will happen in AWS (account {place.account}, region {place.region}, deployment {place.name}):"
        yield (
            f"  Up to {self.upload_bytes / GB:.2g} GB of stems are uploaded to {place.bucket}, and deleted at the end."
        )
        if self.builds:
            after = (
                f"It is kept for the next time, for up to a month: about {USD_PER_MONTH:.2f} dollars."
                if self.keep_image
                else f"It is deleted at the end{'; --keep-image keeps it for the next time' if options else ''}."
            )
            yield f"  The image with PyTorch is built: about {BUILD_MIN} minutes, {build_usd():.2f} dollars. {after}"
        length = "" if self.minutes is None else f"about {self.minutes:.0f} minutes, and "
        yield f"  One {self.instance} trains for {length}at most {self.most_hours} hours."
        if self.spot:
            yield (
                f"  It is a spot machine: it may have to wait, up to {LONGEST_WAIT_H} hours, and costs at most "
                f"{self.price.usd:.2f} dollars an hour, usually much less."
            )
        else:
            yield f"  It costs {self.price.usd:.2f} dollars an hour."
        yield f"  Source of the price: {self.price.source}."
        yield f"Together at most {self.most_usd:.2f} dollars, and some cents for storage."


def check_quota(deployment: Deployment, instance: str, spot: bool) -> None:
    """Raise SettingError if the account may not train on the instance type.

    An account in which quotas can't be read gets the error of the job itself.
    """
    name = f"{instance} for {'spot ' if spot else ''}training job usage"
    try:
        found = find_quota(deployment.client("service-quotas"), "sagemaker", name)
    except (BotoCoreError, ClientError):
        return
    if found is None:
        raise SettingError(
            f'AWS lists no quota "{name}" in {deployment.region}: it has no such machines for trainings there. Choose '
            "another --instance."
        )
    if found.value < 1:
        other = " or train without spot machines, which has a quota of its own: --on-demand," if spot else ""
        raise SettingError(
            f'The quota "{name}" of this account is 0. Ask AWS for 1,{other} or choose another --instance:\n'
            f"    {found.increase(1, deployment.region)}"
        )
