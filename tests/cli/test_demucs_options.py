"""`unbraid demucs` has every option of demucs, with the same names, defaults and choices."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from demucs.separate import get_parser

from unbraid.cli.main import build_parser

THEIRS = get_parser()
(COMMANDS,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
OURS: argparse.ArgumentParser = COMMANDS.choices["demucs"]
LONG = sorted(option for option in THEIRS._option_string_actions if option.startswith("--"))


def options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {action.dest: action for action in parser._actions if action.dest != "help"}


def traits(action: argparse.Action) -> dict[str, Any]:
    """Return everything about an option except its texts."""
    return {
        "kind": type(action),
        "strings": tuple(action.option_strings),
        "nargs": action.nargs,
        "default": action.default,
        "type": action.type,
        "choices": None if action.choices is None else tuple(action.choices),
        "required": action.required,
    }


def exclusive(parser: argparse.ArgumentParser) -> list[set[str]]:
    """Return the groups of mutually exclusive options."""
    return [{action.dest for action in group._group_actions} for group in parser._mutually_exclusive_groups]


def parsed(parser: argparse.ArgumentParser, arguments: list[str]) -> dict[str, Any]:
    values = vars(parser.parse_args(arguments))
    return {name: value for name, value in values.items() if name not in ("device", "run")}


def test_has_exactly_the_options_of_demucs() -> None:
    assert options(OURS).keys() == options(THEIRS).keys()


@pytest.mark.parametrize("name", options(THEIRS))
def test_options_have_the_same_spelling_default_and_choices(name: str) -> None:
    ours, theirs = traits(options(OURS)[name]), traits(options(THEIRS)[name])
    if name == "device":  # demucs detects it when it builds the parser
        assert ours.pop("default") == "auto"
        assert theirs.pop("default") in ("cuda", "mps", "cpu")
    if name in ("segment", "mp3_bitrate"):  # ours also take 7.8 and 320k
        assert ours.pop("type") is not theirs.pop("type")
    assert ours == theirs


def test_the_same_options_exclude_each_other() -> None:
    assert sorted(map(sorted, exclusive(OURS))) == sorted(map(sorted, exclusive(THEIRS)))


@pytest.mark.parametrize("option", LONG)
def test_abbreviations_mean_the_same_options(option: str) -> None:
    def matches(parser: argparse.ArgumentParser, short: str) -> list[str]:
        return sorted(match[0].dest for match in parser._get_option_tuples(short))

    for length in range(3, len(option)):
        assert matches(OURS, option[:length]) == matches(THEIRS, option[:length])


@pytest.mark.parametrize(
    "line",
    [
        "a.mp3 b.mp3",
        "-n htdemucs_ft --two vocals a.mp3 --mp3 --mp3-b 192 --mp3-p=7",
        "-nmdx -oout -dcpu -j4 -v --sh=5 --ov .1 a.mp3",
        "-s 955717e8 --rep models --file {stem}.{ext} --fla --int -- -a.mp3",
        "--no a.mp3 --float --clip none --other minus",
        "--seg 7 --list",
        "",
    ],
)
def test_parses_command_lines_like_demucs(line: str) -> None:
    assert parsed(OURS, line.split()) == parsed(THEIRS, line.split())


@pytest.mark.parametrize(
    "line",
    [
        "-n a -s b",
        "--no-split --segment 7",
        "--int24 --float32",
        "--mp3 --flac",
        "--mp3-preset 8",
        "--segment long",
        "--mp3-bitrate high",
        "--mp3-bitrate k",
        "--mp3-bitrate 320.5",
        "--model htdemucs",
    ],
)
def test_rejects_the_same_command_lines(line: str) -> None:
    for parser in (OURS, THEIRS):
        with pytest.raises(SystemExit, match="2"):
            parser.parse_args(line.split())


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("--segment 7.8", "segment", 7.8),
        ("--segment=7", "segment", 7),
        ("--mp3-bitrate 320k", "mp3_bitrate", 320),
        ("--mp3 --mp3-bitrate=192k", "mp3_bitrate", 192),
    ],
)
def test_takes_values_that_scripts_use_and_demucs_rejects(line: str, name: str, value: float) -> None:
    assert vars(OURS.parse_args(line.split()))[name] == value


# The forms seen most in about 250 excerpts of public scripts and pages, in about this order.
PUBLISHED = (
    "--two-stems=vocals song.mp3",
    "--two-stems=vocals -n htdemucs -o out song.mp3",
    "-n htdemucs -o out song.mp3",
    "--two-stems vocals -o out song.mp3",
    "--mp3 --two-stems vocals -n mdx_extra song.mp3",
    "-n mdx_extra_q -o out song.mp3",
    "-n htdemucs_ft song.mp3",
    "-n htdemucs_6s -o out song.mp3",
    "-d cpu song.mp3",
    "--two-stems=vocals -d cuda -n htdemucs -o out song.mp3",
    "-d cuda song.mp3 --segment 7",
    "--mp3 --mp3-bitrate 320 --two-stems vocals -o out song.mp3",
    "-o out -n htdemucs --mp3 --mp3-bitrate=320 song.mp3",
    "--out out --name htdemucs --device cpu song.mp3",
    "--mp3 -o out song.mp3",
    "--two-stems=vocals -n htdemucs -o out --filename {stem}.wav -j 4 song.mp3",
    "-n htdemucs -d cpu --shifts 0 --overlap 0.25 -o out song.mp3",
    "-n htdemucs --two-stems=vocals --float32 song.mp3 -o out",
    "--two-stems vocals --flac --int24 -n htdemucs_ft -o out song.mp3",
    "-d cuda:1 -n htdemucs_ft --shifts=4 -o out song.mp3",
    "--device mps --two-stems=vocals -n htdemucs --mp3 --mp3-bitrate 192 song.mp3",
    "-d cpu -j 4 --segment 7 -o out --mp3 --mp3-bitrate 320 --two-stems vocals song.mp3",
    "--list-models",
)


@pytest.mark.parametrize("line", PUBLISHED)
def test_parses_published_command_lines_like_demucs(line: str) -> None:
    assert parsed(OURS, line.split()) == parsed(THEIRS, line.split())
    if "-d" in line.split():
        assert OURS.parse_args(line.split()).device == THEIRS.parse_args(line.split()).device
