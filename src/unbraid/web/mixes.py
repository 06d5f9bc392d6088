"""The current mix of a song's stems, as one file."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from unbraid.api.schemas import MixAnswer, MixRequest
from unbraid.errors import Busy, SessionNotFound, SettingError, UnbraidError
from unbraid.jobs.session import Session, State
from unbraid.jobs.status import title
from unbraid.local.files import FolderStore
from unbraid.local.mixdown import mix
from unbraid.web.context import Ctx, Owner

AT_ONCE = 2  # mixes; others wait,
WAITING = 20  # so many
KEPT = 5  # of each song; links to older ones end

router = APIRouter(tags=["mixes"])


class MixSlots:
    """Lets some mixes be made at once, and some more wait."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._here = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait, and have one. Raises HTTPException."""
        if self._here >= AT_ONCE + WAITING:
            raise HTTPException(
                429, "Many mixes are being made. Try again in 10 seconds.", {"Retry-After": "10"}
            )
        self._here += 1
        try:
            async with self._free:
                yield
        finally:
            self._here -= 1


@router.post("/mix")
async def make_mix(asked: MixRequest, request: Request, context: Ctx, owner: Owner) -> MixAnswer:
    """Make one file of the stems, each at its level; quieter as a whole where it would clip."""
    service, store = context.service, context.store
    session = await to_thread.run_sync(service.get, asked.session_id, owner)
    gains = _gains(session, asked)
    key = f"mixes/{session.id}/{_name(gains)}.{asked.format}"
    if store.size(key) is None:
        service.room()
        error: UnbraidError | None = None
        async with request.app.state.mix_slots.take():
            try:
                await _make(session, gains, store, key)
            except UnbraidError as raised:
                error = raised
        # Deleted meanwhile? Then what was just made is nobody's, and what could not be made no wonder.
        if await to_thread.run_sync(service.jobs.get, session.id) is None:
            store.delete(f"mixes/{session.id}/")
            raise SessionNotFound("This song was deleted while its mix was made.")
        if error is not None:
            raise error
    filename = f"{title(session)} - mix.{asked.format}"
    link = store.download_url(key, service.limits.link_s, filename)
    return MixAnswer(s3_url=context.base(request) + link, filename=filename)


def _gains(session: Session, asked: MixRequest) -> dict[str, float]:
    """The level of each stem, by its key in the store; 1 for those that weren't named."""
    if session.state != State.COMPLETED:
        raise Busy("The stems of this song aren't there yet. Wait until it is done.")
    stems = {output.type: output.key for output in session.outputs if output.type != "video"}
    if unknown := set(asked.gains) - set(stems):
        raise SettingError(f"This song has no stem {min(unknown)!r}. It has {', '.join(stems)}.", "gains")
    return {key: asked.gains.get(stem, 1.0) for stem, key in stems.items()}


def _name(gains: dict[str, float]) -> str:
    """The same mix has the same name, and is made once."""
    return hashlib.sha256(json.dumps(gains, sort_keys=True).encode()).hexdigest()[:32]


async def _make(session: Session, gains: dict[str, float], store: FolderStore, key: str) -> None:
    with store.scratch() as scratch:
        file = Path(scratch) / Path(key).name
        await mix([(store.path(stem), gain) for stem, gain in gains.items()], file, file.suffix[1:])
        await to_thread.run_sync(store.keep_newest, f"mixes/{session.id}/", KEPT - 1)
        await to_thread.run_sync(store.put, file, key, "")
