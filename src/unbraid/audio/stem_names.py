"""Names of stems that have a meaning."""

from __future__ import annotations

ALL = "all"
"""Request for all stems of a model, instead of one stem."""
VOCALS = "vocals"
COMPLEMENT_PREFIX = "no_"
"""Prefix of a complement: `no_vocals` is the song without its vocals."""
