"""Band-split transformers are recognised by their tensors and config, and converted, or rejected with one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.models.roformer_files import BS, MEL, SEGMENT, config_of, state_of, write_files

from unbraid.errors import ModelError
from unbraid.models import find_model
from unbraid.models.roformer import RoformerSizes, layout, mel_bands, read_sizes
from unbraid.models.templates import template_of

Config = dict[str, Any]
State = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_mel_bands_are_those_of_the_published_model() -> None:
    """The widths are those of the tensors in Kim's model; the sum of its masks has 4 x 1979 numbers a frame."""
    bands = mel_bands(44_100, 2048, 60)
    assert bands[:4] == ((0, 7), (4, 10), (7, 13), (10, 16))
    assert bands[-1] == (895, 1025)
    assert sum(stop - start for start, stop in bands) == 1979


def test_a_target_has_a_rest(tmp_path: Path) -> None:
    model = find_model(write_files(tmp_path))
    assert (model.sources, model.rest, model.name) == (("vocals", "other"), "other", "small")
    (member,) = model.members
    network = member.model
    assert (network.sources, network.segment, network.overlap) == (("vocals",), SEGMENT, 0.75)
    assert (network.n_fft, network.hop, network.normalise) == (512, 110, False)
    assert read_sizes(network.folder) == MEL


def test_any_stems_with_any_names(tmp_path: Path) -> None:
    model = find_model(write_files(tmp_path, BS))
    assert (model.sources, model.rest, model.members) == (("kick", "snare", "übung"), None, ())
    assert read_sizes(model.folder) == BS


@pytest.mark.parametrize(
    ("instruments", "rest"),
    [(["vocals"], "no_vocals"), (["drums", "vocals", "bass"], "no_vocals"), (["dry", "vocals"], "dry")],
)
def test_name_of_the_rest(tmp_path: Path, instruments: list[str], rest: str) -> None:
    config = config_of(MEL)
    config["training"] = {"instruments": instruments, "target_instrument": "vocals"}
    assert find_model(write_files(tmp_path, config=config)).sources == ("vocals", rest)


def test_matrices_are_rounded_and_vectors_are_not(tmp_path: Path) -> None:
    state = {name: value * 1.0001 for name, value in state_of(MEL).items()}
    state.update({name: value for name, value in state_of(MEL).items() if name.endswith("freqs")})
    network = find_model(write_files(tmp_path, state=state)).members[0].model
    content = (network.folder / "weights.bin").read_bytes()
    for place in layout(MEL):
        stored = np.frombuffer(content, "<f2" if place.float16 else "<f4", np.prod(place.shape), place.offset)
        values = state[place.name].numpy().reshape(-1)
        assert place.float16 == (len(place.shape) == 2)
        np.testing.assert_array_equal(stored, values.astype(stored.dtype))


@pytest.mark.parametrize("form", ["state_dict", "state", "float16", "safetensors", ".pt", ".th"])
def test_forms_of_a_checkpoint(tmp_path: Path, form: str) -> None:
    expected = find_model(write_files(tmp_path / "plain")).members[0].model.graph.parent / "weights.bin"
    path = write_files(tmp_path / "other", name=f"small{form}" if form[0] == "." else "small.ckpt")
    if form.startswith("state"):
        torch.save({form: torch.load(path), "epoch": 3}, path)
    elif form == "float16":
        torch.save({n: v.half() if v.ndim > 1 else v for n, v in torch.load(path).items()}, path)
    elif form == "safetensors":
        save_file(
            {name: value.clone() for name, value in torch.load(path).items()},
            path.with_suffix(".safetensors"),
        )
        path.unlink()
        path = path.with_suffix(".safetensors")
    found = find_model(path).members[0].model.graph.parent / "weights.bin"
    assert found.read_bytes() == expected.read_bytes()


def test_is_found_in_a_folder_and_converted_once(tmp_path: Path) -> None:
    write_files(tmp_path / "repo")
    write_files(tmp_path / "repo", BS, name="drums.ckpt")
    model = find_model("drums", repo=tmp_path / "repo")
    changed = model.graph.stat().st_mtime_ns
    assert find_model(tmp_path / "repo" / "drums.ckpt").graph.stat().st_mtime_ns == changed
    with pytest.raises(ModelError, match=r"no model 'none' .*Choose drums, small\."):
        find_model("none", repo=tmp_path / "repo")


def test_a_config_may_have_another_name_if_it_is_the_only_one(tmp_path: Path) -> None:
    path = write_files(tmp_path / "a")
    path.with_suffix(".yaml").rename(path.with_name("config_vocals.yaml"))
    assert find_model(path).sources == ("vocals", "other")
    write_files(tmp_path / "a", name="second.ckpt")
    with pytest.raises(ModelError, match=r"has no config\. Put the YAML file .* as small\.yaml"):
        find_model(path)


def without(section: str, key: str) -> Callable[[Config], object]:
    return lambda config: config[section].pop(key)


