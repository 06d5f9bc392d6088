"""`unbraid deploy` runs with the packages of its lock file only. The tests' own environment has many more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Refuses every package that isn't in the lock file, as in the environment that `unbraid deploy` makes.
ONLY_LOCKED = """
import importlib.metadata, pathlib, re, sys

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

lock = pathlib.Path("requirements/deploy.lock").read_text("utf-8")
locked = {plain(name) for name in re.findall(r"^([\\w.-]+)==", lock, re.M)}
owners = importlib.metadata.packages_distributions()

class OnlyLocked:
    def find_spec(self, name, path=None, target=None):
        found = owners.get(name.partition(".")[0])
        if found and "unbraid" not in found and not {plain(each) for each in found} & locked:
            raise ModuleNotFoundError(f"No module named {name!r} in deploy.lock", name=name)

sys.meta_path.insert(0, OnlyLocked())
from infra.deploy import main
sys.exit(main(sys.argv[1:]))
"""


def test_writes_the_templates_with_the_locked_packages_only(tmp_path: Path) -> None:
    options = {"synth_only": True, "out": str(tmp_path / "out"), "cloudfront": True, "name": "staging"}
    run = subprocess.run(
        [sys.executable, "-c", ONLY_LOCKED, json.dumps(options)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "out").glob("*.template.json")} == {
        "staging.template.json",
        "staging-page.template.json",
    }
