"""A model whose files have no published checksum is downloaded only on request, and compared from then on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.models import small_catalog
from tests.models.file_server import Fault, FileServer

from unbraid.cli.main import main
from unbraid.errors import ModelError
from unbraid.jobs.choices import allowed_models
from unbraid.jobs.limits import Limits
from unbraid.models import catalog, find_model, unavailable
from unbraid.models.auto import candidates

NAME = "mdx_karaoke_2"


@pytest.fixture
def unverified(models: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the file of `NAME`, whose checksum isn't known."""
    import unbraid.models

    entries = dict(unbraid.models.catalog())
    (file,) = entries[NAME].files
    entries[NAME] = replace(entries[NAME], files=(replace(file, sha256=""),))
    small_catalog.use_catalog(entries, monkeypatch.setattr)
    monkeypatch.setattr("unbraid.jobs.choices.catalog", lambda: entries)
    return file.name


def test_the_catalogue_has_all_checksums() -> None:
    assert all(entry.verified for entry in catalog().values())


def test_is_downloaded_only_on_request(unverified: str, server: FileServer, models: Path) -> None:
    with pytest.raises(ModelError, match=rf"{NAME} has no published checksum.* add --unverified") as error:
        find_model(NAME)
    assert "\n" not in str(error.value)
    assert server.requests == []
    assert find_model(NAME, unverified=True).name == NAME
    assert find_model(NAME).name == NAME  # it is installed


def test_the_checksum_is_kept_and_compared(
    unverified: str, server: FileServer, models: Path, cache: Path
) -> None:
    find_model(NAME, unverified=True)
    assert (cache / "checksums" / f"{NAME}.json").is_file()
    (models / NAME / "model.json").unlink()
    genuine = server.files[unverified]
    server.files[unverified] = genuine[:-1] + b"x"
    for allowed in (True, False):
        with pytest.raises(ModelError, match="is a different file"):
            find_model(NAME, unverified=allowed)
    server.files[unverified] = genuine
    assert find_model(NAME).name == NAME  # known by now


def test_a_cut_download_is_continued(unverified: str, server: FileServer, models: Path) -> None:
    server.faults = [Fault(cut=100_000)]
    find_model(NAME, unverified=True)
    assert len(server.requests) == 2 and server.ranges[1] is not None


def test_no_choice_and_no_server_uses_it(unverified: str, models: Path, server: FileServer) -> None:
    assert NAME not in candidates("vocals", "karaoke")
    assert find_model("karaoke").name == "melband_karaoke"
    assert NAME not in allowed_models(Limits())
    find_model(NAME, unverified=True)
    assert NAME in candidates("vocals", "karaoke") and NAME in allowed_models(Limits())
    unavailable.forget()


def test_pull_needs_the_option(
    unverified: str, server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", NAME]) == 1
    assert "add --unverified" in capsys.readouterr().err
    assert main(["models", "pull", NAME, "--unverified"]) == 0
    assert capsys.readouterr().out.startswith(f"{NAME} is installed")


def test_pull_all_leaves_it_out_and_says_so(
    unverified: str, server: FileServer, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "--all"]) == 0
    output = capsys.readouterr()
    assert f"Left out, because their files have no published checksum (--unverified): {NAME}" in output.err
    assert not (models / NAME).exists()
    assert "melband_denoise is installed" in output.out
