"""Permissions of a template's roles, evaluated as IAM does: a statement must allow an action, and none may deny it.

Follows https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.simulators.cloudformation import Template

# In AWS every call uses TLS. The simulators use plain HTTP, and claim TLS for the policies that demand it.
_SECURE = {"aws:SecureTransport": "true"}


class IamRoles:
    """The roles of a template, their policies, and one access key for each role."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._statements: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._roles: dict[str, str] = {}
        for logical, role in template.of_type("AWS::IAM::Role").items():
            name = template.name(logical)
            self._roles[access_key_id(name)] = name
            for policy in role.get("Policies", ()):
                self._add(name, policy)
        for policy in template.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy").values():
            for name in policy.get("Roles", ()):
                self._add(name, policy)

    def _add(self, role: str, policy: Mapping[str, Any]) -> None:
        statements = policy["PolicyDocument"]["Statement"]
        self._statements[role] += statements if isinstance(statements, list) else [statements]

    def credentials(self, role: str) -> dict[str, str]:
        """Environment variables that make a process act as `role`, a name or an ARN."""
        name = role.rpartition("/")[2]
        assert access_key_id(name) in self._roles, f"no role {role} in the template"
        return {
            "AWS_ACCESS_KEY_ID": access_key_id(name),
            "AWS_SECRET_ACCESS_KEY": secret_access_key(access_key_id(name)),
            "AWS_SESSION_TOKEN": "a-token-of-the-session",
        }

    def role(self, key: str) -> str | None:
        """The role that an access key belongs to."""
        return self._roles.get(key)

    def allows(self, role: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
        """Whether `role` may perform the action. `context`: values of the keys that conditions test."""
        known = {**_SECURE, **(context or {})}
        matching = [
            statement["Effect"]
            for statement in self._statements[role]
            if _any(action, statement.get("Action", ()), casefold=True)
            and _any(resource, statement.get("Resource", ()))
            and _condition_holds(statement.get("Condition", {}), known)
        ]
        return "Allow" in matching and "Deny" not in matching


def access_key_id(role: str) -> str:
    """Access key id of a role."""
    return "ASIA" + hashlib.sha256(role.encode()).hexdigest()[:16].upper()


def secret_access_key(key: str) -> str:
    """Secret access key that belongs to an access key id."""
    return hashlib.sha256(b"secret of " + key.encode()).hexdigest()[:40]


def _any(value: str, patterns: Any, casefold: bool = False) -> bool:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if casefold:
        return any(fnmatchcase(value.lower(), pattern.lower()) for pattern in patterns)
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _condition_holds(condition: Mapping[str, Any], known: Mapping[str, str]) -> bool:
    for operator, tests in condition.items():
        kind = operator.removesuffix("IfExists").rpartition(":")[2]
        for key, values in tests.items():
            values = [values] if isinstance(values, str | bool) else values
            if key not in known:
                if operator.endswith("IfExists") or operator.startswith("ForAllValues:"):
                    continue
                return False
            if kind in ("StringLike", "ArnLike", "ArnEquals"):
                found = any(fnmatchcase(known[key], value) for value in values)
            elif kind in ("StringEquals", "Bool"):
                found = known[key] in [str(value).lower() if kind == "Bool" else value for value in values]
            else:
                raise NotImplementedError(operator)
            if not found:
                return False
    return True
