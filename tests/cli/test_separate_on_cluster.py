"""`unbraid separate --on`: options are checked before any work."""

from __future__ import annotations

import importlib.util

import pytest

from unbraid.cli.main import main

LISTED = ["separate", "s3://bucket/in", "-o", "s3://bucket/out", "--on", "local"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["separate", "s3://b/in"], "s3://b/in needs a cluster. Add --on local"),
        (["separate", "x.wav", "-o", "s3://b/out"], "s3://b/out needs a cluster."),
        (["separate", "x.wav", "--workers", "2"], "--workers is for a cluster. Add --on, or leave it out."),
        (["separate", "a", "b", "--on", "local"], "With --on, give one folder of songs."),
        ([*LISTED, "--video"], "--video isn't available with --on."),
        ([*LISTED, "--existing", "rename"], "--existing is skip or replace"),
        ([*LISTED, "--gpus", "0"], "--gpus has to be more than 0, not 0."),
        ([*LISTED, "--report", "x.xls"], "A report is a file *.json or *.csv"),
    ],
)
def test_wrong_options_are_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) in (1, 2)
    assert message in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_a_missing_ray_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LISTED, "-m", "lite"]) != 0
    assert "A cluster needs Ray. Run `pip install 'unbraid[ray]'`." in capsys.readouterr().err
