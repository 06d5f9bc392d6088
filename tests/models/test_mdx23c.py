"""MDX23C checkpoints are recognised by their tensors and config, and converted, or rejected with one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.models.mdx23c_files import HOP, SEGMENT, SIZES, config_of, state_of, write_files

from unbraid.errors import ModelError
from unbraid.models import find_model
from unbraid.models.folder import read_network
from unbraid.models.graphs import place_tensors
from unbraid.models.mdx23c import Mdx23cSizes
from unbraid.models.templates import template_of

Config = dict[str, Any]
State = dict[str, torch.Tensor]
ONE_STEM = replace(SIZES, stems=1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def published(n_fft: int, bins: int, growth: int, stems: int) -> Mdx23cSizes:
    """Sizes of published models: 256 frames, and the same U-Net."""
    return Mdx23cSizes(n_fft, bins, 256, 4, 128, growth, 5, (2, 2), 2, 4, stems)


@pytest.mark.parametrize(
    ("sizes", "published_bytes"),
    [
        pytest.param(published(8192, 4096, 128, 2), 448_101_203, id="InstVoc HQ"),
        pytest.param(published(12288, 4096, 64, 2), 183_379_219, id="D1581"),
        pytest.param(published(2048, 1024, 128, 6), 437_652_699, id="DrumSep"),
    ],
)
def test_published_sizes_take_the_published_bytes(sizes: Mdx23cSizes, published_bytes: int) -> None:
    """A checkpoint has its numbers in float32, and less than 500 bytes for each tensor's name and place."""
    shapes = sizes.shapes().values()
    rest = published_bytes - 4 * sum(int(torch.Size(shape).numel()) for shape in shapes)
    assert 0 < rest < 500 * len(shapes)


def test_stems_and_segments_of_the_config(tmp_path: Path) -> None:
    model = find_model(write_files(tmp_path))
    assert (model.name, model.sources, model.rest) == ("small", ("kick", "snare", "hh"), None)
    assert (model.segment, model.overlap, model.fixed_length) == (SEGMENT, 0.5, "inside")
    assert (model.n_fft, model.hop, model.normalise) == (256, HOP, False)
    assert Mdx23cSizes.from_dict(read_network(model.folder)["sizes"]) == SIZES


def test_a_target_has_a_rest(tmp_path: Path) -> None:
    model = find_model(write_files(tmp_path, ONE_STEM))
    assert (model.sources, model.rest) == (("vocals", "other"), "other")


@pytest.mark.parametrize(
    ("inference", "frames"), [({"dim_t": 64}, 64), ({"chunk_size": HOP * 47}, 48), ({}, 32)]
)
def test_length_of_segments(tmp_path: Path, inference: Config, frames: int) -> None:
    """That of the use of the network, or else that of its training."""
    model = find_model(write_files(tmp_path, config={**config_of(), "inference": inference}))
    assert model.segment == HOP * (frames - 1)


@pytest.mark.parametrize("overlaps", [1, 2, 4])
def test_segments_overlap_by_a_half_at_most(tmp_path: Path, overlaps: int) -> None:
    model = find_model(write_files(tmp_path, config={**config_of(), "inference": {"num_overlap": overlaps}}))
    assert model.overlap == (0 if overlaps == 1 else 0.5)


@pytest.mark.parametrize("form", ["state_dict", "safetensors", "float16"])
def test_forms_of_a_checkpoint(tmp_path: Path, form: str) -> None:
    expected = (find_model(write_files(tmp_path / "plain")).folder / "weights.bin").read_bytes()
    path = write_files(tmp_path / "other")
    state = state_of()
    if form == "state_dict":
        torch.save({form: state, "epoch": 3}, path)
    elif form == "float16":
        torch.save({name: value.half() if value.ndim > 1 else value for name, value in state.items()}, path)
    else:
        path.unlink()
        path = path.with_suffix(".safetensors")
        save_file(state, path)
    assert (find_model(path).folder / "weights.bin").read_bytes() == expected


def test_weights_are_not_rounded(tmp_path: Path) -> None:
    state = {name: value * 1.0001 for name, value in state_of().items()}
    content = (find_model(write_files(tmp_path, state=state)).folder / "weights.bin").read_bytes()
    for place in place_tensors(SIZES.shapes(), half=False):
        stored = content[place.offset : place.offset + place.length]
        assert stored == state[place.name].numpy().tobytes()


