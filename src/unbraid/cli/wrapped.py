"""Print text as wide as the terminal."""

from __future__ import annotations

import shutil
import textwrap

from unbraid.cli.streams import write_result

UNKNOWN = "-"
"""A value in a table that isn't known."""
MAX_COLUMNS = 110  # longest line of text on a wide terminal


def write_wrapped(text: str, indent: str, first: bool = True) -> None:
    """Print text in lines as wide as the terminal. `first`: whether the first line begins without the indent."""
    columns = min(shutil.get_terminal_size().columns, MAX_COLUMNS)
    lines = textwrap.wrap(
        text,
        columns,
        initial_indent="" if first else indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    write_result("\n".join(lines) + "\n")
