"""What an hour of a training machine costs in a region."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws.prices import USD_PER_HOUR
from unbraid.errors import SettingError

PAGE = "https://aws.amazon.com/sagemaker/ai/pricing/"
HOME = "us-east-1"  # region of the built-in prices, and of AWS's price list for all regions
_QUICK = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
_TRAINING = re.compile(r"(^|-)Train:")  # in the usage type, as in EUC1-Train:ml.g4dn.xlarge


@dataclass(frozen=True)
class Price:
    """Price of a machine for an hour, on demand. A spot machine never costs more."""

    usd: float
    source: str
    """Where the price is from."""


def price_of(session: Any, instance: str, region: str, chosen: float | None = None) -> Price:
    """Return the price of an instance: `chosen` by the user, from AWS's price list, or built in.

    Raises SettingError if none of them has one.
    """
    if chosen is not None:
        return Price(chosen, "--usd-per-hour")
    listed = _listed(session, instance, region)
    if listed is not None:
        return Price(listed, f"AWS's price list for {region}, without tax")
    if instance in USD_PER_HOUR:
        other = "" if region == HOME else f"; the price in {region} may differ"
        return Price(USD_PER_HOUR[instance], f"AWS's price list for N. Virginia, without tax{other}")
    raise SettingError(
        f"The price of {instance} in {region} is unknown. Look it up at {PAGE} and add --usd-per-hour USD, or choose "
        f"another --instance: {', '.join(USD_PER_HOUR)}."
    )


def _listed(session: Any, instance: str, region: str) -> float | None:
    """Return the price in AWS's price list; None if it can't be read, or has none."""
    filters = [
        {"Type": "TERM_MATCH", "Field": field, "Value": value}
        for field, value in (("regionCode", region), ("instanceName", instance))
    ]
    try:
        client = session.client("pricing", region_name=HOME, config=_QUICK)
        pages = client.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters)
        products = [json.loads(text) for page in pages for text in page["PriceList"]]
        found = [usd for product in products for usd in _usd(product)]
    except (BotoCoreError, ClientError, ValueError, KeyError, TypeError):
        return None
    return max(found, default=None)


def _usd(product: Any) -> Iterator[float]:
    """Yield the prices for an hour of a product of training."""
    if not _TRAINING.search(product["product"]["attributes"].get("usagetype", "")):
        return
    for term in product["terms"]["OnDemand"].values():
        for dimension in term["priceDimensions"].values():
            if (usd := float(dimension["pricePerUnit"]["USD"])) > 0:
                yield usd
