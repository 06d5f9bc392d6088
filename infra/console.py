"""Terminal output and questions of `unbraid deploy`."""

from __future__ import annotations

import sys


class Stopped(Exception):  # noqa: N818 - often the user's choice
    """`unbraid deploy` stops. The message is one line that says why and what to do."""


def say(text: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"unbraid: {text}\n")
    sys.stderr.flush()


def ask(question: str, yes: bool, answer: str = "yes") -> None:
    """Ask the user to type `answer`. With `yes`, don't ask. Raises Stopped."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Stopped(
            f"{question} There is no terminal to answer on. Add --yes to continue without questions."
        )
    sys.stderr.write(f"unbraid: {question} Type {answer} to continue: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != answer:
        raise Stopped("Nothing was changed.")
