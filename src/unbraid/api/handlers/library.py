"""Handlers for a person's own songs: rename, keep and share them; and for songs that another person has shared."""

from __future__ import annotations

from unbraid.api.answers import status_answer
from unbraid.api.call import Call
from unbraid.api.schemas.library import KeepRequest, RenameRequest, SharePath, ShareRequest
from unbraid.api.schemas.status import StatusAnswer
from unbraid.audio.formats import FORMATS
from unbraid.jobs.library import Library
from unbraid.jobs.session import Session
from unbraid.jobs.shares import Shares


def rename(call: Call, request: RenameRequest) -> StatusAnswer:
    """Give the caller's own song another name."""
    return _status(call, Library(call.service).rename(request.session_id, request.name, call.owner))


def keep(call: Call, request: KeepRequest) -> StatusAnswer:
    """Exempt the caller's own finished song from expiry, or let it expire again."""
    library = Library(call.service)
    change = library.keep if request.keep else library.release
    return _status(call, change(request.session_id, call.owner))


def share(call: Call, request: ShareRequest) -> StatusAnswer:
    """Make a read-only link to the caller's own finished song, or delete it. The answer has its `share_id`."""
    shares = Shares(call.service)
    if request.share:
        shares.share(request.session_id, call.owner)
    else:
        shares.revoke(request.session_id, call.owner)
    return _status(call, call.service.get(request.session_id, call.owner))


def shared(call: Call, request: SharePath) -> StatusAnswer:
    """Report a shared song, with links to its stems. The id of a share link allows nothing else."""
    status = Shares(call.service).status(request.share_id)
    answer = status_answer(status, call.base, call.zip_url(status))
    formats = list(FORMATS) if call.features.mixes else []
    return answer.model_copy(update={"mix_formats": formats})


def _status(call: Call, session: Session) -> StatusAnswer:
    status = call.service.status_of(session)
    return status_answer(status, call.base, call.zip_url(status))
