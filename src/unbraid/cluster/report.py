"""Count the outcomes of a run over a catalogue, and write its report as JSON or CSV."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from unbraid.cluster.song_worker import DONE, FAILED, NOT_AUDIO, SKIPPED, Outcome
from unbraid.errors import SettingError
from unbraid.files.oserrors import output_error

HOUR_S = 3600.0
FORMATS = (".json", ".csv")


class Totals:
    """Totals of a run so far. `songs`: number of all files."""

    def __init__(self, songs: int) -> None:
        self.songs = songs
        self.counts: Counter[str] = Counter()
        self.music_s = 0.0
        """Length of the separated songs."""
        self.work_s = 0.0
        """Working time of all workers."""
        self._started = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.counts[outcome.status] += 1
        if outcome.status == DONE:
            self.music_s += outcome.duration_s
            self.work_s += outcome.seconds

    @property
    def elapsed_s(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started

    @property
    def left_s(self) -> float | None:
        """Estimate of the time left: songs so far took this long. Skipped songs take no time. None: unknown."""
        worked = self.counts[DONE] + self.counts[FAILED]
        if not worked:
            return None
        return self.elapsed_s / worked * (self.songs - self.counts.total())

    def values(self) -> dict[str, Any]:
        """Return the totals for the report."""
        return {
            "songs": self.songs,
            **{status: self.counts[status] for status in (DONE, SKIPPED, NOT_AUDIO, FAILED)},
            "hours_of_music": round(self.music_s / HOUR_S, 4),
            "working_hours": round(self.work_s / HOUR_S, 4),
            "elapsed_s": round(self.elapsed_s, 1),
        }


class ReportFile:
    """Writes one row for each song as it ends: a CSV table, or JSON with the totals at its end."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises SettingError for another suffix, OutputError."""
        if path.suffix.lower() not in FORMATS:
            raise SettingError(f"A report is a file {' or '.join('*' + one for one in FORMATS)}, not {path}.")
        self._is_json = path.suffix.lower() == ".json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise output_error(path, error) from error
        self._path = path
        self._names = [field.name for field in fields(Outcome)]
        self._rows = 0
        self._write('{"songs": [' if self._is_json else _line(self._names))

    def add(self, outcome: Outcome) -> None:
        """Write the row of a song. Raises OutputError."""
        row = asdict(outcome)
        if self._is_json:
            self._write(("," if self._rows else "") + "\n " + json.dumps(row, ensure_ascii=False))
        else:
            self._write(_line([*list(row.values())[:-1], " ".join(outcome.warnings)]))
        self._rows += 1

    def end(self, totals: Totals) -> None:
        """Write the totals, and close the file. Raises OutputError."""
        if self._is_json:
            self._write('],\n "totals": ' + json.dumps(totals.values()) + "}\n")
        self._file.close()

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise output_error(self._path, error) from error


def _line(values: list[Any]) -> str:
    line = StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
