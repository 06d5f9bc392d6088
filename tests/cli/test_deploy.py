"""`unbraid deploy`: what it says where it can't, and the way from the command to template and assets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import cdk_cli
from unbraid.cli import deploy
from unbraid.cli.main import main


def test_a_package_without_the_repository_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deploy, "CHECKOUT", tmp_path)
    assert main(["deploy"]) == 2
    assert "Clone it and run ./unbraid deploy there" in capsys.readouterr().err


def test_a_folder_without_a_template_to_write_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "-o", "out"]) == 2
    assert "--synth-only" in capsys.readouterr().err


def test_to_write_and_to_destroy_is_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["deploy", "--synth-only", "--destroy"])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the tests has what infra/.venv has; making that takes 400 MB."""
    monkeypatch.setattr(deploy, "environment", lambda: Path(sys.executable))


def test_template_and_assets_are_written_without_an_account(
    here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    assert main(["deploy", "--synth-only", "-o", "out", "--compute", "cpu", "--at-most", "3"]) == 0
    out, err = capfd.readouterr()
    assert (out, err) == (f"{tmp_path}/out/unbraid.template.json\n", "")
    text = Path(out.strip()).read_text("utf-8")
    functions = [
        each for each in json.loads(text)["Resources"].values() if each["Type"] == "AWS::Lambda::Function"
    ]
    assets = {file.name.split(".")[1]: file for file in (tmp_path / "out").glob("asset.*.zip")}
    codes = {each["Properties"]["Code"].get("S3Key", "").removesuffix(".zip") for each in functions} - {""}
    (code,) = codes
    with zipfile.ZipFile(assets[code]) as file:
        assert "unbraid/aws/functions/upload.py" in file.namelist()
    assert len(assets) == 2  # and what the image is built from
    assert '"MaximumConcurrency": 3' in text
    # The CDK's own command line reads it, in the version that is locked. It is installed the first time.
    listing = [cdk_cli.installed(), "ls", "--app", tmp_path / "out"]
    assert subprocess.run(listing, capture_output=True, text=True, check=True).stdout == "unbraid\n"
