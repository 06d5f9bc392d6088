"""The page's TypeScript and the Python package have the same constants."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from unbraid.api.schemas.process import ChoicesFields
from unbraid.api.schemas.server import ConfigAnswer, ModelAnswer, UsedModel
from unbraid.api.schemas.status import OutputFile, SplitAnswer, StatusAnswer, UnknownStatus
from unbraid.audio.stem_names import single_stems
from unbraid.jobs.estimates import DOWNLOADING
from unbraid.jobs.session import State
from unbraid.models.auto import ORDERS
from unbraid.models.catalog import catalog
from unbraid.models.questions import questions
from unbraid.separation.progress import Stage

SOURCES = Path(__file__).parents[2] / "frontend" / "src"


def words(file: str, pattern: str) -> set[str]:
    """All words in the first match of the pattern's group in a source file."""
    match = re.search(pattern, (SOURCES / file).read_text("utf-8"), re.DOTALL)
    assert match is not None, f"{pattern} is not in {file}"
    return set(re.findall(r"\w+", match.group(1)))


def test_states_of_a_session() -> None:
    unknown = get_args(UnknownStatus.model_fields["status"].annotation)
    assert words("api/types.ts", r"type State = (.*?)\n") == {*State, *unknown}


def test_stages_of_a_separation() -> None:
    assert words("api/types.ts", r"/\*\* ([^*]*) \*/\n  stage") - {"or"} == {DOWNLOADING, *get_args(Stage)}
    assert words("ui/statusText.ts", r"STAGES: [^=]*= \{(.*?)\n\}") >= {DOWNLOADING, *get_args(Stage)}


def test_choices_that_need_no_knowledge_of_models() -> None:
    assert words("ui/models.ts", r"MAIN_CHOICES[^=]*= \{(.*?)\n\}") >= {*ORDERS}


def test_stems_with_a_name_and_a_colour() -> None:
    stems = {stem for entry in catalog().values() for stem in single_stems(entry.sources)}
    complements = {stem for entry in catalog().values() for stem in entry.sources} - stems
    assert (
        complements
        == {"no_vocals", "no_lead_vocals"}
        <= words("lib/stems.ts", r"Record<string, string> = \{(.*?)\}")
    )
    pieces = words("lib/stems.ts", r"DRUM_PIECES = \[(.*?)\]")
    shown = words("lib/stems.ts", r"DISPLAY_ORDER = \[(.*?)\n\]")
    assert shown - {"DRUM_PIECES"} | pieces == stems


def test_purposes_for_splitting_a_stem_are_those_of_the_catalogue() -> None:
    text = (SOURCES / "ui/splitOptions.ts").read_text("utf-8")
    tables = re.findall(r"^const (?:CLEANING|PURPOSES)\b.*?\}$", text, re.DOTALL | re.MULTILINE)
    assert len(tables) == 2
    purposes = re.findall(r"(\w+): '(\w+)'", "".join(tables))
    assert len(purposes) > 3
    for word, part in purposes:
        assert part in questions()[word].stems


@pytest.mark.parametrize(
    ("interface", "schema"),
    [
        ("Status", StatusAnswer),
        ("OutputFile", OutputFile),
        ("Split", SplitAnswer),
        ("Model", ModelAnswer),
        ("UsedModel", UsedModel),
        ("ServerConfig", ConfigAnswer),
        ("Choices", ChoicesFields),
    ],
)
def test_fields_of_the_page_are_fields_of_the_api(interface: str, schema: type[BaseModel]) -> None:
    text = (SOURCES / "api/types.ts").read_text("utf-8")
    body = re.search(rf"interface {interface} \{{(.*?)\n\}}", text, re.DOTALL)
    assert body
    fields = {field.serialization_alias or name for name, field in schema.model_fields.items()}
    assert set(re.findall(r"^  (\w+)\??:", body[1], re.MULTILINE)) <= fields
