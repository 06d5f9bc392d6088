"""A mix of a song's stems."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["mixes"])
