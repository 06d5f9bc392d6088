"""The native library, checked once with each set of weights against floats (OpenVINO)."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.models import Model, load_model_folder
from unbraid.models.folder import GRAPH
from unbraid.models.roformer import read_sizes
from unbraid.separation.runtimes.accuracy import AccuracyRecord, error_db, is_exact, is_loud
from unbraid.separation.runtimes.base import Runtime

INPUTS, OUTPUTS = "inputs", "outputs"
"""Folders of arrays by name."""


class CheckError(Exception):
    """Floats could not be computed. The message is part of a line."""


def inexact_line(model: Model, error_db: float) -> str:
    """Return the line for users of weights that the native library does not compute exactly enough."""
    return (
        f"The native library isn't exact enough for {model.name} ({error_db:.0f} dB). "
        "OpenVINO computes it, more slowly."
    )


class CheckedRuntime:
    """Runs `native`, and checks it with the first loud segment. If it is not exact enough, runs `load_floats()`.

    The other loud segments wait for the check. It takes another process, so that the memory for both engines is not
    needed here. If the check fails, for example because memory is short, `native` goes on, and the next process checks
    again. `notice` receives one line if floats compute, or if the check fails.
    """

    any_length = False

    def __init__(
        self,
        native: Runtime,
        model: Model,
        record: AccuracyRecord,
        *,
        threads: int,
        load_floats: Callable[[], Runtime],
        notice: Callable[[str], object],
    ) -> None:
        self.inputs, self.outputs, self.jobs = native.inputs, native.outputs, native.jobs
        self._runtime = native
        self._model = model
        self._record = record
        self._threads = threads
        self._load_floats = load_floats
        self._notice = notice
        self._lock = Lock()
        self._checked = False

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`."""
        if not self._checked and is_loud(self._model, inputs):
            with self._lock:
                if not self._checked:
                    self._check(inputs)
                    self._checked = True
        with self._runtime.run(inputs) as outputs:
            yield outputs

    def _check(self, inputs: Mapping[str, Floats]) -> None:
        try:
            exact = compute_floats(self._model, inputs, self._threads)
        except KeyboardInterrupt:
            return
        except (CheckError, OSError) as error:
            self._notice(
                f"The accuracy of the native library with {self._model.name} wasn't checked: {error}. "
                "It is checked next time."
            )
            return
        with self._runtime.run(inputs) as outputs:
            measured_db = error_db(self._model, inputs, outputs, exact)
        self._record.write(measured_db)
        if not is_exact(measured_db):
            self._notice(inexact_line(self._model, measured_db))
            self._runtime = self._load_floats()


def compute_floats(model: Model, inputs: Mapping[str, Floats], threads: int) -> Mapping[str, Floats]:
    """Compute a segment with OpenVINO in another process.

    Raises CheckError and OSError, and KeyboardInterrupt if the user stopped that process.
    """
    isolated = ["-I"] if sys.flags.isolated else []
    with tempfile.TemporaryDirectory() as folder:
        save_arrays(Path(folder, INPUTS), inputs)
        done = subprocess.run(
            [*(sys.executable, *isolated, "-m", __name__), str(model.folder), folder, str(threads)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode in (-signal.SIGINT, -signal.SIGTERM):
            raise KeyboardInterrupt
        if done.returncode:
            lines = done.stderr.split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), f"status {done.returncode}")
            raise CheckError(reason)
        return load_arrays(Path(folder, OUTPUTS))


def save_arrays(folder: Path, arrays: Mapping[str, Floats]) -> None:
    """Write each array into a new folder."""
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def load_arrays(folder: Path) -> dict[str, Floats]:
    """Read the arrays of a folder."""
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


def main(model_folder: str, folder: str, threads: str) -> None:
    """Compute the inputs in `folder`, and write the outputs there."""
    inputs = load_arrays(Path(folder, INPUTS))
    with _load_floats(Path(model_folder), inputs, int(threads)).run(inputs) as outputs:
        save_arrays(Path(folder, OUTPUTS), outputs)


def _load_floats(folder: Path, inputs: Mapping[str, Floats], threads: int) -> Runtime:
    """Load the network of a model folder with OpenVINO."""
    from unbraid.separation.runtimes.openvino import OpenVinoRuntime
    from unbraid.separation.runtimes.roformer import RoformerRuntime

    shapes = {name: value.shape for name, value in inputs.items()}
    if sizes := read_sizes(folder):
        return RoformerRuntime(load_model_folder(folder), sizes, shapes, threads=threads, jobs=1)
    return OpenVinoRuntime(folder / GRAPH, shapes, threads=threads, jobs=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
