"""Matrix products with weights in an OpenVINO graph, led to its faster kernels.

For a layer that is fully connected OpenVINO takes a kernel of MLAS, or, where something is to be done with each result
at once, the one of its convolutions of width 1, which is a tenth faster. A limit far beyond what float32 sums of music
come to is such a thing, and costs nothing.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

# No product of weights and music comes near it; float32 ends at 3.4e38.
LIMIT = 1e30


def limit_products(network: Any, make: ModuleType) -> None:
    """Give each product with weights in `network` the limit. `make` is the module of OpenVINO's operations."""
    for operation in network.get_ordered_ops():
        if operation.get_type_name() != "MatMul" or not _is_constant(operation.input_value(1).get_node()):
            continue
        product = operation.output(0)
        readers = list(product.get_target_inputs())
        limited = make.clamp(product, -LIMIT, LIMIT)
        for reader in readers:
            reader.replace_source_output(limited.output(0))


def _is_constant(operation: Any) -> bool:
    """Whether nothing that `operation` depends on is an input of the network."""
    if operation.get_type_name() == "Parameter":
        return False
    return all(_is_constant(value.get_node()) for value in operation.input_values())
