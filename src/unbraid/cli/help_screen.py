"""Help in two lengths: `--help` prints the common options on one screen, `--help-all` prints every group."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

_ALL = "--help-all"


def add_help_options(parser: argparse.ArgumentParser, common: argparse._ArgumentGroup) -> None:
    """Declare both options in the group `common`, which `--help` prints. `parser` has `add_help=False`."""
    common.add_argument("-h", "--help", action=_Help, common=common, help="print this screen")
    common.add_argument(_ALL, action=_Help, common=common, help="print all options, in groups")


class _Help(argparse.Action):
    def __init__(self, *, common: argparse._ArgumentGroup, **settings: Any) -> None:
        super().__init__(nargs=0, default=argparse.SUPPRESS, **settings)
        self._common = common

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        parser._print_message(
            parser.format_help() if option_string == _ALL else self._screen(parser), sys.stdout
        )
        parser.exit()

    def _screen(self, parser: argparse.ArgumentParser) -> str:
        """Return the usage, the description and the common options."""
        formatter = parser._get_formatter()
        formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
        formatter.add_text(parser.description)
        formatter.start_section(self._common.title)
        formatter.add_arguments(self._common._group_actions)
        formatter.end_section()
        return formatter.format_help()
