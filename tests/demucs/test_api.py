"""`unbraid.demucs.api`: with and without PyTorch, errors, progress."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import WriteWave
from tests.separation.conftest import noise
from tests.separation.known_models import GAINS, SOURCES

from unbraid.demucs import api
from unbraid.demucs.api import LoadAudioError, LoadModelError, Separator
from unbraid.demucs.arrays import Samples
from unbraid.errors import InputError, ModelError, SettingError


@pytest.fixture
def without_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def song(write_wave: WriteWave, tmp_path: Path) -> Path:
    return write_wave(tmp_path / "song.wav", seconds=0.5)


def test_a_file_gives_arrays_without_pytorch(model_folder: Path, song: Path, without_pytorch: None) -> None:
    origin, stems = Separator(model_folder).separate_audio_file(song)
    assert tuple(stems) == SOURCES
    for samples in (origin, *stems.values()):
        assert isinstance(samples, np.ndarray)
        assert (samples.shape, samples.dtype) == ((2, 22050), np.float32)
    for stem, gain in zip(SOURCES, GAINS, strict=True):
        assert stems[stem] == pytest.approx(gain * origin, abs=1e-3)


def test_arrays_have_the_methods_that_scripts_call_on_tensors(
    model_folder: Path, song: Path, without_pytorch: None
) -> None:
    _, stems = Separator(model_folder).separate_audio_file(str(song))
    both = stems["bass"] + stems["drums"]
    assert isinstance(both, Samples)
    assert both.dim() == 2
    plain = both.detach().cpu().clone().numpy()
    assert type(plain) is np.ndarray
    assert np.array_equal(plain, both)
    assert not np.shares_memory(plain, both)


def test_a_file_gives_tensors_with_pytorch(model_folder: Path, song: Path) -> None:
    separator = Separator(model_folder)
    origin, stems = separator.separate_audio_file(song)
    assert all(isinstance(samples, torch.Tensor) for samples in (origin, *stems.values()))
    assert torch.equal(separator._load_audio(song), origin)


def test_an_array_gives_arrays_with_pytorch(model_folder: Path) -> None:
    origin, stems = Separator(model_folder, shifts=0).separate_tensor(noise(2, 9000), 22050)
    assert isinstance(origin, np.ndarray)
    assert {samples.shape for samples in stems.values()} == {(2, 18000)} == {origin.shape}


def test_mono_becomes_stereo(model_folder: Path) -> None:
    mono = noise(1, 9000)
    for samples in (mono, mono[0], torch.from_numpy(mono)):
        origin, stems = Separator(model_folder, shifts=0).separate_tensor(samples)
        assert np.array_equal(origin, np.repeat(mono, 2, axis=0))
        assert stems["vocals"].shape == (2, 9000)


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_other_float_types_give_float32(kind: torch.dtype, model_folder: Path) -> None:
    tensor = torch.from_numpy(noise(2, 9000)).to(kind).requires_grad_()
    origin, stems = Separator(model_folder).separate_tensor(tensor)
    assert origin.dtype == stems["bass"].dtype == torch.float32


@pytest.mark.parametrize(
    "samples", [np.zeros((3, 100), np.float32), np.zeros((2, 100), np.int16), torch.zeros(2, 2, 100)], ids=str
)
def test_rejects_other_shapes_and_types(samples: Any, model_folder: Path) -> None:
    with pytest.raises(SettingError, match="1 or 2 channels"):
        Separator(model_folder).separate_tensor(samples)


def test_rejects_an_empty_song(model_folder: Path) -> None:
    with pytest.raises(InputError, match="0 samples"):
        Separator(model_folder).separate_tensor(np.zeros((2, 0), np.float32))


def test_an_unreadable_file_is_an_audio_error(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("not music at all")
    separator = Separator(model_folder)
    for name in ("text.mp3", "missing.wav"):
        with pytest.raises(LoadAudioError, match=name):
            separator.separate_audio_file(tmp_path / name)


def test_a_damaged_file_warns(model_folder: Path, song: Path) -> None:
    song.write_bytes(song.read_bytes()[:40000])
    with pytest.warns(UserWarning, match="song.wav is cut off"):
        Separator(model_folder).separate_audio_file(song)


@pytest.mark.parametrize(
    ("name", "word"),
    [("mdx", "Use htdemucs"), ("no-such-model", "no-such-model"), ("f7e0c4bc", "f7e0c4bc-ba3fe64a.th")],
)
def test_an_unavailable_model_is_a_model_error(name: str, word: str) -> None:
    with pytest.raises(LoadModelError, match=word) as error:
        Separator(name)
    assert isinstance(error.value, ModelError)


def test_an_unreadable_repo_is_a_model_error(tmp_path: Path) -> None:
    for use in (lambda repo: Separator("mine", repo), api.list_models):
        with pytest.raises(LoadModelError, match="nowhere"):
            use(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("parameters", "word"),
    [({"device": "quantum"}, "quantum"), ({"overlap": 1}, "overlap"), ({"segment": 0.001}, "segments of")],
    ids=str,
)
def test_invalid_parameters_are_errors(parameters: dict[str, Any], word: str, model_folder: Path) -> None:
    with pytest.raises(SettingError, match=word):
        Separator(model_folder, **parameters)


def test_takes_a_device_of_pytorch(model_folder: Path, song: Path) -> None:
    separator = Separator(model_folder, device=torch.device("cpu"))
    separator.update_parameter(device=None)
    assert len(separator.separate_audio_file(song)[1]) == 4


def test_rejects_unknown_parameters(model_folder: Path) -> None:
    with pytest.raises(TypeError, match="model"):
        Separator(model_folder).update_parameter(model="htdemucs_ft")


def test_keyboard_interrupt_in_the_callback_ends_the_separation(model_folder: Path, song: Path) -> None:
    calls: list[dict[str, Any]] = []

    def callback(call: dict[str, Any]) -> None:
        calls.append(call)
        if call["state"] == "end":
            raise KeyboardInterrupt

    separator = Separator(model_folder, callback=callback)
    with pytest.raises(KeyboardInterrupt):
        separator.separate_audio_file(song)
    assert [call["state"] for call in calls] == ["start", "end"]
    separator.update_parameter(callback=None)
    assert len(separator.separate_audio_file(song)[1]) == 4


def test_progress_goes_to_standard_error(
    model_folder: Path, song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Separator(model_folder, progress=True).separate_audio_file(song)
    assert capsys.readouterr() == ("", "song.wav: started\n")


def test_results_and_errors_are_quiet_without_progress(
    model_folder: Path, song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Separator(model_folder).separate_audio_file(song)
    assert capsys.readouterr() == ("", "")


def test_lists_the_models_of_the_catalogue() -> None:
    models = api.list_models()
    assert {"htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi"} <= models["bag"].keys()
    assert str(models["single"]["955717e8"]).endswith("955717e8-8726e21a.th")


SCRIPT = """
import sys
sys.modules["torch"] = None  # not installed
import unbraid.demucs as demucs  # was: import demucs.api

separator = demucs.api.Separator(model={model!r}, progress=True)
origin, separated = separator.separate_audio_file({song!r})
for stem, source in separated.items():
    demucs.api.save_audio(source, f"{{stem}}.wav", samplerate=separator.samplerate)
rest = origin - separated["vocals"]
demucs.audio.save_audio(rest.cpu(), "rest.flac", separator.samplerate, bits_per_sample=24)
"""


def test_a_published_script_runs_without_pytorch_after_changing_its_import(
    model_folder: Path, song: Path, tmp_path: Path
) -> None:
    script = SCRIPT.format(model=str(model_folder), song=str(song))
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    written = {path.name for path in tmp_path.iterdir()} - {song.name}
    assert written == {"drums.wav", "bass.wav", "other.wav", "vocals.wav", "rest.flac"}


def test_importing_the_module_does_not_import_pytorch() -> None:
    program = "import sys, unbraid.demucs.api, unbraid.demucs.separate; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
