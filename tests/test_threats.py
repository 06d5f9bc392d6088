"""For each threat that docs/aws-threats.md names there is a test, or the reason why not."""

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
    """Threat, what keeps it off, and test, of each row."""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] not in ("threat", "---"):
            threat, kept_off, test = cells
            yield threat, kept_off, test


def is_there(file: str, test: str) -> bool:
    """Whether the file has a test of that name."""
    path = ROOT / file
    return (
        path.is_file()
        and re.search(rf"^(async )?def {test}\(", path.read_text("utf-8"), re.MULTILINE) is not None
    )


def test_every_test_that_is_named_exists() -> None:
    assert [f"{file}::{test}" for file, test in NAMED.findall(PAGE) if not is_there(file, test)] == []


def test_every_threat_has_a_test_or_a_reason() -> None:
    rows = list(threats())
    assert len(rows) > 20
    left = [threat for threat, _, test in rows if not NAMED.search(test) and not test.startswith(NOT_TESTED)]
    assert left == []


def test_every_kind_of_threat_has_its_own_part_with_threats_in_it() -> None:
    parts = PAGE.split("\n## ")
    for kind in STRIDE:
        (part,) = [part for part in parts if part.startswith(kind)]
        assert NAMED.search(part), kind


def test_a_test_that_is_not_there_would_be_found() -> None:
    assert is_there("tests/test_threats.py", "test_every_test_that_is_named_exists")
    assert not is_there("tests/test_threats.py", "test_every_test")
    assert not is_there("tests/no_such_file.py", "test_every_test_that_is_named_exists")
