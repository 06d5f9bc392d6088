"""Save random weights for the original Spleeter, and its stems of random sound. Runs in the original's environment.

    python benchmarks/spleeter_original.py 4 OUT

The number is that of the stems: 2, 4 or 5. Writes OUT/model.* (a TensorFlow checkpoint) and OUT/stems.npz.
`benchmarks/spleeter_parity.py` calls this program; it says how to create the environment.
"""

import argparse
from pathlib import Path

import numpy as np

# The published configurations 2stems.json, 4stems.json and 5stems.json.
INSTRUMENTS = {
    2: ["vocals", "accompaniment"],
    4: ["vocals", "drums", "bass", "other"],
    5: ["vocals", "piano", "drums", "bass", "other"],
}
ELU = {"conv_activation": "ELU", "deconv_activation": "ELU"}
MODELS = {
    2: {"type": "unet.unet", "params": {}},
    4: {"type": "unet.unet", "params": ELU},
    5: {"type": "unet.softmax_unet", "params": ELU},
}
SAMPLES = 200_000


def main() -> None:
    """Write the weights and the stems."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stems", type=int, choices=MODELS)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    write(options.stems, options.out)


def write(stems: int, out: Path) -> None:
    """Write a checkpoint of random weights, and the stems of random sound."""
    # They are only in the original's environment.
    import tensorflow as tf
    from spleeter.model import EstimatorSpecBuilder, InputProviderFactory

    params = {
        "mix_name": "mix",
        "instrument_list": INSTRUMENTS[stems],
        "sample_rate": 44100,
        "frame_length": 4096,
        "frame_step": 1024,
        "T": 512,
        "F": 1024,
        "n_channels": 2,
        "separation_exponent": 2,
        "mask_extension": "zeros",
        "learning_rate": 1e-4,
        "MWF": False,
        "model": MODELS[stems],
    }
    rng = np.random.default_rng(stems)
    fade = np.linspace(1, 0.1, SAMPLES)[:, None]
    waveform = (0.1 * fade * rng.standard_normal((SAMPLES, 2))).astype(np.float32)
    with tf.Graph().as_default():
        provider = InputProviderFactory.get(params)
        features = provider.get_input_dict_placeholders()
        outputs = EstimatorSpecBuilder(features, params).outputs
        variables = tf.compat.v1.global_variables()
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            for variable in variables:
                variable.load(draw(rng, variable.op.name, variable.shape.as_list()), session)
            saver = tf.compat.v1.train.Saver(variables)
            saver.save(session, str(out / "model"), write_meta_graph=False)
            feed = provider.get_feed_dict(features, waveform, "song")
            separated = session.run(outputs, feed_dict=feed)
    np.savez(out / "stems.npz", song=waveform.T, **{name: separated[name].T for name in INSTRUMENTS[stems]})


def draw(rng: np.random.Generator, name: str, shape: list[int]) -> np.ndarray:
    """Draw weights that keep the size of activations from layer to layer."""
    if name.endswith("kernel"):
        inputs = shape[3] if "transpose" in name else shape[2]
        values = rng.normal(0, (1 / (shape[0] * shape[1] * inputs)) ** 0.5, shape)
    elif name.endswith(("gamma", "moving_variance")):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.normal(0, 0.1, shape)
    return values.astype(np.float32)


if __name__ == "__main__":
    main()
