"""Names of stems by a template such as `{artist} - {title}/{stem}`, from tags and the name of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Formatter

from unbraid.audio.probe import probe
from unbraid.audio.stem_names import STEM_ENDING
from unbraid.audio.tags.names import BY_NAME
from unbraid.errors import InputError, SettingError
from unbraid.separation.folders import file_key
from unbraid.separation.naming import output_folder_name, shortened
from unbraid.separation.safe_names import safe_name, safe_text
from unbraid.separation.song_record import RECORD

STEM, EXTENSION, FOLDER, MODEL, TRACK = "stem", "ext", "folder", "model", "track"
ANALYSED = {"bpm": ("bpm", "tempo"), "key": ("initial_key", "key")}
"""Fields that describe the sound: the tag with the value, and its name for users."""
# Other names of tags: `track` is the name of the file.
RENAMED = {"tracknumber": "track", "discnumber": "disc", "year": "date"}
TAGS = frozenset({*BY_NAME, *RENAMED} - {TRACK, *ANALYSED})
FIELDS = (TRACK, FOLDER, STEM, EXTENSION, MODEL, *ANALYSED)
OF_EVERY_SONG = {STEM, EXTENSION, MODEL}
"""Fields that don't tell songs apart."""
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class NameTemplate:
    """A template, checked. Raises SettingError."""

    text: str

    def __post_init__(self) -> None:
        for field in sorted(self.fields - {*FIELDS, *TAGS}):
            common = ", ".join(("artist", "title", "album", "tracknumber", "year"))
            raise self._error(
                f"has the unknown field {{{field}}}. Use {', '.join(FIELDS)}, or a tag: {common}"
            )
        if STEM not in self.fields:
            raise self._error("gives all stems the same name. Add {stem}")
        if self.text.startswith("/") or ".." in self.text.split("/"):
            raise self._error("leaves the output folder. Use a relative path")
        if EXTENSION in self.fields and not self.text.endswith(".{ext}"):
            raise self._error("has the extension in the wrong place. End it with .{ext}, or leave it out")

    @cached_property
    def fields(self) -> frozenset[str]:
        """Names of all fields."""
        return frozenset().union(*map(self._fields_of, self.parts)) if self.parts else frozenset()

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The names of folders and the file, without the extension."""
        return tuple(part for part in self.text.removesuffix(".{ext}").split("/") if part)

    @cached_property
    def names_songs(self) -> bool:
        """Whether songs get names of their own."""
        return bool(self.fields - OF_EVERY_SONG)

    @property
    def uses_tags(self) -> bool:
        """Whether the tags of songs are needed."""
        return bool(self.fields & (TAGS | ANALYSED.keys()))

    @cached_property
    def first_with_stem(self) -> int:
        """Number of the first part with {stem}."""
        return next(at for at, part in enumerate(self.parts) if STEM in self._fields_of(part))

    @cached_property
    def is_own(self) -> bool:
        """Whether each song has a folder of its own."""
        below = frozenset().union(*map(self._fields_of, self.parts[self.first_with_stem :]))
        above = frozenset[str]().union(*map(self._fields_of, self.parts[: self.first_with_stem]))
        return not below - OF_EVERY_SONG and bool(above - OF_EVERY_SONG)

    def _fields_of(self, part: str) -> frozenset[str]:
        try:
            parsed = list(Formatter().parse(part))
        except ValueError as error:
            raise self._error(f"is invalid: {error}. Write {{{{ for a brace") from error
        if any(spec or conversion for _, _, spec, conversion in parsed):
            raise self._error("has a field with a colon or an exclamation mark. Only names go between braces")
        return frozenset(name for _, name, _, _ in parsed if name is not None)

    def _error(self, problem: str) -> SettingError:
        return SettingError(f"The name {self.text} {problem}.")


@dataclass(frozen=True, slots=True)
class TemplateNaming:
    """Names of one song by a template; see `unbraid.separation.naming.Naming`."""

    template: NameTemplate
    values: Mapping[str, str]
    """Value of each field but {stem} and {ext}."""

    @property
    def is_own(self) -> bool:
        """See Naming."""
        return self.template.is_own

    def folder(self, number: int) -> Path:
        """See Naming."""
        names = self._fill(self.template.parts[: self.template.first_with_stem], "")
        if self.is_own and number > 1:
            names[-1] = safe_name(names[-1], f" ({number})")
        return Path(*names)

    def record(self, number: int) -> str:
        """See Naming."""
        if self.is_own:
            return RECORD
        names = self._fill(self.template.parts[self.template.first_with_stem :], "")
        key = " ".join(name for name in names if name != "_") or "stems"
        return shortened(f".{key}", (f" ({number})" if number > 1 else "") + RECORD)

    def file(self, name: str, number: int) -> str:
        """See Naming."""
        # DJ programs know a stem file by its double ending.
        ending = STEM_ENDING if name.endswith(STEM_ENDING) else "." + name.rpartition(".")[2]
        stem = name.removesuffix(ending)
        suffix = (f" ({number})" if number > 1 and not self.is_own else "") + ending
        *folders, last = self.template.parts[self.template.first_with_stem :]
        return "/".join([*self._fill(folders, stem), safe_name(self._format(last, stem), suffix)])

    def check(self, files: Sequence[str]) -> None:
        """See Naming."""
        if len({file_key(self.file(name, 1)) for name in files}) < len(files):
            raise SettingError(f"The name {self.template.text} gives several stems the same name.")

    def _fill(self, parts: Sequence[str], stem: str) -> list[str]:
        """Return the names of folders. {folder} may give several, or none."""
        filled = [name for part in parts for name in self._format(part, stem).split("/")]
        return [safe_name(name) for name in filled if name]

    def _format(self, part: str, stem: str) -> str:
        return part.format_map({**self.values, STEM: safe_text(stem)})


def field_values(
    song: Path, folder: Path, model: str, texts: Mapping[str, Sequence[str]] | None
) -> dict[str, str]:
    """Return the fields of a song. `texts`: its tags; None if they aren't needed.

    Missing tags: {artist} is the album's artist, {album_artist} the artist; without any of them, `Artist - Title` in
    the name of the file counts. Then {title} is the name of the file, {tracknumber} and {discnumber} are 00, and any
    other tag is, for example, `Unknown album`.
    """
    track = output_folder_name(song)
    values = {
        TRACK: safe_text(track),
        FOLDER: "/".join(safe_text(part) for part in folder.parts),
        MODEL: safe_text(model),
    }
    if texts is None:
        return values
    tags = {name: safe_text(", ".join(found)) for name, found in texts.items() if found}
    artist = tags.get("artist") or tags.get("album_artist")
    before, dash, after = track.partition(" - ")
    if not artist and not tags.get("title") and dash and before.strip() and after.strip():
        artist, tags["title"] = safe_text(before), safe_text(after)
    tags["artist"] = artist or ""
    tags["album_artist"] = tags.get("album_artist") or artist or ""
    tags["title"] = tags.get("title") or values[TRACK]
    for name in TAGS:
        found = tags.get(RENAMED.get(name, name), "")
        if name in ("tracknumber", "discnumber"):
            number = NUMBER.match(found)
            found = f"{int(number[0][:9]):02}" if number else "00"
        elif name == "year":
            found = found[:4]
        values[name] = found or f"Unknown {name.replace('_', ' ')}"
    return values | {name: tags[tag] for name, (tag, _) in ANALYSED.items() if tags.get(tag)}


def name_by(
    template: str | NameTemplate, song: Path, folder: Path, model: str, stream: int | None = None
) -> TemplateNaming:
    """Return the names of a song by `template`. Reads its tags if needed. Raises SettingError, InputError."""
    if isinstance(template, str):
        template = NameTemplate(template)
    texts = probe(song, stream).tags.texts if template.uses_tags else None
    values = field_values(song, folder, model, texts)
    _check_analysed(template, values, song)
    return TemplateNaming(template, values)


def _check_analysed(template: NameTemplate, values: Mapping[str, str], song: Path) -> None:
    """Raise InputError if the template needs the tempo or the key of a song that has none in its tags."""
    for field, (_, name) in ANALYSED.items():
        if field in template.fields and field not in values:
            raise InputError(
                f"has no tag with its {name}, which {{{field}}} in the name needs. Tag the song, or leave {{{field}}} "
                "out.",
                subject=song.name,
            )