def setting(section: str, **values: Any) -> Callable[[Config], object]:
    return lambda config: config.setdefault(section, {}).update(values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (setting("model", dropout=0, a=1), "Unbraid doesn't know its setting model.a, model.dropout"),
        (setting("audio", x=1), "Unbraid doesn't know its setting audio.x"),
        (setting("inference", mode="x"), "Unbraid doesn't know its setting inference.mode"),
        (setting("more", x=1), "Unbraid doesn't know its section more"),
        (setting("model", act="relu"), "Unbraid doesn't support model.act: relu"),
        (setting("model", norm="BatchNorm"), "Unbraid doesn't support model.norm: BatchNorm"),
        (setting("audio", num_channels=1), "Unbraid doesn't support audio.num_channels: 1"),
        (setting("inference", normalize=True), "doesn't support inference.normalize: true"),
        (setting("model", growth=8), "model.growth is 8 there, and 4 in the weights"),
        (setting("model", num_subbands=4), "model.num_subbands is 4 there, and 2 in the weights"),
        (setting("model", scale=[2, 2]), "model.scale is [2, 2] there, and [4, 2] in the weights"),
        (setting("audio", dim_f=64), "audio.dim_f is 64 there, and 96 in the weights"),
        (setting("audio", dim_f=200), "audio.dim_f is 200, and a window of 256 has 129 bins"),
        (setting("audio", n_fft="256"), "audio.n_fft must be a whole number"),
        (setting("audio", hop_length=200), "audio.n_fft or audio.hop_length is out of range"),
        (setting("inference", dim_t=40), "needs a multiple of 16 frames of a segment (dim_t), not 40"),
        (setting("inference", dim_t=4), "its segments (chunk_size) must have 512 samples"),
        (setting("inference", dim_t=1 << 20), "its segments (chunk_size) must have 512 samples to 30 s"),
        (setting("inference", num_overlap=0), "inference.num_overlap must be a whole number"),
        (setting("training", instruments=["a", "b"]), "it estimates 3 stems, and the config names a, b"),
        (setting("training", instruments=["a/b"]), "can't be a file name"),
        (lambda config: config["audio"].pop("n_fft"), "audio.n_fft must be a whole number"),
    ],
)
def test_rejects_settings(tmp_path: Path, change: Callable[[Config], object], reason: str) -> None:
    config = config_of()
    change(config)
    with pytest.raises(ModelError) as raised:
        find_model(write_files(tmp_path, config=config))
    assert reason in str(raised.value) and "\n" not in str(raised.value)


BLOCK = "encoder_blocks.1.tfc_tdf.blocks.0"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.pop("first_conv.weight"), "it is no MDX23C: it has no first_conv.weight"),
        (lambda s: s.pop(f"{BLOCK}.tdf.3.bias"), f"{BLOCK}.tdf.3.bias is missing"),
        (lambda s: s.update({"x.weight": torch.ones(2)}), "a tensor that Unbraid doesn't know, x.weight"),
        (lambda s: s.update({"encoder_blocks.99999.x": torch.ones(2)}), "it is no MDX23C"),
        (
            lambda s: s.update({f"{BLOCK}.shortcut.weight": torch.ones(12, 8, 1, 1)}),
            "shortcut.weight is 12 x 8 x 1 x 1, and should be 12 x 12 x 1 x 1",
        ),
        (lambda s: s.update({"first_conv.weight": torch.ones(8, 6, 1, 1)}), "it is no stereo MDX23C"),
        (lambda s: s[f"{BLOCK}.tfc1.0.bias"].fill_(torch.nan), "a weight is infinite or NaN"),
    ],
)
def test_rejects_tensors(tmp_path: Path, change: Callable[[State], object], reason: str) -> None:
    state = {name: value.clone() for name, value in state_of().items()}
    change(state)
    with pytest.raises(ModelError) as raised:
        find_model(write_files(tmp_path, state=state))
    assert reason in str(raised.value) and "\n" not in str(raised.value)
    assert not list((tmp_path / "cache").rglob("model.json"))


def test_rejects_other_families(tmp_path: Path) -> None:
    path = write_files(tmp_path, state={"encoder.0.weight": torch.ones(4, 4)})
    with pytest.raises(ModelError, match=r"of no family .*\(BS-RoFormer, Mel-Band RoFormer, MDX23C\)"):
        find_model(path)


def test_a_truncated_checkpoint_is_one_line(tmp_path: Path) -> None:
    path = write_files(tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="damaged or truncated"):
        find_model(path)


def test_rejects_code_in_a_checkpoint(tmp_path: Path) -> None:
    path = write_files(tmp_path)
    torch.save({"state_dict": state_of(), "callback": subprocess.run}, path)
    with pytest.raises(ModelError, match=r"refers to '\S+\.run'"):
        find_model(path)


def test_a_changed_graph_is_not_computed_in_pytorch(tmp_path: Path) -> None:
    model = find_model(write_files(tmp_path))
    template = template_of(model)
    assert template is not None and template.class_name == "MDX23C"
    description = json.loads((model.folder / "model.json").read_text())
    description["network"]["sizes"]["bottleneck"] = 2
    (model.folder / "model.json").write_text(json.dumps(description))
    assert template_of(model) is None


def test_conversion_needs_neither_pytorch_nor_openvino(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from unbraid.models import find_model; "
        "find_model(Path(sys.argv[1])); print({'torch', 'onnx', 'openvino'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, write_files(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