def setting(section: str, **values: Any) -> Callable[[Config], object]:
    return lambda config: config.setdefault(section, {}).update(values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (setting("model", new_layer=3, b=1), "Unbraid doesn't know its setting model.b, model.new_layer"),
        (setting("inference", mode="x"), "Unbraid doesn't know its setting inference.mode"),
        (setting("inference", normalize=True), "doesn't support inference.normalize: true"),
        (setting("audio", x=1), "Unbraid doesn't know its setting audio.x"),
        (setting("more", x=1), "Unbraid doesn't know its section more"),
        (setting("model", skip_connection=True), "doesn't support model.skip_connection: True"),
        (setting("model", linear_transformer_depth=1), "doesn't support model.linear_transformer_depth: 1"),
        (setting("model", stereo=False), "doesn't support model.stereo: False"),
        (setting("model", dim=32), "model.dim is 32 there, and 16 in the weights"),
        (setting("model", heads=4), "model.heads is 4 there, and 2 in the weights"),
        (setting("model", stft_n_fft=1024, stft_win_length=1024), "its bands don't fit"),
        (setting("model", num_bands=7), "its bands don't fit"),
        (setting("model", stft_win_length=256), "model.stft_win_length differs"),
        (setting("model", stft_hop_length=400), "is out of range"),
        (setting("model", stft_n_fft="512"), "model.stft_n_fft must be a whole number"),
        (setting("audio", chunk_size=10**9), "its segments"),
        (
            lambda c: (c["model"].update(stft_hop_length=8), c["audio"].update(chunk_size=40_000)),
            "more than 4000",
        ),
        (setting("inference", num_overlap=0), "inference.num_overlap must be a whole number"),
        (setting("training", instruments=None), "must list the stems"),
        (setting("training", instruments=["a/b"]), "can't be a file name"),
        (setting("training", instruments=["A", "a"]), "has a name twice"),
        (
            setting("training", target_instrument=None),
            "it estimates 1 stems, and the config names vocals, other",
        ),
        (without("model", "stft_hop_length"), "model.stft_hop_length must be a whole number"),
    ],
)
def test_rejects_settings(tmp_path: Path, change: Callable[[Config], object], reason: str) -> None:
    config = config_of(MEL)
    change(config)
    with pytest.raises(ModelError) as raised:
        find_model(write_files(tmp_path, config=config))
    assert reason in str(raised.value) and "\n" not in str(raised.value)


def dropped(name: str) -> Callable[[State], object]:
    return lambda state: state.pop(name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (dropped("layers.0.0.layers.0.0.norm.gamma"), "it is no BS-RoFormer or Mel-Band RoFormer"),
        (dropped("layers.1.1.layers.0.1.net.4.bias"), "layers.1.1.layers.0.1.net.4.bias is missing"),
        (
            lambda s: s.update({"extra.weight": torch.ones(2)}),
            "a tensor that Unbraid doesn't know, extra.weight",
        ),
        (lambda s: s.update({"layers.99999999.x": torch.ones(2)}), "it is no BS-RoFormer"),
        (
            lambda s: s.update({"layers.1.0.layers.0.0.to_out.0.weight": torch.ones(16, 8)}),
            "to_out.0.weight is 16 x 8, and should be 16 x 16",
        ),
        (
            lambda s: s.update({"layers.1.0.layers.0.0.rotary_embed.freqs": torch.ones(4)}),
            "differs from that of the first layer",
        ),
        (
            lambda s: s.update({"band_split.to_features.0.1.weight": torch.full((16, 44), 1e5)}),
            "weights in band_split.to_features.0.1.weight don't fit float16",
        ),
        (
            lambda s: s.update({"band_split.to_features.0.1.bias": torch.full((16,), torch.nan)}),
            "a weight is infinite or NaN",
        ),
    ],
)
def test_rejects_tensors(tmp_path: Path, change: Callable[[State], object], reason: str) -> None:
    state = state_of(MEL)
    change(state)
    with pytest.raises(ModelError) as raised:
        find_model(write_files(tmp_path, state=state))
    assert reason in str(raised.value) and "\n" not in str(raised.value)
    assert not list((tmp_path / "cache").rglob("model.json"))


def test_rejects_code_in_a_checkpoint(tmp_path: Path) -> None:
    path = write_files(tmp_path)
    torch.save({"state_dict": state_of(MEL), "callback": subprocess.run}, path)
    with pytest.raises(ModelError, match=r"refers to '\S+\.run'"):
        find_model(path)


def test_a_truncated_checkpoint_is_one_line(tmp_path: Path) -> None:
    path = write_files(tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="damaged or truncated"):
        find_model(path)


def test_sizes_survive_json() -> None:
    for sizes in (MEL, BS):
        assert RoformerSizes.from_dict(json.loads(json.dumps(sizes.to_dict()))) == sizes


def test_a_changed_graph_is_not_computed_in_pytorch(tmp_path: Path) -> None:
    model = find_model(write_files(tmp_path, BS))
    template = template_of(model)
    assert template is not None and template.class_name == "Roformer"
    model.graph.write_bytes(model.graph.read_bytes() + b"\0")
    assert template_of(model) is None


def test_conversion_needs_neither_pytorch_nor_onnx(tmp_path: Path) -> None:
    path = write_files(tmp_path)
    code = (
        "import sys; from pathlib import Path; from unbraid.models import find_model; "
        "find_model(Path(sys.argv[1])); print({'torch', 'onnx', 'openvino'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
