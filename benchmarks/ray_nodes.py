"""A Ray cluster of several nodes on this machine, whose nodes can be killed: a program for an environment with Ray.

`python benchmarks/ray_nodes.py NODES CORES` prints the address. For each line on standard input it kills a random
node, starts a new one, and prints `killed`. It ends with its input.
"""

from __future__ import annotations

import argparse
import random
import sys

MEMORY = 100_000_000  # of the object store of each node, bytes; outcomes are small


def main() -> None:
    """Run the cluster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nodes", type=int)
    parser.add_argument("cores", type=float, help="of each node")
    options = parser.parse_args()
    from ray.cluster_utils import Cluster

    # The head has no cores: songs are separated on nodes that can be lost.
    head = {"num_cpus": 0, "object_store_memory": 2 * MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [
        cluster.add_node(num_cpus=options.cores, object_store_memory=MEMORY) for _ in range(options.nodes)
    ]
    print(cluster.address, flush=True)
    choose = random.Random(0)
    for _ in sys.stdin:
        cluster.remove_node(nodes.pop(choose.randrange(len(nodes))), allow_graceful=False)
        nodes.append(cluster.add_node(num_cpus=options.cores, object_store_memory=MEMORY))
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
