"""Choose the engine for HTDemucs on the processor, and build a model with known output for both engines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from tests.models.published import HTDEMUCS, HTDEMUCS_6S, published

from unbraid.models import Model, load_model_folder
from unbraid.models.convert import convert_bag
from unbraid.models.readers.packages import read_package
from unbraid.native.library import native_library
from unbraid.networks.htdemucs import HTDemucs
from unbraid.separation.runtimes import native

ENGINES = [
    pytest.param(
        "native",
        marks=pytest.mark.skipif(
            native_library() is None,
            reason="there is no native library for this processor, or it isn't built",
        ),
    ),
    "openvino",
]


# Limits of the largest error in a stem against demucs. OpenVINO computes in float32. The native library multiplies
# 16-bit integers, and its error depends on the network: -75 to -84 dB with seeded weights; tests/native has more.
LIMITS_DB = {"native": -74, "openvino": -80}


def choose(engine: str, patch: pytest.MonkeyPatch) -> None:
    """Make `engine` compute HTDemucs."""
    if engine == "openvino":
        patch.setattr(native, "native_library", lambda: None)


def skip_native_check(patch: pytest.MonkeyPatch) -> None:
    """Skip the check of the native library with new weights, which takes seconds; test_checked.py tests it."""
    patch.setattr("unbraid.separation.runtimes.accuracy.AccuracyRecord.read", lambda self: -70.0)


def folder_of(network: HTDemucs, folder: Path, **described: object) -> Model:
    """Convert the network like a published package."""
    folder.mkdir(parents=True)
    arguments = HTDEMUCS if network.bottom_channels else HTDEMUCS_6S
    state = {name: value.half().numpy() for name, value in network.state_dict().items()}
    package = read_package(published(folder / "0123abcd.th", state, arguments))
    convert_bag([package], None, folder / "model", name="seeded", version="1", licence="MIT")
    if described:
        describe(folder / "model", described)
    return load_model_folder(folder / "model")


def describe(folder: Path, changes: Mapping[str, object]) -> None:
    """Change the description of a model."""
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def gain_network(gains: tuple[float, ...]) -> HTDemucs:
    """Return a network whose waveforms are the mixture times `gains`, and whose spectra are almost zero.

    It uses GELU(x) - GELU(-x) = x: the first encoder outputs four samples of two channels with both signs, and the last
    decoder takes the difference. All gates are open; all other layers output zero.
    """
    network = HTDemucs(len(gains), bottom_channels=0 if len(gains) == 6 else 512).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.zero_()
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1)
        encoder, decoder = network.tencoder[0], network.tdecoder[3]
        for layer, width in ((encoder, 48), (decoder, 48)):
            layer.rewrite.bias[width:] = 20
        for place in range(8):
            sample, channel = divmod(place, 2)
            for sign in (0, 1):
                # Of the eight samples that the filter sees, the four in the middle are used.
                encoder.conv.weight[2 * place + sign, channel, 2 + sample] = 1 - 2 * sign
                encoder.rewrite.weight[2 * place + sign, 2 * place + sign, 0] = 1
                decoder.rewrite.weight[place, 2 * place + sign, 1] = 1 - 2 * sign
            for source, gain in enumerate(gains):
                decoder.conv_tr.weight[place, 2 * source + channel, 2 + sample] = gain
    return network
