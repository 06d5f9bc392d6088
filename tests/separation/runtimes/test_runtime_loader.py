"""The runtime: quiet on the network, honest about a graph it can't load."""

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

QUIET = """
import os, sys
import socket
def refuse(*arguments, **options):
    raise AssertionError("the network was used")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from unbraid import Separator
Separator(sys.argv[1])
assert "openvino_telemetry" not in sys.modules
assert "openvino.tools.ovc" not in sys.modules
written = {os.path.relpath(folder, os.environ["HOME"]) for folder, _, files in os.walk(os.environ["HOME"]) if files}
assert written <= {".cache/unbraid/compiled"}, written
for module in ("torch", "scipy", "onnx", "onnxruntime", "urllib.request"):
    assert module not in sys.modules, module
"""


def test_loading_a_model_sends_nothing_and_writes_nothing_but_what_it_compiled(
    gains_folder: Path, tmp_path: Path
) -> None:
    source = str(Path(__file__).parents[3] / "src")
    subprocess.run(
        [sys.executable, "-c", QUIET, str(gains_folder)],
        env={"HOME": str(tmp_path), "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )


SIGNAL = """
import os, signal, sys
from unbraid import Separator
signal.signal(signal.SIGTERM, lambda number, frame: print("heard"))
first = Separator(sys.argv[1])
second = Separator(sys.argv[1])
del first
del second
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_is_heard_after_separators_that_ended_in_any_order(gains_folder: Path) -> None:
    command = [sys.executable, "-X", "faulthandler", "-c", SIGNAL, str(gains_folder)]
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(command, env={"PYTHONPATH": source}, capture_output=True, text=True, check=True)
    assert done.stdout == "heard\n"


def test_outputs_come_by_name(loudness_folder: Path) -> None:
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
def test_two_segments_are_computed_at_once_where_there_are_cores_and_memory_for_them(
    loudness_folder: Path, options: dict[str, int], segment_s: float, jobs: int
) -> None:
    model = replace(load_model_folder(loudness_folder), segment=round(segment_s * 44100))
    assert RuntimeLoader(model, **options).load(model, {"mixture": (1, 2, 50)}).jobs == jobs


def test_a_graph_that_is_none_is_a_model_error(loudness_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"not a graph")
    model = replace(load_model_folder(loudness_folder), folder=tmp_path)
    with pytest.raises(ModelError, match=r"graph\.onnx can't be loaded"):
        RuntimeLoader(model).load(model, {"mixture": (1, 2, 50)})


def test_a_graph_that_does_not_fit_its_description_is_a_model_error(loudness_folder: Path) -> None:
    model = load_model_folder(loudness_folder)
    for shapes in ({"spectrum": (1, 2, 257, 48, 2)}, {"mixture": (1, 2, 3, 50)}):
        with pytest.raises(ModelError, match="can't be loaded"):
            RuntimeLoader(model).load(model, shapes)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_graphics_cards_need_the_extra_with_pytorch(
    gains_folder: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SettingError, match=rf"{device} needs PyTorch.*pip install 'unbraid\[torch\]'"):
        Separator(gains_folder, device=device)


@pytest.mark.parametrize("device", ["cuda", "abacus"])
def test_the_device_of_a_bag_is_checked_at_once(
    tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    bag = bag_of(tmp_path, {"one": (1, 0, 0, 0), "two": (0, 1, 1, 1)})
    with pytest.raises(SettingError, match=device):
        Separator(bag, device=device, jobs=2)


def test_a_graph_without_the_outputs_of_its_description_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="doesn't give waveforms"):
        Separator(spectral_model(tmp_path, outputs=["waveforms"]))


@pytest.mark.parametrize(
    ("content", "cores"),
    [("max 100000", None), ("200000 100000\n", 2), ("150000 100000", 2), ("10000 100000", 1), ("", None)],
)
def test_a_containers_quota_is_rounded_to_cores(tmp_path: Path, content: str, cores: int | None) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(content, encoding="ascii")
    assert cpu_quota(limit) == cores


def test_without_a_container_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "missing") is None


def test_a_process_uses_no_more_cores_than_its_quota(tmp_path: Path) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text("100000 100000\n")
    assert usable_cores(limit) == 1
    assert usable_cores(tmp_path / "missing") == len(os.sched_getaffinity(0))
