"""The server gives up root's rights before it reads a song."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unbraid.process_user import GROUP, USER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root's rights")

SOURCE = Path(__file__).parents[3] / "src"

# The modules are loaded first: another user can't read the Python of root's home folder.
SERVE = """
from pathlib import Path
from unbraid.aws.container import server, user
from unbraid.aws.container.__main__ import main
server.main = lambda: print(Path("/proc/self/status").read_text())
main(["serve"])
"""
REGAIN = """
import os
from unbraid.aws.container.user import drop_root
drop_root()
for change in (os.setuid, os.setgid, lambda _: os.setgroups([0])):
    try:
        change(0)
    except PermissionError:
        print("refused")
"""
LAMBDA = """
import os
from unbraid.aws.container.user import drop_root
os.setresgid(990, 990, 990)
os.setresuid(993, 993, 993)
drop_root()
print(os.getresuid(), os.getresgid())
"""


def output_of(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_serve_runs_as_the_user_of_the_image_if_root_starts_it() -> None:
    status = dict(line.split(":\t", 1) for line in output_of(SERVE).splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(USER)] * 4
    assert status["Gid"].split() == [str(GROUP)] * 4
    assert status["Groups"].split() == []
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0


def test_root_can_not_be_regained() -> None:
    assert output_of(REGAIN).split() == ["refused"] * 3


def test_another_user_such_as_that_of_lambda_stays() -> None:
    assert output_of(LAMBDA).strip() == "(993, 993, 993) (990, 990, 990)"
