"""The container's entry point, with short parts of songs and many checkpoints, so that a training takes seconds.

`GRAPHS` in the environment names a folder of graphs in place of the published ones.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from unbraid.container.__main__ import main
from unbraid.finetuning import card_needed, scoring, teach

GRAPHS = "TEST_GRAPHS"

if __name__ == "__main__":
    teach.usable_cores = lambda: 1
    teach.SAMPLES = 15 * 1024
    teach.CHECKPOINT_S = 0.0
    teach.Teacher._step_s = lambda _, bfloat16: 1.0 + bfloat16
    scoring.CROPS, scoring.CROP = 1, 63 * 1024
    card_needed._has_card = lambda: (
        True
    )  # the simulated machine has one, in place of which PyTorch uses this processor
    folder = os.environ.get(GRAPHS)
    if folder:
        from tests.finetuning.small_estimators import graphs_in
    with graphs_in(Path(folder)) if folder else nullcontext():
        sys.exit(main(sys.argv[1:]))
