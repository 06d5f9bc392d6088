"""Find phrases that make a reader decode a sentence, in code, comments and documentation.

Run it on files or folders: `python tests/plain_english.py src docs README.md`. Without arguments it checks every file
that git tracks. CONTRIBUTING.md says what to write instead.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

ENDINGS = {".py", ".pyi", ".c", ".h", ".ts", ".tsx", ".css", ".html", ".md", ".toml", ".yml", ".yaml", ".sh"}

# These two name the phrases in order to forbid them.
EXEMPT = {"tests/plain_english.py", "tests/test_plain_english.py"}

# Phrase -> what to write instead.
PHRASES = {
    r"\b(?:whoever|whomever|whosoever)\b": "name the subject: the worker, the user, the caller",
    r"\b(?:somebody|anybody|everybody|nobody)\b": "name the subject: a user, another process, no worker",
    r"\b(?:is|are|was|were|be|been|being|gets?|got) told\b": "active voice: the callback receives, the log says",
    r"\btold as\b": "reported as",
    r"\b(?:can't|cannot|can|could|to) be had\b": "is (un)available",
    r"\bha(?:s|ve|d) a say\b": "decides",
    r"\bneither (?:sound|audio) nor (?:film|video)\b": "not an audio or video file",
    r"\bfilms?\b": "video",
    r"\bletters? (?:is|are|was|were|go|goes|can|may|to|that|sent)\b|\ba letter\b(?! of| in)": "e-mail",
    r"\bsigns? of life\b": "heartbeat",
    r"\b(?:this|that|it|which|file|request|network|model|song) (?:is|are|was|were) (?-i:none)\b": (
        "isn't one"
    ),
    r"\bis no (?:number|song|sound|film|video|folder|file|key|request|address)\b": "is not a; NaN",
    r"\bwhat is (?:[a-z]+ed|written|read|known|given|kept|taken|sent|made|done|put|said|left|shown|cut|wanted)\b": (
        "name the thing: output files, the option, unfinished stems"
    ),
    r"\bwhat (?:was|were|has been|had been) [a-z]+(?:ed|en|ept|own|ade|one|ut|aid|eft|ent)\b": "name the thing",
    r"\bfor certain\b": "definitely",
    r"\b(?:come|comes|came) to nothing\b": "failed",
    r"\bstands? in (?:the )?(?:place|stead) of\b|\bstands? in for\b": "replaces",
    r"\bin the place of\b": "instead of",
    r"\bgoes by itself\b|\bgo by themselves\b": "is removed automatically",
    r"\bnext to nothing\b": "almost nothing",
    r"\bwhole or not at all\b": "atomically",
    r"\bwithout a word\b": "silently",
    r"\bfaults? of ours\b": "internal error",
    r"\b(?:it|that|this|he|she) (?:be|were) it\b|\bbe that as\b": "plain words",
}

PATTERN = re.compile(
    "|".join(f"(?P<p{number}>{phrase})" for number, phrase in enumerate(PHRASES)), re.IGNORECASE
)


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, phrase and advice for every forbidden phrase in `text`, also where it is wrapped over two lines."""
    # A line break inside a sentence counts as a space, with the comment sign of the next line.
    joined = re.sub(r"\n[ \t]*(?:#|//|\*|--)?[ \t]*", lambda found: "\n".ljust(len(found.group())), text)
    flat = joined.replace("\n", " ")
    squeezed = re.compile(PATTERN.pattern.replace(" ", r"\s+"), re.IGNORECASE)
    advice = list(PHRASES.values())
    for found in squeezed.finditer(flat):
        assert found.lastgroup is not None
        line = joined.count("\n", 0, found.start()) + 1
        yield line, re.sub(r"\s+", " ", found.group()), advice[int(found.lastgroup[1:])]


def tracked_files() -> list[Path]:
    """Every file of the repository that holds prose."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and name not in EXEMPT]


def check(paths: Iterable[Path]) -> list[str]:
    """One line per finding: `file:line: phrase -> advice`."""
    lines = []
    for path in paths:
        if path.suffix not in ENDINGS or not path.is_file():
            continue
        text = path.read_text("utf-8", errors="replace")
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        lines += [f"{shown}:{line}: {phrase!r} -> {advice}" for line, phrase, advice in findings(text)]
    return lines


def main(arguments: list[str]) -> int:
    """Print the findings; 1 if there are any."""
    named = [Path(argument).resolve() for argument in arguments]
    paths = [path for path in tracked_files() if not named or any(path.is_relative_to(one) for one in named)]
    found = check(paths)
    sys.stdout.write(
        "".join(f"{line}\n" for line in found) + f"{len(found)} findings in {len(paths)} files\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
