"""Service quotas of an AWS account, and the command that asks for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError


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


def find_quota(client: Any, service: str, name: str, known: str | None = None) -> Quota | None:
    """Return a quota by its name, or None if AWS has none of that name. Raises ClientError.

    `client`: of Service Quotas. `known`: the code that the quota probably has. A code that AWS changes is found again
    by the name.
    """
    if known is not None:
        content = _applied(client, service, known)
        if content is not None and content["QuotaName"] == name:
            return Quota(service, known, content["Value"])
    for page in client.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode=service):
        for default in page["Quotas"]:
            if default["QuotaName"] == name:
                content = _applied(client, service, default["QuotaCode"]) or default
                return Quota(service, default["QuotaCode"], content["Value"])
    return None


def _applied(client: Any, service: str, code: str) -> dict[str, Any] | None:
    """Return the quota that applies to the account, or else the default one. None: there is no such code."""
    for get in (client.get_service_quota, client.get_aws_default_service_quota):
        try:
            return dict(get(ServiceCode=service, QuotaCode=code)["Quota"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchResourceException":
                raise
    return None
