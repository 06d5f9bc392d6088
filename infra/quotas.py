"""Names of the service quotas that a deployment needs."""

from __future__ import annotations

from infra.account import Account
from unbraid.aws.quotas import Quota, find_quota

__all__ = ["BUILDS", "CODES", "FUNCTIONS", "Quota", "instances", "quota"]

BUILDS = "Concurrently running builds for Linux/Large environment"
"""Quota of the compute type of `infra.images`."""
FUNCTIONS = "Concurrent executions"

# AWS's endpoint and quota pages link to each quota by its code.
CODES = {
    BUILDS: "L-4DDC4A99",
    FUNCTIONS: "L-B99A9384",
    "ml.g4dn.xlarge for endpoint usage": "L-B67CFA0C",
}


def instances(kind: str) -> str:
    """Return the name of the quota for endpoints on an instance type."""
    return f"{kind} for endpoint usage"


def quota(account: Account, service: str, name: str) -> Quota | None:
    """Return a quota by its name, or None if AWS has none of that name. Raises ClientError."""
    return find_quota(account.client("service-quotas"), service, name, CODES.get(name))
