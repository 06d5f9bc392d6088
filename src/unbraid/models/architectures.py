"""The network architectures that Unbraid runs. A new one is registered here, and nowhere else in the code.

To add a model of a new architecture:

1. Add an `Architecture` to `ARCHITECTURES` below.
2. Write its PyTorch network in `unbraid/networks/`, and export its graphs:
   `python -m unbraid.networks.export_graphs`.
3. Add the model (files, checksums, graph, speed, licence) to `catalog.toml`.

A model of a registered architecture needs the third step only. MDX-Nets bring their graphs in their files
(`unbraid.models.mdx`): a new one needs an entry in `catalog.toml` only.

This module imports nothing heavy. It refers to PyTorch networks by their dotted names, which the runtimes import when
they need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FOUR_STEMS = ("drums", "bass", "other", "vocals")
TWO_STEMS = ("vocals", "no_vocals")
SIX_STEMS = (*FOUR_STEMS, "guitar", "piano")
SAMPLE_RATE = 44_100


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """A network of an architecture with all its sizes fixed: one ONNX graph, for any number of trained weights.

    `unbraid.networks.export_graphs` writes it to `graphs/NAME.onnx` and `graphs/NAME.json`.
    """

    name: str
    description: Mapping[str, Any]
    """`model.json` without name, version, licence and checksums: see `unbraid.models.folder.Model`."""
    arguments: Mapping[str, Any]
    """Constructor arguments of the published class, as far as they change the result."""
    defaults: Mapping[str, Any]
    """Defaults of the published class that differ from `arguments`. They apply to arguments that a file leaves out."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network class, and where to find its parts."""

    class_name: str
    """Name of the class in error messages and in the graphs' tables."""
    published_class: str | None
    """Module and name of the class in the published files. Readers compare it as text; nothing imports it. None if the
    files don't name a class."""
    network: str
    """Module and name of our PyTorch class."""
    network_arguments: tuple[str, ...]
    """Names of the published arguments that our PyTorch class takes, in order, after the number of sources."""
    graphs: tuple[GraphSpec, ...]
    native: bool = False
    """Whether the native library computes its graphs. It recognises MDX-Nets and Roformers by their sizes."""
    float32: bool = False
    """Whether weights are stored in float32, as published, rather than in float16."""
    rounded: bool = False
    """Whether float32 weights may be rounded to float16. Otherwise that is an error."""
    large: bool = False
    """Whether one segment takes most of the allowed memory, so that segments are computed one by one."""
    longest_default_s: float | None = None
    """Longest segments in seconds that a separation uses unless asked for longer ones; None: those of the model.

    Longer ones take more than the allowed memory."""


def _description(sources: tuple[str, ...], segment_s: float, *, fixed_length: bool) -> dict[str, Any]:
    """Description of a Demucs with two branches."""
    return {
        "sources": list(sources),
        "sample_rate": SAMPLE_RATE,
        "channels": 2,
        "segment": round(segment_s * SAMPLE_RATE),
        "fixed_length": fixed_length,
        "overlap": 0.25,
        "normalise": True,
        "stft": {"n_fft": 4096, "hop": 1024, "edges": "demucs"},
        "inputs": ["mixture", "spectrum"],
        "outputs": ["waveforms", "spectra"],
    }


# Arguments and defaults of the classes in the package `demucs` 4.1.0. Published files name the arguments.
_HYBRID = {
    "audio_channels": 2,
    "samplerate": SAMPLE_RATE,
    "channels": 48,
    "channels_time": None,
    "growth": 2,
    "nfft": 4096,
    "wiener_iters": 0,
    "end_iters": 0,
    "wiener_residual": False,
    "cac": True,
    "rewrite": True,
    "multi_freqs": None,
    "freq_emb": 0.2,
    "emb_scale": 10,
    "kernel_size": 8,
    "time_stride": 2,
    "stride": 4,
    "context": 1,
    "context_enc": 0,
    "norm_starts": 4,
    "norm_groups": 4,
    "dconv_depth": 2,
}
_TRANSFORMER = {
    "t_layers": 5,
    "t_emb": "sin",
    "t_hidden_scale": 4.0,
    "t_heads": 8,
    "t_norm_in": True,
    "t_norm_in_group": False,
    "t_group_norm": False,
    "t_norm_first": True,
    "t_norm_out": True,
    "t_max_period": 10000.0,
    "t_layer_scale": True,
    "t_gelu": True,
    "t_weight_pos_embed": 1.0,
    "t_sin_random_shift": 0,
    "t_sparse_self_attn": False,
    "t_sparse_cross_attn": False,
    "t_cross_first": False,
}


def _htdemucs(name: str, sources: tuple[str, ...], bottom_channels: int) -> GraphSpec:
    """HTDemucs with a transformer of that width (0: the width of the U-Net)."""
    return GraphSpec(
        name=name,
        description=_description(sources, 7.8, fixed_length=True),
        arguments={
            "sources": list(sources),
            "segment": 7.8,
            **_HYBRID,
            "depth": 4,
            "dconv_mode": 3,
            "dconv_comp": 8,
            "bottom_channels": bottom_channels,
            **_TRANSFORMER,
            "use_train_segment": True,
        },
        defaults={"segment": 10, "dconv_mode": 1, "bottom_channels": 0},
    )


