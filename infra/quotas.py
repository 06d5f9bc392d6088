"""Service quotas of the account, and the command that asks for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.account import Account, code

BUILDS = "Concurrently running builds for Linux/Large environment"
"""Quota of the compute type of `infra.images`."""
FUNCTIONS = "Concurrent executions"

# AWS's endpoint and quota pages link to each quota by its code. A code that AWS changes is found again by the name.
CODES = {
    BUILDS: "L-4DDC4A99",
    FUNCTIONS: "L-B99A9384",
    "ml.g4dn.xlarge for endpoint usage": "L-B67CFA0C",
}


def instances(kind: str) -> str:
    """Return the name of the quota for endpoints on an instance type."""
    return f"{kind} for endpoint usage"


@dataclass(frozen=True)
class Quota:
    """A quota as it applies to the account."""

    service: str
    code: str
    value: float

    def increase(self, value: int, region: str) -> str:
        """Return the command that asks AWS for more."""
        return (
            f"aws service-quotas request-service-quota-increase --region {region} --service-code {self.service} "
            f"--quota-code {self.code} --desired-value {value}"
        )


def quota(account: Account, service: str, name: str) -> Quota | None:
    """Return a quota by its name, or None if AWS has none of that name. Raises ClientError."""
    quotas = account.client("service-quotas")
    found = CODES.get(name)
    if found is not None:
        content = _applied(quotas, service, found)
        if content is not None and content["QuotaName"] == name:
            return Quota(service, found, content["Value"])
    for page in quotas.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode=service):
        for default in page["Quotas"]:
            if default["QuotaName"] == name:
                content = _applied(quotas, service, default["QuotaCode"]) or default
                return Quota(service, default["QuotaCode"], content["Value"])
    return None


def _applied(quotas: Any, service: str, code_: str) -> dict[str, Any] | None:
    """Return the quota that applies to the account, or else the default one. None: there is no such code."""
    for get in (quotas.get_service_quota, quotas.get_aws_default_service_quota):
        try:
            return dict(get(ServiceCode=service, QuotaCode=code_)["Quota"])
        except ClientError as error:
            if code(error) != "NoSuchResourceException":
                raise
    return None
