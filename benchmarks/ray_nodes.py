"""A Ray cluster of several nodes on this machine, whose nodes can be killed: a program for an environment with Ray.

`python ray_nodes.py NODES CORES` prints the address. For each line on standard input it kills a random node, starts a
new one, and prints `killed`. It ends with its input.
"""

from __future__ import annotations

import random
import sys

from ray.cluster_utils import Cluster

MEMORY = 100_000_000  # of the object store of each node, bytes; outcomes are small


def main() -> None:
    """Run the cluster."""
    count, cores = int(sys.argv[1]), float(sys.argv[2])
    # The head has no cores: songs are separated on nodes that can be lost.
    head = {"num_cpus": 0, "object_store_memory": 2 * MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=cores, object_store_memory=MEMORY) for _ in range(count)]
    print(cluster.address, flush=True)
    choose = random.Random(0)
    for _ in sys.stdin:
        cluster.remove_node(nodes.pop(choose.randrange(len(nodes))), allow_graceful=False)
        nodes.append(cluster.add_node(num_cpus=cores, object_store_memory=MEMORY))
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
