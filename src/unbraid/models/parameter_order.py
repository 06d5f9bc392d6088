"""The order in which the published class HDemucs defines its parameters.

Quantised weights have no names, but this order (`unbraid.models.readers.quantised`).
"""

from __future__ import annotations

from collections.abc import Iterable

BRANCHES = ("encoder", "decoder", "tencoder", "tdecoder", "freq_emb")
ENCODER = ("conv", "norm1", "rewrite", "norm2", "dconv")
DECODER = ("conv_tr", "norm2", "rewrite", "norm1", "dconv")


def published_order(names: Iterable[str]) -> list[str]:
    """Sort the names of all parameters, such as `encoder.0.conv.weight`.

    Parameters of the same convolution, normalisation or residual branch stay in the given order, which has to be that
    of our network.
    """
    return sorted(names, key=_place)


def _place(name: str) -> tuple[int, ...]:
    branch, *inside = name.split(".")
    if branch == BRANCHES[-1]:
        return (len(BRANCHES),)
    order = DECODER if "decoder" in branch else ENCODER
    return BRANCHES.index(branch), int(inside[0]), order.index(inside[1])
