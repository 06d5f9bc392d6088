"""Prices of machines in AWS: list prices in N. Virginia (us-east-1), those of benchmarks/cost_prices.py."""

from __future__ import annotations

from collections.abc import Mapping

USD_PER_HOUR: Mapping[str, float] = {
    "ml.g4dn.xlarge": 0.736,
    "ml.g5.xlarge": 1.408,
    "ml.g6.xlarge": 1.127,
    "ml.c7i.xlarge": 0.214,
    "ml.c7i.2xlarge": 0.428,
}
"""Instances of SageMaker. An endpoint and a training job cost the same."""
USD_PER_BUILD_MINUTE = 0.02
"""Build of an image, in the compute type of `infra.images`."""
