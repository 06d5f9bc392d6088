"""Loading a runtime: no network traffic, the right number of jobs, clear errors."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.separation.known_models import bag_of, spectral_model

from unbraid import Separator
from unbraid.cores import cpu_quota, usable_cores
from unbraid.errors import ModelError, SettingError
from unbraid.models import load_model_folder
from unbraid.separation.runtimes.choose import RuntimeLoader

LOAD_OFFLINE = """
import os, sys
import socket
def fail(*arguments, **options):
    raise AssertionError("the network was used")
socket.socket.connect = fail
socket.getaddrinfo = fail
from unbraid import Separator
Separator(sys.argv[1])
assert "openvino_telemetry" not in sys.modules
assert "openvino.tools.ovc" not in sys.modules
written = {os.path.relpath(folder, os.environ["HOME"]) for folder, _, files in os.walk(os.environ["HOME"]) if files}
assert written <= {".cache/unbraid/compiled"}, written
for module in ("torch", "scipy", "onnx", "onnxruntime", "urllib.request"):
    assert module not in sys.modules, module
"""


def test_loading_a_model_uses_no_network_and_writes_only_the_cache(
    gains_folder: Path, tmp_path: Path
) -> None:
    source = str(Path(__file__).parents[3] / "src")
    subprocess.run(
        [sys.executable, "-c", LOAD_OFFLINE, str(gains_folder)],
        env={"HOME": str(tmp_path), "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )


SIGNAL = """
import os, signal, sys
from unbraid import Separator
signal.signal(signal.SIGTERM, lambda number, frame: print("handled"))
first = Separator(sys.argv[1])
second = Separator(sys.argv[1])
del first
del second
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_signals_work_after_separators_end_in_any_order(gains_folder: Path) -> None:
    command = [sys.executable, "-X", "faulthandler", "-c", SIGNAL, str(gains_folder)]
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(command, env={"PYTHONPATH": source}, capture_output=True, text=True, check=True)
    assert done.stdout == "handled\n"


def test_returns_outputs_by_name(loudness_folder: Path) -> None:
    model = load_model_folder(loudness_folder)
    runtime = RuntimeLoader(model, threads=1).load(model, {"mixture": (1, 2, 50)})
    with runtime.run({"mixture": np.ones((1, 2, 50), np.float32)}) as outputs:
        assert set(outputs) == {"waveforms"}
        assert outputs["waveforms"].shape == (1, 4, 2, 50)
        assert np.allclose(outputs["waveforms"][0, :, 0, 0], [0.4, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    ("options", "segment_s", "jobs"),
    [
        ({}, 7.8, min(2, usable_cores())),
        ({"threads": 1}, 7.8, 1),
        ({"threads": 4}, 7.8, 2),
        ({}, 44, 1),
        ({"jobs": 3}, 44, 3),
    ],
)
def test_number_of_jobs_fits_cores_and_memory(
    loudness_folder: Path, options: dict[str, int], segment_s: float, jobs: int
) -> None:
    model = replace(load_model_folder(loudness_folder), segment=round(segment_s * 44100))
    assert RuntimeLoader(model, **options).load(model, {"mixture": (1, 2, 50)}).jobs == jobs


def test_invalid_graph_is_a_model_error(loudness_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"not a graph")
    model = replace(load_model_folder(loudness_folder), folder=tmp_path)
    with pytest.raises(ModelError, match=r"graph\.onnx can't be loaded"):
        RuntimeLoader(model).load(model, {"mixture": (1, 2, 50)})


def test_graph_with_other_inputs_is_a_model_error(loudness_folder: Path) -> None:
    model = load_model_folder(loudness_folder)
    for shapes in ({"spectrum": (1, 2, 257, 48, 2)}, {"mixture": (1, 2, 3, 50)}):
        with pytest.raises(ModelError, match="can't be loaded"):
            RuntimeLoader(model).load(model, shapes)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_graphics_cards_need_pytorch(
    gains_folder: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SettingError, match=rf"{device} needs PyTorch.*pip install 'unbraid\[torch\]'"):
        Separator(gains_folder, device=device)


@pytest.mark.parametrize("device", ["cuda", "abacus"])
def test_device_of_a_bag_is_checked_immediately(
    tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    bag = bag_of(tmp_path, {"one": (1, 0, 0, 0), "two": (0, 1, 1, 1)})
    with pytest.raises(SettingError, match=device):
        Separator(bag, device=device, jobs=2)


def test_graph_with_other_outputs_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="doesn't give waveforms"):
        Separator(spectral_model(tmp_path, outputs=["waveforms"]))


@pytest.mark.parametrize(
    ("content", "cores"),
    [("max 100000", None), ("200000 100000\n", 2), ("150000 100000", 2), ("10000 100000", 1), ("", None)],
)
def test_container_quota_is_rounded_up_to_cores(tmp_path: Path, content: str, cores: int | None) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(content, encoding="ascii")
    assert cpu_quota(limit) == cores


def test_no_quota_without_a_container(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "missing") is None


def test_usable_cores_respect_the_quota(tmp_path: Path) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text("100000 100000\n")
    assert usable_cores(limit) == 1
    assert usable_cores(tmp_path / "missing") == len(os.sched_getaffinity(0))
