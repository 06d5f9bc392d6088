"""`unbraid deploy`: error messages, and writing the template and its assets."""

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


def test_outside_a_clone_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deploy, "CHECKOUT", tmp_path)
    assert main(["deploy"]) == 2
    assert "Clone it and run ./unbraid deploy there" in capsys.readouterr().err


def test_rejects_out_without_synth_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "-o", "out"]) == 2
    assert "--synth-only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--check"], {"check": True}),
        (["--no-cloudfront", "--no-sign-in"], {"cloudfront": False, "sign_in": False}),
        (["--name", "staging", "--destroy"], {"name": "staging", "destroy": True}),
        (["--models", "htdemucs", "mine"], {"models": ["htdemucs", "FOLDER/mine"]}),
        (["--model", "my-singer", "--model", "mine"], {"model": ["FOLDER/own/my-singer", "FOLDER/mine"]}),
        (["--models", "spleeter", "my-singer"], {"models": ["spleeter", "FOLDER/own/my-singer"]}),
    ],
)
def test_passes_options_on_to_the_environment_of_the_cdk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], options: dict[str, object]
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nprintf %s "$3" >"{tmp_path}/options"\n')
    python.chmod(0o755)
    monkeypatch.setattr(deploy, "environment", lambda: python)
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(tmp_path / "own"))
    for folder in (tmp_path / "mine", tmp_path / "own" / "my-singer"):
        folder.mkdir(parents=True)
        (folder / "model.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert main(["deploy", *arguments]) == 0
    passed = (tmp_path / "options").read_text("utf-8").replace(str(tmp_path), "FOLDER")
    assert json.loads(passed) == options


def test_rejects_synth_only_with_destroy() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["deploy", "--synth-only", "--destroy"])


# Refuses every package that isn't in the lock file, as in the environment that `unbraid deploy` makes.
ONLY_LOCKED = """
import importlib.metadata, pathlib, re, sys

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

lock = pathlib.Path("requirements/deploy.lock").read_text("utf-8")
locked = {plain(name) for name in re.findall(r"^([\\w.-]+)==", lock, re.M)}
locked.add("pip")  # it is searched for, and not imported
owners = importlib.metadata.packages_distributions()

class OnlyLocked:
    def find_spec(self, name, path=None, target=None):
        found = owners.get(name.partition(".")[0])
        if found and "unbraid" not in found and not {plain(each) for each in found} & locked:
            raise ModuleNotFoundError(f"No module named {name!r} in deploy.lock", name=name)

sys.meta_path.insert(0, OnlyLocked())
sys.path.insert(0, "")
from infra.deploy import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture
def cdk_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the locked packages of the test environment, which are those of infra/.venv: a new one takes 400 MB."""
    (tmp_path / "only_locked.py").write_text(ONLY_LOCKED)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/only_locked.py" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(deploy, "environment", lambda: python)


def test_writes_templates_and_assets_without_an_account(
    cdk_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    options = ["--name", "staging", "--cloudfront", "--compute", "cpu", "--at-most", "3"]
    assert main(["deploy", "--synth-only", "-o", "out", *options]) == 0
    out, err = capfd.readouterr()
    assert (out, err) == (f"{tmp_path}/out/staging.template.json\n", "")
    assert {path.name for path in (tmp_path / "out").glob("*.template.json")} == {
        "staging.template.json",
        "staging-page.template.json",
    }
    text = Path(out.strip()).read_text("utf-8")
    functions = [
        each for each in json.loads(text)["Resources"].values() if each["Type"] == "AWS::Lambda::Function"
    ]
    assets = {file.name.split(".")[1]: file for file in (tmp_path / "out").glob("asset.*.zip")}
    codes = {each["Properties"]["Code"].get("S3Key", "").removesuffix(".zip") for each in functions} - {""}
    (code,) = codes
    with zipfile.ZipFile(assets[code]) as file:
        assert "unbraid/aws/functions/upload.py" in file.namelist()
    assert len(assets) == 2  # the code of the functions and the source of the image
    assert '"MaximumConcurrency": 3' in text
    # The locked version of the CDK's command line can read the output. The first run installs it.
    listing = [cdk_cli.installed(), "ls", "--app", tmp_path / "out"]
    stacks = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    assert stacks.splitlines() == ["staging", "staging-page"]
