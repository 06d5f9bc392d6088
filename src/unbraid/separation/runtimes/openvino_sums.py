"""Long sums in an OpenVINO graph, made exact to float32.

OpenVINO adds up a mean or a normalisation in float32, 16 sums side by side, one value after the other. Over the
millions of values of a segment that loses what lies below about -85 dB. Where most values are the same, as in the
silence around a short song, all roundings go one way: -91 dB are lost over 20,000 values already, -106 dB over 4000,
-120 dB over 1000. Sums of sums, each of at most a thousand values, lose nothing that counts (Higham, "The accuracy of
floating point summation", 1993).
"""

from __future__ import annotations

from math import prod
from types import ModuleType
from typing import Any

import numpy as np

# So many values OpenVINO may add up by itself.
LONG = 1024
# How many are added up at once of those that are more.
ROW = range(128, LONG + 1)


def refine_sums(network: Any, make: ModuleType) -> None:
    """Replace each mean and normalisation over too many values in `network`, whose shapes have to be known.

    `make` is the module of OpenVINO's operations.
    """
    for operation in network.get_ordered_ops():
        if operation.get_type_name() not in ("MVN", "ReduceMean"):
            continue
        shape, axes = list(operation.get_input_shape(0)), operation.input_value(1).get_node()
        if axes.get_type_name() != "Constant":
            continue
        first = len(shape) - axes.data.size
        if sorted(axis % len(shape) for axis in axes.data.reshape(-1)) != list(range(first, len(shape))):
            continue  # not over the last axes
        if (count := prod(shape[first:])) <= LONG:
            continue
        rows = make.reshape(operation.input_value(0), [prod(shape[:first]), count], special_zero=False)
        mean = _mean(rows, make)
        if operation.get_type_name() == "MVN":
            attributes = operation.get_attributes()
            assert attributes["normalize_variance"] and attributes["eps_mode"] == "INSIDE_SQRT"
            centred = make.subtract(rows, mean)
            variance = _mean(make.multiply(centred, centred), make)
            deviation = make.sqrt(make.add(variance, _scalar(attributes["eps"], make)))
            result = make.divide(centred, deviation)
        else:
            result = mean
        result = make.reshape(result, list(operation.get_output_shape(0)), special_zero=False)
        operation.output(0).replace(result.output(0))
    network.validate_nodes_and_infer_types()


def _mean(rows: Any, make: ModuleType) -> Any:
    """Mean of each row: (rows, values) -> (rows, 1)."""
    count, values = rows.get_output_shape(0)
    left = values
    while left > LONG:
        length = next((length for length in reversed(ROW) if left % length == 0), 0)
        if not length:  # zeros change no sum
            length = ROW.start
            rows = make.pad(rows, [0, 0], [0, -left % length], "constant", _scalar(0.0, make))
            left += -left % length
        left //= length
        rows = make.reshape(rows, [count, left, length], special_zero=False)
        rows = make.reduce_sum(rows, -1, keep_dims=False)
    return make.divide(make.reduce_sum(rows, -1, keep_dims=True), _scalar(values, make))


def _scalar(value: float, make: ModuleType) -> Any:
    return make.constant(np.float32(value))
