"""Recognise a published MDX23C by the names and shapes of its tensors."""

from __future__ import annotations

from unbraid.models.checkpoint_shapes import Shapes, check_settings, check_shapes, highest
from unbraid.models.graphs import GraphTemplate
from unbraid.models.mdx23c import PARTS, Mdx23cSizes, down_name
from unbraid.models.mdx23c_config import SIZES, Mdx23cConfig
from unbraid.models.readers.tensors import State
from unbraid.models.templates import mdx23c_template

FAMILY = "MDX23C"

# Numbers of the outermost level for a segment. Published models have up to 2^25, which take 134 MB several times.
MOST_NUMBERS = 1 << 26


def read_mdx23c(state: State, settings: Mdx23cConfig) -> GraphTemplate:
    """Return the graph of a checkpoint. Raises ValueError if it doesn't fit its config."""
    sizes = sizes_of({name: state.shape(name) for name in state}, settings)
    return mdx23c_template(sizes, settings.description)


def sizes_of(shapes: Shapes, settings: Mdx23cConfig) -> Mdx23cSizes:
    """Return the sizes of a network with tensors of these shapes. Raises ValueError if they fit no such network."""
    width, inputs, _, _ = _shape(shapes, "first_conv.weight", 4)
    inner, outer, *scale = _shape(shapes, f"{down_name(0)}.2.weight", 4)
    narrow, subband = _shape(shapes, "encoder_blocks.0.tfc_tdf.blocks.0.tdf.2.weight", 2)
    outputs = _shape(shapes, "final_conv.2.weight", 4)[0]
    if inputs % PARTS or outputs % inputs or subband % narrow or outer != width or inner - outer < 1:
        raise ValueError(f"it is no stereo {FAMILY}")
    sizes = Mdx23cSizes(
        n_fft=settings.n_fft,
        bins=subband * (inputs // PARTS),
        frames=settings.chunk // settings.hop + 1,
        subbands=inputs // PARTS,
        width=width,
        growth=inner - outer,
        levels=highest(shapes, r"encoder_blocks\.(\d+)\.", FAMILY),
        scale=(scale[0], scale[1]),
        blocks=highest(shapes, r"encoder_blocks\.0\.tfc_tdf\.blocks\.(\d+)\.", FAMILY),
        bottleneck=subband // narrow,
        stems=outputs // inputs,
    )
    if sizes.bins != settings.bins:
        raise ValueError(f"audio.dim_f is {settings.bins} there, and {sizes.bins} in the weights")
    check_shapes(shapes, sizes.shapes())
    check_settings(settings, sizes, SIZES, sizes.stems)
    for axis, numbers in enumerate((sizes.frames, subband)):
        if numbers % (divisor := sizes.scale[axis] ** sizes.levels):
            what = ("frames of a segment (dim_t)", "bins of a subband")[axis]
            raise ValueError(f"it needs a multiple of {divisor} {what}, not {numbers}")
    if sizes.frames * subband * width > MOST_NUMBERS:
        raise ValueError("its segments (dim_t) are too long for the memory")
    return sizes


def _shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    if len(shapes.get(name, ())) != dimensions:
        raise ValueError(f"it is no {FAMILY}: it has no {name}")
    return shapes[name]