def _hdemucs(name: str, *, cac: bool, wiener_iters: int = 0) -> GraphSpec:
    """HDemucs on real and imaginary parts (`cac`) or on magnitudes. `hybrid_old` chooses the transform's edges."""
    return GraphSpec(
        name=name,
        description=_description(FOUR_STEMS, 44, fixed_length=False),
        arguments={
            "sources": list(FOUR_STEMS),
            "segment": 44,
            **_HYBRID,
            "wiener_iters": wiener_iters,
            "end_iters": wiener_iters,
            "cac": cac,
            "depth": 6,
            "hybrid": True,
            "hybrid_old": False,
            "dconv_mode": 1,
            "dconv_comp": 4,
            "dconv_attn": 4,
            "dconv_lstm": 4,
        },
        defaults={
            "segment": 40,
            **({} if cac else {"cac": True}),
            **({} if wiener_iters == 0 else {"wiener_iters": 0, "end_iters": 0}),
        },
    )


# 512 frames are patches of the training. The last one is centred on the end of the segment.
_SPLEETER_SEGMENT = 511 * 1024

# Silence beside the music misleads Spleeter: on "Falcon 69" (6 s), vocals have 4.6 dB at the start of a segment, with
# zeros after them, and 3.7 dB in its middle.
_SPLEETER_CONTEXT = "inside"
# Vocals of "Falcon 69" repeated over the 83 s of an instrumental have 5.03 dB without overlap, 5.09 dB with 0.1,
# 5.26 dB with 0.25, 5.31 dB with 0.5.
_SPLEETER_OVERLAP = 0.25


def _spleeter(name: str, sources: tuple[str, ...], *, activation: str, masks: str) -> GraphSpec:
    """Spleeter with a U-Net for each of `sources`; see `unbraid.networks.spleeter` for `activation` and `masks`."""
    return GraphSpec(
        name=name,
        description={
            "sources": list(sources),
            "sample_rate": SAMPLE_RATE,
            "channels": 2,
            "segment": _SPLEETER_SEGMENT,
            "fixed_length": _SPLEETER_CONTEXT,
            "overlap": _SPLEETER_OVERLAP,
            "normalise": False,
            "stft": {"n_fft": 4096, "hop": 1024, "edges": "centred"},
            "inputs": ["spectrum"],
            "outputs": ["spectra"],
        },
        arguments={
            "sources": list(sources),
            "segment": _SPLEETER_SEGMENT / SAMPLE_RATE,
            "activation": activation,
            "masks": masks,
        },
        defaults={},
    )


ARCHITECTURES = (
    # The graphs of `lite` with other weights or stems are built: see `unbraid.models.lite`.
    Architecture(
        class_name="Lite",
        published_class=None,
        network="unbraid.networks.lite.lite_of_sizes",
        network_arguments=("sizes",),
        graphs=(),
        rounded=True,
    ),
    Architecture(
        class_name="HTDemucs",
        published_class="demucs.htdemucs.HTDemucs",
        network="unbraid.networks.htdemucs.HTDemucs",
        network_arguments=("channels", "bottom_channels"),
        graphs=(
            _htdemucs("htdemucs", FOUR_STEMS, bottom_channels=512),
            _htdemucs("htdemucs_6s", SIX_STEMS, bottom_channels=0),
        ),
        native=True,
    ),
    Architecture(
        class_name="HDemucs",
        published_class="demucs.hdemucs.HDemucs",
        network="unbraid.networks.hdemucs.HDemucs",
        network_arguments=("channels", "cac", "wiener_iters"),
        graphs=(
            _hdemucs("hdemucs", cac=True),
            _hdemucs("hdemucs_magnitudes", cac=False),
            _hdemucs("hdemucs_magnitudes_unfiltered", cac=False, wiener_iters=-1),
        ),
        # A song takes 1.4 GB with segments of 16 s, and 2.4 GB with the published 44 s (docs/decisions/0062).
        longest_default_s=16,
    ),
    Architecture(
        class_name="Spleeter",
        published_class=None,
        network="unbraid.networks.spleeter.Spleeter",
        network_arguments=("activation", "masks"),
        graphs=(
            _spleeter("spleeter_2stems", TWO_STEMS, activation="relu", masks="ratio"),
            _spleeter(
                "spleeter_4stems", ("vocals", "drums", "bass", "other"), activation="elu", masks="ratio"
            ),
            _spleeter(
                "spleeter_5stems",
                ("vocals", "piano", "drums", "bass", "other"),
                activation="elu",
                masks="softmax",
            ),
        ),
        float32=True,
    ),
    # BS-RoFormer and Mel-Band RoFormer. Their graphs are built from the sizes of the weights: see
    # `unbraid.models.roformer`.
    Architecture(
        class_name="Roformer",
        published_class=None,
        network="unbraid.networks.roformer.Roformer",
        network_arguments=("sizes",),
        graphs=(),
        rounded=True,
    ),
    # Its graphs are built too: see `unbraid.models.mdx23c`.
    Architecture(
        class_name="MDX23C",
        published_class=None,
        network="unbraid.networks.mdx23c.Mdx23c",
        network_arguments=("sizes",),
        graphs=(),
        float32=True,
        large=True,
    ),
)

BY_CLASS: Mapping[str, Architecture] = {known.class_name: known for known in ARCHITECTURES}

CLASS_NAMES: Mapping[str, str] = {
    known.published_class: known.class_name for known in ARCHITECTURES if known.published_class
}
"""Class in the published files -> class name."""

SUPPORTED = " and ".join(CLASS_NAMES.values())
"""The class names for error messages about such files."""
