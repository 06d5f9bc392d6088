"""Of several processes that need a model, one downloads it and the others wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.models import small_catalog
from tests.models.file_server import Fault, FileServer
from tests.models.small_catalog import entry

from unbraid.models import find_model
from unbraid.models.cache import locked

ROOT = Path(__file__).parents[2]
FIND = """
import sys
from tests.models.small_catalog import install_catalog
install_catalog(sys.argv[1])
from unbraid.models import find_model
print(find_model("htdemucs").version)
"""


def test_one_process_downloads_and_the_other_waits(models: Path, server: FileServer) -> None:
    server.faults = [Fault(pause_s=0.5)]
    command = [sys.executable, "-c", FIND, server.address]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)
    ]
    answers = [process.communicate()[0] for process in processes]
    assert answers == [f"{entry('htdemucs').version}\n"] * 2
    assert len(server.requests) == 1


def test_waiting_process_says_so_once_and_reports_progress(models: Path, cache: Path) -> None:
    (cache / "downloads").mkdir(parents=True)
    (name,) = [name for name in small_catalog.files() if name.startswith("00000000")]
    (cache / "downloads" / f"{name}.part").write_bytes(small_catalog.content(0)[:100_000])
    notices: list[str] = []
    reports: list[tuple[int, int]] = []
    with locked(models / "htdemucs"):
        thread = threading.Thread(
            target=find_model,
            args=("htdemucs",),
            kwargs={
                "notice": notices.append,
                "progress": lambda done, total: reports.append((done, total)),
            },
        )
        thread.start()
        while len(reports) < 3 and thread.is_alive():
            thread.join(0.01)
    thread.join()
    assert notices == ["Waiting for another process that is downloading htdemucs."]
    assert reports[0] == (100_000, small_catalog.SIZE)
    assert (models / "htdemucs" / "model.json").is_file()
