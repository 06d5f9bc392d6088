"""Convert session records to and from plain values, for stores that keep JSON or similar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from unbraid.errors import Fault
from unbraid.jobs.session import Choices, Output, Playable, Session, Split, State


def to_dict(session: Session) -> dict[str, Any]:
    """Return the record as dictionaries, lists, strings and numbers."""
    return asdict(session)


def from_dict(record: Mapping[str, Any]) -> Session:
    """Rebuild a record from `to_dict`, also after JSON. Fields missing in records of older versions get defaults."""
    fault = record.get("error_fault")
    playable = record.get("playable")
    return Session(
        **{
            **record,
            "state": State(record["state"]),
            "error_fault": None if fault is None else Fault(fault),
            "choices": Choices(**record["choices"]),
            "outputs": tuple(Output(**output) for output in record["outputs"]),
            "splits": tuple(Split(**split) for split in record.get("splits", ())),
            "playable": None if playable is None else _playable(playable),
            "warnings": tuple(record["warnings"]),
        }
    )


def _playable(record: Mapping[str, Any]) -> Playable:
    return Playable(**{**record, "stems": tuple(record["stems"])})
