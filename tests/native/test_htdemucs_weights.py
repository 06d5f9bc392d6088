"""Whatever float16 weights a package has, the native HTDemucs is about as near to PyTorch as the network allows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.native.heard import (
    Array,
    changed,
    error_db,
    expected,
    native,
    needs_library,
    rounded,
    run,
    song,
)

from unbraid.networks.htdemucs import HTDemucs

pytestmark = needs_library

# What is compared with: noise in the input of the network, as much as all the roundings on its way are together.
NOISE_DB = -75


def above_noise_db(
    network: HTDemucs, mixture: Array | None = None, dtype: torch.dtype = torch.float32
) -> float:
    """How far, at worst, the error lies above what such noise in the input makes of the same stems, or above NOISE_DB.

    Some weights make any network magnify whatever is added to its input: gates and attention that are nearly switches.
    """
    mixture = song() if mixture is None else mixture
    found, true = run(native(network), mixture), expected(network, mixture, dtype=dtype)
    noisy = expected(network, mixture, noise_db=NOISE_DB)
    assert all(np.isfinite(one).all() for one in found)
    return max(
        error_db(one, other) - max(NOISE_DB, error_db(third, other))
        for one, other, third in zip(found, true, noisy, strict=True)
    )


def attention(network: HTDemucs) -> list[str]:
    """Names of what makes queries, keys and values."""
    return [name for name, _ in network.named_parameters() if "in_proj" in name]


@pytest.mark.parametrize("sharpness", [0, 30])
def test_attention_may_be_flat_or_sharp(four: HTDemucs, sharpness: float) -> None:
    """From all keys alike to nearly one alone."""
    with changed(four, *attention(four)) as tensors:
        for tensor in tensors:
            tensor[:512] *= sharpness
        rounded(*tensors)
        assert above_noise_db(four, dtype=torch.float64) < 3


def test_a_key_far_above_all_others_leaves_them_their_share(four: HTDemucs) -> None:
    """Scores that depend on the key alone, spread so far that the highest is e^10 to e^14 times the usual."""
    with changed(four, *attention(four)) as tensors:
        for tensor in tensors:
            tensor[:1024] = 0
            if tensor.ndim == 1:
                tensor[:512] = 1
            else:
                tensor[512:1024, 0] = 0.4
        rounded(*tensors)
        assert above_noise_db(four, dtype=torch.float64) < 3


@pytest.mark.parametrize(
    "name",
    [
        "encoder.0.conv.weight",
        "crosstransformer.layers_t.1.cross_attn.out_proj.weight",
        "decoder.2.conv_tr.weight",
    ],
)
def test_an_output_may_be_a_thousand_times_the_others(four: HTDemucs, name: str) -> None:
    with changed(four, name) as (weight,):
        weight[0] *= 1000
        rounded(weight)
        assert above_noise_db(four) < 6


@pytest.mark.parametrize(
    ("name", "limit_db"),
    [
        ("tdecoder.1.rewrite.weight", 4),
        # 14: beside such a weight, all others of its row are integers up to 32.
        ("crosstransformer.layers.0.self_attn.in_proj_weight", 17),
    ],
)
def test_an_input_may_count_a_thousand_times_as_much_as_the_others(
    four: HTDemucs, name: str, limit_db: float
) -> None:
    with changed(four, name) as (weight,):
        weight[:, 0] *= 1000
        rounded(weight)
        assert above_noise_db(four) < limit_db


@pytest.mark.parametrize(
    "name", ["encoder.2.conv.weight", "crosstransformer.layers.0.self_attn.in_proj_weight"]
)
def test_a_matrix_may_be_zero(four: HTDemucs, name: str) -> None:
    with changed(four, name) as (weight,):
        weight.zero_()
        assert above_noise_db(four) < 4


def straddling(channels: int) -> torch.Tensor:
    """Weights for these channels whose two halves, of the same energy, lie in blocks that are scaled by themselves
    where blocks are counted from the first tap of a convolution on."""
    weights = torch.zeros(channels)
    edge = -channels % 64
    weights[:edge], weights[edge:] = edge**-0.5, (channels - edge) ** -0.5
    return weights


def test_no_sum_overflows_where_all_that_meets_points_one_way(four: HTDemucs) -> None:
    with changed(
        four, "tencoder.0.conv.weight", "tencoder.0.conv.bias", "tencoder.0.dconv.layers.0.0.weight"
    ) as (conv, bias, down):
        conv[:], bias[:] = conv[:1].clone(), bias[:1].clone()
        down.zero_()
        down[..., 1] = straddling(48)
        rounded(down)
        assert above_noise_db(four) < 4
