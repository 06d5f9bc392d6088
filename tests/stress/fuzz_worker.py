"""Check fuzzed files in child processes, so that crashes and hangs are found and attributed to a file.

    python -m tests.stress.fuzz_worker FOLDER FIRST COUNT [PROCESSES]    # check files, print findings and counts
    python -m tests.stress.fuzz_worker FOLDER SEED 1                     # repeat one file

FOLDER is for temporary files. A file that takes longer than LONGEST_S ends its process.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.stress.fuzzed_files import fuzzed_file

LONGEST_S = 60.0  # for a file; usual are 0.05 s
ROOT = Path(__file__).parents[2]


@dataclass
class Findings:
    """What a run has found."""

    problems: list[str] = field(default_factory=list)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Files by format, kinds of change, and "read", "refused", "crashed" or "hung"."""
    slowest: tuple[float, str] = (0.0, "")

    def add(self, other: Findings) -> None:
        """Add what another run has found."""
        self.problems += other.problems
        self.counts += other.counts
        self.slowest = max(self.slowest, other.slowest)

    def by(self, column: int) -> Counter[str]:
        """Count files by one part of the key."""
        counted: Counter[str] = Counter()
        for key, number in self.counts.items():
            counted[key[column]] += number
        return counted


class Child:
    """A child process that reads seeds and answers each with a line of JSON."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            )

    def check(self, seed: int) -> dict[str, object] | str:
        """Return the child's answer, or what happened to the child, which has then ended."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{seed}\n".encode())
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(LONGEST_S):
                process.send_signal(signal.SIGABRT)  # faulthandler logs where it hangs
                process.wait()
                return f"hung: more than {LONGEST_S:.0f} s; {self._last_lines()}"
        line = process.stdout.readline()
        if not line:
            return f"crashed: exit code {process.wait()}; {self._last_lines()}"
        answer: dict[str, object] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _last_lines(self) -> str:
        return self._log.read_text(errors="replace")[-1500:]


def _checker(folder: Path, model: Path) -> Child:
    module = "tests.stress.fuzz_worker"
    return Child(
        folder, [sys.executable, "-X", "faulthandler", "-m", module, "--child", str(folder), str(model)]
    )


def run(folder: Path, model: Path, seeds: range, processes: int = 1) -> Findings:
    """Check the files of `seeds` in several child processes."""

    def work(number: int) -> Findings:
        findings = Findings()
        parts = folder / f"parts-{number}"
        parts.mkdir(parents=True, exist_ok=True)
        child = _checker(folder / f"child-{number}", model)
        for seed in seeds[number::processes]:
            began = time.monotonic()
            answer = child.check(seed)
            if isinstance(answer, str):
                file = fuzzed_file(seed, parts)
                outcome, lines, described = answer.partition(":")[0], [answer], str(file)
                key = file.name, file.kind_of_change
                child = _checker(folder / f"child-{number}", model)
            else:
                outcome, lines = str(answer["outcome"]), list(answer["problems"])  # type: ignore[call-overload]
                described, key = str(answer["file"]), (str(answer["name"]), str(answer["kind"]))
            findings.counts[(*key, outcome)] += 1
            problems = [f"{described}: {line}" for line in lines]
            findings.problems += problems
            for problem in problems:
                print(problem, file=sys.stderr, flush=True)  # at once: a run takes minutes
            findings.slowest = max(findings.slowest, (time.monotonic() - began, described))
        child.close()
        return findings

    total = Findings()
    with ThreadPoolExecutor(processes) as pool:
        for findings in pool.map(work, range(processes)):
            total.add(findings)
    return total


def _answer_seeds(folder: Path, model: Path) -> None:
    from tests.stress.fuzz_checks import check

    parts, songs = folder / "parts", folder / "songs"
    for each in (parts, songs):
        shutil.rmtree(each, ignore_errors=True)  # of a child that was killed
        each.mkdir(parents=True)
    for line in sys.stdin:
        file = fuzzed_file(int(line), parts)
        try:
            outcome, problems = check(file, songs, model)
        except Exception:
            outcome, problems = "crashed", [traceback.format_exc()]
            for left in sorted(songs.rglob("*"), reverse=True):
                left.rmdir() if left.is_dir() else left.unlink()
        answer = {
            "outcome": outcome,
            "problems": problems,
            "file": str(file),
            "name": file.name,
            "kind": file.kind_of_change,
        }
        print(json.dumps(answer), flush=True)


def _main(folder: Path, first: int, count: int, processes: int) -> None:
    from tests.separation.known_models import spectral_model

    model = spectral_model(folder / "model")
    began = time.monotonic()
    findings = run(folder, model, range(first, first + count), processes)
    print("\n".join(findings.problems))
    for column in range(3):
        print(json.dumps(findings.by(column), ensure_ascii=False))
    slowest_s, slowest = findings.slowest
    print(f"{count} files in {time.monotonic() - began:.0f} s, {len(findings.problems)} problems")
    print(f"slowest: {slowest_s:.2f} s, {slowest}")


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        _answer_seeds(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        _main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int((sys.argv[4:] or ["1"])[0]))
