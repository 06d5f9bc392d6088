"""Names of older Demucs models that Unbraid can't run.

Published scripts still name them, so the error says what to use instead. The names are those of `demucs` 1 to 4:
https://github.com/facebookresearch/demucs/tree/main/demucs/remote, and `demucs/pretrained.py` of older versions.
"""

from __future__ import annotations

# Demucs 3 (2021): bags that have networks without a spectral branch. mdx_extra and mdx_extra_q have none.
_MDX = "mdx mdx_q repro_mdx_a repro_mdx_a_hybrid_only repro_mdx_a_time_only"
# Signatures of the networks in these bags.
_MDX_NETWORKS = (
    "0d19c1c6 7d865c68 7ecf8ec1 c511e2ab 6b9c2ca1 b72baf4e "
    "42e558d4 305bc58f 1ef250f1 902315c2 9a6b4851 fa0cb7f9"
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
        " mdx_extra, the closest relative."
    )
