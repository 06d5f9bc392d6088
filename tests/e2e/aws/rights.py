"""What the roles of a template may do, as IAM decides it: nothing but what a statement allows and none denies.

After https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.e2e.aws.template import Template

_SECURE = {"aws:SecureTransport": "true"}  # there; here all is plain HTTP on one machine


class Rights:
    """Roles by name or ARN, and credentials that stand for them."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._statements: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._roles: dict[str, str] = {}
        for logical, said in template.of_type("AWS::IAM::Role").items():
            name = template.name(logical)
            self._roles[key_of(name)] = name
            for policy in said.get("Policies", ()):
                self._add(name, policy)
        for said in template.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy").values():
            for role in said.get("Roles", ()):
                self._add(role, said)

    def _add(self, role: str, policy: Mapping[str, Any]) -> None:
        statements = policy["PolicyDocument"]["Statement"]
        self._statements[role] += statements if isinstance(statements, list) else [statements]

    def credentials(self, role: str) -> dict[str, str]:
        """The environment that makes a process act as that role."""
        name = role.rpartition("/")[2]
        assert key_of(name) in self._roles, f"no role {role} in the template"
        return {
            "AWS_ACCESS_KEY_ID": key_of(name),
            "AWS_SECRET_ACCESS_KEY": secret_of(key_of(name)),
            "AWS_SESSION_TOKEN": "a-token-of-the-session",
        }

    def role(self, key: str) -> str | None:
        """Whose access key that is."""
        return self._roles.get(key)

    def allows(self, role: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
        """Whether `role` may do that; `context` are the keys that conditions speak of."""
        known = {**_SECURE, **(context or {})}
        matching = [
            statement["Effect"]
            for statement in self._statements[role]
            if _any(action, statement.get("Action", ()), casefold=True)
            and _any(resource, statement.get("Resource", ()))
            and _holds(statement.get("Condition", {}), known)
        ]
        return "Allow" in matching and "Deny" not in matching


def key_of(role: str) -> str:
    """The access key id of a role."""
    return "ASIA" + hashlib.sha256(role.encode()).hexdigest()[:16].upper()


def secret_of(key: str) -> str:
    """The secret that belongs to it."""
    return hashlib.sha256(b"secret of " + key.encode()).hexdigest()[:40]


def _any(value: str, patterns: Any, casefold: bool = False) -> bool:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if casefold:
        return any(fnmatchcase(value.lower(), pattern.lower()) for pattern in patterns)
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _holds(condition: Mapping[str, Any], known: Mapping[str, str]) -> bool:
    for operator, wanted in condition.items():
        kind = operator.removesuffix("IfExists").rpartition(":")[2]
        for key, values in wanted.items():
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
