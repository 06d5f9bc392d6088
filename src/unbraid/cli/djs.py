"""`--format stem`: checks of the options, before a model is downloaded."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from unbraid.audio.formats import STEM, song_format
from unbraid.audio.stem_names import ALL
from unbraid.cli.running import COMMON_RATE_HZ
from unbraid.errors import SettingError


def check_format(format: str, subtype: str | None, bitrate: int | None) -> None:
    """Raise SettingError if songs at a common rate can't be written so. Another rate is an error of the song."""
    song_format(format, subtype).bitrate_for(bitrate, COMMON_RATE_HZ)


def stems_for(format: str, stems: str | None) -> str | None:
    """Return the stems to write: all for a stem file. Raises SettingError if it can't have `stems`."""
    if format != STEM:
        return stems
    if stems not in (None, ALL):
        raise SettingError(
            f"--format stem writes all stems. Leave out --stems {stems}, or choose another format."
        )
    return ALL


def check_additions(then: Collection[object], video: bool) -> None:
    """Raise SettingError if more files are wanted than the stem file. Separator refuses the same."""
    if then:
        raise SettingError("--format stem has no parts of stems. Leave out --then, or choose another format.")
    if video:
        raise SettingError("--format stem has no pictures. Leave out --video, or choose another format.")


def check_model(model: str, quality: str, repo: Path | None) -> None:
    """Raise SettingError if `model` of the catalogue hasn't the four stems. Other models are checked once loaded."""
    from unbraid.models.auto import at_quality, candidates, is_choice
    from unbraid.models.catalog import catalog, find_entry
    from unbraid.models.find import models_in
    from unbraid.separation.stems import check_stem_file

    if repo is not None or len(models_in(model)) > 1 or Path(model).exists():
        return
    name, _ = at_quality(model, quality)
    entry = catalog()[candidates(choice=name)[0]] if is_choice(name) else find_entry(name)
    if entry is not None:
        check_stem_file(model, entry.sources)
