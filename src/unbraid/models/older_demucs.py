"""Names of the Demucs models before Hybrid Transformer Demucs, which Unbraid can't run.

Published scripts still name them, so the error says what to use instead. The names are those of `demucs` 1 to 4:
https://github.com/facebookresearch/demucs/tree/main/demucs/remote, and `demucs/pretrained.py` of older versions.
"""

from __future__ import annotations

# Demucs 3 (2021): bags of Demucs and Hybrid Demucs, some with quantised weights.
_MDX = "mdx mdx_q mdx_extra mdx_extra_q repro_mdx_a repro_mdx_a_hybrid_only repro_mdx_a_time_only"
# Signatures of the networks in these bags.
_MDX_NETWORKS = (
    "0d19c1c6 5d2d6c55 7d865c68 7ecf8ec1 a1d90b5c c511e2ab cfa93e08 e51eebcc 6b9c2ca1 b72baf4e 42e558d4 305bc58f "
    "14fc6a69 464b36d7 7fd6ef75 83fc094f 1ef250f1 902315c2 9a6b4851 fa0cb7f9"
)
# Demucs 1 and 2 (2019 to 2021).
_EARLIEST = "demucs demucs_extra demucs48_hq light light_extra tasnet tasnet_extra demucs_unittest"
OLDER = frozenset(" ".join((_MDX, _MDX_NETWORKS, _EARLIEST)).split())


def replacement_for(name: str) -> str | None:
    """Return the line that says what to use instead of the model `name`; None if it isn't an older Demucs model."""
    if name not in OLDER:
        return None
    return (
        f"{name} is a Demucs model of an older generation, which Unbraid doesn't support. Use htdemucs, the newest, or"
        " hdemucs_mmi, the closest relative."
    )
