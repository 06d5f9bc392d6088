"""What `unbraid deploy` says and asks, and how it stops."""

from __future__ import annotations

import sys


class Stopped(Exception):  # noqa: N818 - often by whoever was asked
    """It can't go on, or shouldn't; the message is one line that says why and what to do."""


def say(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"unbraid: {text}\n")
    sys.stderr.flush()


def ask(question: str, yes: bool, answer: str = "yes") -> None:
    """Go on if `answer` is what is typed, or `yes` was said from the start. Raises Stopped."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Stopped(f"Nobody is here to answer: {question} Say --yes to go on without being asked.")
    sys.stderr.write(f"unbraid: {question} Type {answer} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != answer:
        raise Stopped("Nothing was changed.")
