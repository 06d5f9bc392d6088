"""`POST /mix`: mix a song's stems into one file, at the levels that the user chose."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path, PurePosixPath

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from unbraid.api.schemas.mixes import MixAnswer, MixRequest
from unbraid.errors import Busy, SessionNotFound, SettingError, UnbraidError
from unbraid.jobs.choices import part_of
from unbraid.jobs.media import MEDIA_TYPES, OTHER, is_video
from unbraid.jobs.session import Session, State
from unbraid.jobs.shares import Shares
from unbraid.jobs.splits import MIX
from unbraid.jobs.status import title
from unbraid.local.file_store import FileStore
from unbraid.local.mixdown import mix
from unbraid.web.context import Context, Ctx, Owner

CONCURRENT = 2
WAITING = 20
VIDEO = "video"
VIDEO_ENDINGS = ("mp4", "webm", "mkv")
KEPT = 5  # mixes per song; older ones are deleted

router = APIRouter(tags=["mixes"])


class MixSlots:
    """Limits the mixes that run (CONCURRENT) and wait (WAITING)."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(CONCURRENT)
        self._count = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it. Raises HTTPException 429 if too many wait."""
        if self._count >= CONCURRENT + WAITING:
            raise HTTPException(
                429, "The server is busy with other mixes. Try again in 10 seconds.", {"Retry-After": "10"}
            )
        self._count += 1
        try:
            async with self._free:
                yield
        finally:
            self._count -= 1


@router.post("/mix")
async def make_mix(mix_request: MixRequest, request: Request, context: Ctx, owner: Owner) -> MixAnswer:
    """Mix the stems into one file, each at its own level. A mix that would clip is made quieter as a whole."""
    session = await to_thread.run_sync(context.service.get, mix_request.session_id, owner)
    return await _answer(session, mix_request, request, context)


@router.post("/shared/mix", tags=["shared"])
async def make_shared_mix(mix_request: MixRequest, request: Request, context: Ctx) -> MixAnswer:
    """Mix the stems of a shared song, as `POST /mix`. `session_id` is the id of the share link."""
    share = await to_thread.run_sync(Shares(context.service).get, mix_request.session_id)
    return await _answer(share, mix_request, request, context)


async def _answer(session: Session, mix_request: MixRequest, request: Request, context: Context) -> MixAnswer:
    service, store = context.service, context.store
    splits = await to_thread.run_sync(service.splits, session)
    gains = _gains(session, splits, mix_request)
    base = f"mixes/{session.id}/{_digest(gains)}"
    key = await to_thread.run_sync(_existing, store, base, mix_request.format)
    if key is None:
        service.max_upload_bytes()
        error: UnbraidError | None = None
        async with request.app.state.mix_slots.take():
            try:
                key = await _write_mix(session, gains, store, base, mix_request.format)
            except UnbraidError as raised:
                error = raised
        # If the song was deleted meanwhile, delete the new mix too; that also explains any error.
        if await to_thread.run_sync(service.sessions.store.get, session.id) is None:
            await to_thread.run_sync(store.delete, f"mixes/{session.id}/")
            raise SessionNotFound("This song was deleted during mixing. Upload it again.")
        if error is not None:
            raise error
    assert key is not None
    filename = f"{title(session)} - mix{PurePosixPath(key).suffix}"
    link = store.download_url(key, service.limits.link_s, filename)
    return MixAnswer(s3_url=context.base(request) + link, filename=filename)


def _gains(session: Session, splits: Sequence[Session], mix_request: MixRequest) -> dict[str, float]:
    """The gain of each stem by its key in the store; 1 for stems that the request doesn't name.

    A stem and its parts are the same sound: if the request names a part, the parts replace their stem.
    """
    if session.state != State.COMPLETED:
        raise Busy("This song has no stems yet. Wait until its status is COMPLETED.")
    named = set(mix_request.gains)
    stems = {output.type: output.key for output in session.outputs if output.type != "video"}
    defaults = dict.fromkeys(stems, 1.0)
    for split in splits:
        if split.stem == MIX:  # the stems of another model, often of a part of the song
            continue
        parts = {output.type: output.key for output in split.outputs}
        stems |= parts
        by_parts = bool(named & set(parts))
        defaults |= dict.fromkeys(parts, float(by_parts))
        if by_parts:
            defaults[str(split.stem)] = 0.0
    if unknown := named - set(stems):
        raise SettingError(f"This song has no stem {min(unknown)!r}. It has {', '.join(stems)}.", "gains")
    return {key: mix_request.gains.get(stem, defaults[stem]) for stem, key in stems.items()}


def _digest(gains: dict[str, float]) -> str:
    """A name derived from the gains, so that a repeated request reuses the file."""
    return hashlib.sha256(json.dumps(gains, sort_keys=True).encode()).hexdigest()[:32]


def _existing(store: FileStore, base: str, format: str) -> str | None:
    """The key of a mix that was made before. That of a video has the ending of its container."""
    endings = VIDEO_ENDINGS if format == VIDEO else (format,)
    keys = (f"{base}.{ending}" for ending in endings)
    return next((key for key in keys if store.size(key) is not None), None)


async def _write_mix(
    session: Session, gains: dict[str, float], store: FileStore, base: str, format: str
) -> str:
    """Write a mix into the store; return its key."""
    video = None
    if format == VIDEO:
        if session.shared_from is not None or not is_video(session.file_name, session.file_type):
            raise SettingError("This song has no video. Choose an audio format.", "format")
        if part_of(session.choices) is not None:
            raise SettingError("Only a part of this video was separated. Choose an audio format.", "format")
        video = session.song_key
    with store.scratch() as scratch, ExitStack() as files:
        file = Path(scratch) / f"{PurePosixPath(base).name}.{format}"

        def fetch(key: str) -> Path:
            return files.enter_context(store.local_file(key))

        try:
            stems = [(await to_thread.run_sync(fetch, stem), gain) for stem, gain in gains.items() if gain]
            video_file = None if video is None else await to_thread.run_sync(fetch, video)
        except FileNotFoundError:
            raise SessionNotFound("The files of this song were deleted. Upload it again.") from None
        file = await mix(stems, file, format, video_file)
        key = f"{base}{file.suffix}"
        await to_thread.run_sync(store.keep_newest, f"mixes/{session.id}/", KEPT - 1)
        await to_thread.run_sync(store.put, file, key, MEDIA_TYPES.get(file.suffix[1:], OTHER))
    return key
