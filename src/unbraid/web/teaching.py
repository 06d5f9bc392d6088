"""`/teaching`: teach a model from the caller's own stems, on this machine or in AWS. One run at a time."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse

from unbraid.api.schemas.teaching import TeachingAccept, TeachingAnswer, TeachingEnd, TeachingStart
from unbraid.errors import TooLarge
from unbraid.local.teaching import Phase, Run, Teaching
from unbraid.web.context import Ctx, Owner
from unbraid.web.files import INTERRUPTED, STALLED, check_free_space, write_body

STEMS = "/teaching/stems"
NO_PYTORCH = (
    "Teaching needs PyTorch on the computer that runs Unbraid. Install it with: pip install 'unbraid[torch]'"
)

NO_APP = (
    "No app in AWS was found that can teach. Create one with `./unbraid deploy`, and check the songs again."
)


async def allowed(context: Ctx) -> None:
    """Raise HTTPException 404 if strangers could use up this machine."""
    if not context.settings.teaches:
        raise HTTPException(404, "This server doesn't teach models.")


async def teaching_of(context: Ctx) -> Teaching:
    """The run of this server."""
    return Teaching(context.settings.data)


Taught = Annotated[Teaching, Depends(teaching_of)]
router = APIRouter(prefix="/teaching", tags=["teaching"], dependencies=[Depends(allowed)])


@router.get("")
async def status(teaching: Taught, owner: Owner) -> TeachingAnswer:
    """Report the run: the check of its songs, the curve of its scores, its end."""
    return await to_thread.run_sync(answer, teaching, owner)


@router.put("/stems", response_class=Response, status_code=204)
async def add(
    path: Annotated[str, Query(max_length=1000, description="SONG/STEM, such as `First song/vocals.wav`")],
    request: Request,
    context: Ctx,
    teaching: Taught,
    owner: Owner,
) -> Response:
    """Upload a stem. The first one begins a run."""

    def check_size(size: int) -> None:
        if size > context.service.limits.max_bytes:
            raise TooLarge("This file is too large.")

    check_free_space(int(request.headers.get("content-length", 0)), context)
    try:
        with await to_thread.run_sync(teaching.receive, path, owner) as file:
            await write_body(request, context, file, check_size)
            await to_thread.run_sync(file.commit)
    except ClientDisconnect:
        raise HTTPException(400, INTERRUPTED) from None
    except TimeoutError:
        raise HTTPException(408, STALLED, {"Connection": "close"}) from None
    return Response(status_code=204)


@router.post("/check")
async def check(teaching: Taught, owner: Owner) -> TeachingAnswer:
    """Check the uploaded songs."""
    await to_thread.run_sync(teaching.check, owner)
    return await to_thread.run_sync(answer, teaching, owner)


@router.post("/start")
async def start(chosen: TeachingStart, context: Ctx, teaching: Taught, owner: Owner) -> TeachingAnswer:
    """Start to teach, or continue a run that was stopped. In AWS, only ask for the price."""
    if not chosen.aws and not has_pytorch():
        raise HTTPException(409, NO_PYTORCH)

    def begin() -> TeachingAnswer:
        if chosen.aws and not (context.settings.teaches_in_aws and teaching.aws()):
            raise HTTPException(409, NO_APP)
        teaching.start(owner, chosen.name, chosen.base, chosen.minutes, chosen.keep_stems, chosen.aws)
        return answer(teaching, owner)

    return await to_thread.run_sync(begin)


@router.post("/accept")
async def accept(price: TeachingAccept, teaching: Taught, owner: Owner) -> TeachingAnswer:
    """Start to teach in AWS for the offered price."""
    await to_thread.run_sync(teaching.accept, owner, price.most_usd)
    return await to_thread.run_sync(answer, teaching, owner)


@router.post("/stop")
async def stop(teaching: Taught, owner: Owner) -> TeachingAnswer:
    """Stop the run, or leave an offer. The same start continues it."""
    await to_thread.run_sync(teaching.stop, owner)
    return await to_thread.run_sync(answer, teaching, owner)


@router.post("/finish")
async def finish(end: TeachingEnd, teaching: Taught, owner: Owner) -> TeachingAnswer:
    """Keep the new model or discard it, and remove the run. What is in AWS is deleted first."""
    await to_thread.run_sync(teaching.finish, owner, end.keep)
    return await to_thread.run_sync(answer, teaching, owner)


@router.get("/clips/{name}", response_class=FileResponse)
async def clip(name: str, teaching: Taught, owner: Owner) -> FileResponse:
    """Download ten seconds of a stem of the held-out song, `before-0.wav` or `after-0.wav`."""
    path = await to_thread.run_sync(teaching.clip, name, owner)
    return FileResponse(path, media_type="audio/wav")


@cache
def has_pytorch() -> bool:
    """Whether PyTorch is installed. It is not imported, as that takes seconds."""
    return find_spec("torch") is not None


def answer(teaching: Teaching, owner: str | None) -> TeachingAnswer:
    """Describe the run to its owner; to others only that there is one."""
    run, phase = teaching.run(), teaching.phase()
    unavailable = None if has_pytorch() else NO_PYTORCH
    if run is None or phase == Phase.NONE:
        return TeachingAnswer(phase="none", unavailable=unavailable)
    if run.owner != owner:
        return TeachingAnswer(phase="none", busy=True, unavailable=unavailable)
    return TeachingAnswer.model_validate(
        {"phase": phase.value, "unavailable": unavailable, **_details(teaching, run)}
    )


def _details(teaching: Teaching, run: Run) -> dict[str, Any]:
    events = teaching.events()
    scores = {event["steps"]: event for event in events if event["event"] == "score"}
    last = events[-1] if events else {}
    latest: dict[str, Any] = next((event for event in reversed(events) if "left_s" in event), {})
    of = next((event["of"] for event in reversed(events) if event["event"] == "progress"), None)
    done = latest["steps"] / of if of else None
    if last.get("event") == "upload":
        done = last["bytes"] / last["of"] if last["of"] else None
    return {
        "name": run.name,
        "stems": teaching.stems(),
        "check": teaching.checked(),
        "aws": teaching.aws(),
        "in_aws": run.aws,
        "offer": teaching.offer(),
        "curve": [scores[number] for number in sorted(scores)],
        "step": last.get("event"),
        "detail": last.get("text"),
        "done": done,
        "left_s": latest.get("left_s"),
        "result": teaching.result(),
        "problem": teaching.error(),
    }
