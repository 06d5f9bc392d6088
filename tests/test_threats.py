"""Every threat in docs/aws-threats.md names an existing test, or the reason why it has none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "aws-threats.md").read_text("utf-8")
STRIDE = (
    "Spoofing",
    "Tampering",
    "Repudiation",
    "Information disclosure",
    "Denial of service",
    "Elevation of privilege",
)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NOT_TESTED = "not tested: "


def threats() -> Iterator[tuple[str, str, str]]:
    """Threat, protection and test of each row."""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] not in ("threat", "---"):
            threat, protection, test = cells
            yield threat, protection, test


def exists(file: str, test: str) -> bool:
    """Whether the file has a test of that name."""
    path = ROOT / file
    return (
        path.is_file()
        and re.search(rf"^(async )?def {test}\(", path.read_text("utf-8"), re.MULTILINE) is not None
    )


def test_named_tests_exist() -> None:
    assert [f"{file}::{test}" for file, test in NAMED.findall(PAGE) if not exists(file, test)] == []


def test_every_threat_has_a_test_or_a_reason() -> None:
    rows = list(threats())
    assert len(rows) > 20
    untested = [
        threat for threat, _, test in rows if not NAMED.search(test) and not test.startswith(NOT_TESTED)
    ]
    assert untested == []


def test_every_kind_of_threat_has_a_section_with_tests() -> None:
    parts = PAGE.split("\n## ")
    for kind in STRIDE:
        (part,) = [part for part in parts if part.startswith(kind)]
        assert NAMED.search(part), kind


def test_missing_tests_are_found() -> None:
    assert exists("tests/test_threats.py", "test_named_tests_exist")
    assert not exists("tests/test_threats.py", "test_named_tests")
    assert not exists("tests/no_such_file.py", "test_named_tests_exist")
