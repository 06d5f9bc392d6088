"""MDX23C: the third version of the TFC-TDF U-Net of KUIELab, with all sizes as data.

Kim et al., "Sound Demixing Challenge 2023 Music Demixing Track Technical Report: TFC-TDF-UNet v3" (arXiv 2306.09382).
The network reads the lower bins of a complex spectrum, cut into subbands that become channels. A TFC ("time-frequency
convolutions") is a 3 x 3 convolution. A TDF ("time-distributed fully connected layers") maps all bins of a frame to all
bins through a narrow layer. Blocks of both form a U-Net. Its result multiplies the channels of the mixture, and two
convolutions turn the product and the mixture into the spectra of all stems.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from unbraid.models.folder import Model, read_network

CHANNELS = 2
PARTS = 2 * CHANNELS  # of a bin: real and imaginary part for each channel

CLASS_NAME = "MDX23C"

KERNEL = 3  # width and height of a convolution of a TFC


@dataclass(frozen=True, slots=True)
class Mdx23cSizes:
    """All sizes of a network. Names of the published settings are in brackets where they differ."""

    n_fft: int
    """Window of the transform. The network was trained with spectra that are not scaled by its root."""
    bins: int
    """Lowest bins, which the network reads and estimates (dim_f)."""
    frames: int
    """Frames of a segment (dim_t)."""
    subbands: int
    """Equal parts of the bins (num_subbands)."""
    width: int
    """Channels of the outermost level (num_channels)."""
    growth: int
    """Each deeper level has as many more channels."""
    levels: int
    """Levels below the outermost one (num_scales)."""
    scale: tuple[int, int]
    """Each level divides frames and bins by these numbers."""
    blocks: int
    """Blocks of a level on each side of the U-Net (num_blocks_per_scale)."""
    bottleneck: int
    """The narrow layer of a TDF has this fraction of the bins (bottleneck_factor)."""
    stems: int
    """Estimated stems."""

    @property
    def inputs(self) -> int:
        """Channels of the spectrum that the network reads: parts of each subband."""
        return PARTS * self.subbands

    def channels(self, level: int) -> int:
        """Return the channels of a level."""
        return self.width + level * self.growth

    def shape(self, level: int) -> tuple[int, int]:
        """Return frames and bins of a level."""
        frames, bins = (factor**level for factor in self.scale)
        return self.frames // frames, self.bins // self.subbands // bins

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes for JSON."""
        return {**asdict(self), "scale": list(self.scale)}

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> Mdx23cSizes:
        """Return the sizes that `to_dict` wrote. Raises TypeError, ValueError and KeyError."""
        frames, bins = sizes["scale"]
        return cls(**{**sizes, "scale": (int(frames), int(bins))})

    def stages(self) -> Iterator[tuple[str, int, int]]:
        """Yield each row of blocks in order of computation: prefix of its tensors, level, channels of its input."""
        for level in range(self.levels):
            yield f"encoder_blocks.{level}.tfc_tdf", level, self.channels(level)
        yield "bottleneck_block", self.levels, self.channels(self.levels)
        for step, level in enumerate(reversed(range(self.levels))):
            # The estimates of the encoder are appended to those of the level below.
            yield f"decoder_blocks.{step}.tfc_tdf", level, 2 * self.channels(level)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each published tensor, by name."""
        shapes: dict[str, tuple[int, ...]] = {"first_conv.weight": (self.width, self.inputs, 1, 1)}

        def norm(name: str, channels: int) -> None:
            shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (channels,)

        for prefix, level, channels in self.stages():
            inputs, outputs, (_, bins) = channels, self.channels(level), self.shape(level)
            for block in range(self.blocks):
                name = f"{prefix}.blocks.{block}"
                norm(f"{name}.tfc1.0", inputs)
                shapes[f"{name}.tfc1.2.weight"] = (outputs, inputs, KERNEL, KERNEL)
                norm(f"{name}.tdf.0", outputs)
                shapes[f"{name}.tdf.2.weight"] = (bins // self.bottleneck, bins)
                norm(f"{name}.tdf.3", outputs)
                shapes[f"{name}.tdf.5.weight"] = (bins, bins // self.bottleneck)
                norm(f"{name}.tfc2.0", outputs)
                shapes[f"{name}.tfc2.2.weight"] = (outputs, outputs, KERNEL, KERNEL)
                shapes[f"{name}.shortcut.weight"] = (outputs, inputs, 1, 1)
                inputs = outputs
        for level in range(self.levels):
            outer, inner = self.channels(level), self.channels(level + 1)
            down, up = down_name(level), up_name(self, level)
            norm(f"{down}.0", outer)
            shapes[f"{down}.2.weight"] = (inner, outer, *self.scale)
            norm(f"{up}.0", inner)
            shapes[f"{up}.2.weight"] = (inner, outer, *self.scale)
        shapes["final_conv.0.weight"] = (self.width, self.width + self.inputs, 1, 1)
        shapes["final_conv.2.weight"] = (self.stems * self.inputs, self.width, 1, 1)
        return shapes


def is_mdx23c(model: Model) -> bool:
    """Whether a model folder has a network of this family."""
    return read_network(model.folder).get("class") == CLASS_NAME


def down_name(level: int) -> str:
    """Return the beginning of the names of the step from a level to the one below."""
    return f"encoder_blocks.{level}.downscale.conv"


def up_name(sizes: Mdx23cSizes, level: int) -> str:
    """Return the beginning of the names of the step back to a level."""
    return f"decoder_blocks.{sizes.levels - 1 - level}.upscale.conv"
