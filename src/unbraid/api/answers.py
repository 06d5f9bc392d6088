"""Build the API's answers from sessions. `base` is the prefix for links that are paths."""

from __future__ import annotations

from collections.abc import Mapping

from unbraid import __version__
from unbraid.api.call import Features
from unbraid.api.problems import of_error
from unbraid.api.schemas.batches import BatchProcessAnswer, BatchStatusRequest, Refusal, StatusesAnswer
from unbraid.api.schemas.process import ProcessAnswer
from unbraid.api.schemas.server import (
    ChoiceAnswer,
    ConfigAnswer,
    Cost,
    ModelAnswer,
    ModelsAnswer,
    SignInAnswer,
    UsedModel,
)
from unbraid.api.schemas.status import OutputFile, SplitAnswer, StatusAnswer, UnknownStatus
from unbraid.api.schemas.uploads import PartLink, PartsAnswer, UploadAnswer
from unbraid.audio.formats import SONG_FORMATS
from unbraid.errors import UnbraidError
from unbraid.jobs.choices import ALL, allowed_models, stems_of
from unbraid.jobs.estimates import Rates
from unbraid.jobs.limits import Limits
from unbraid.jobs.parts import Progress
from unbraid.jobs.service import Upload
from unbraid.jobs.session import Session
from unbraid.jobs.status import Status
from unbraid.models.auto import ORDERS
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.own import offered_own
from unbraid.models.questions import questions


def upload_answer(upload: Upload, base: str = "") -> UploadAnswer:
    """The upload URL of a new session."""
    return UploadAnswer(
        sessionId=upload.session.id,
        uploadUrl=base + upload.url,
        s3Key=upload.session.input_key,
        expiresIn=upload.expires_in,
        maxBytes=upload.max_bytes,
        partBytes=upload.part_bytes,
    )


def parts_answer(progress: Progress, base: str = "") -> PartsAnswer:
    """What has arrived of an upload in parts, and the URLs for the next parts."""
    return PartsAnswer(
        sessionId=progress.session.id,
        partBytes=progress.part_bytes,
        partCount=progress.count,
        uploaded=list(progress.uploaded),
        parts=[PartLink(number=one.number, size=one.size, url=base + one.url) for one in progress.missing],
        expiresIn=progress.expires_in,
    )


def process_answer(session: Session) -> ProcessAnswer:
    """The session and its state after it was started."""
    return ProcessAnswer(sessionId=session.id, status=session.state)


def batch_process_answer(results: Mapping[str, Session | UnbraidError]) -> BatchProcessAnswer:
    """One result for each session id: its state, or why it couldn't start."""
    return BatchProcessAnswer(
        results=[
            Refusal(sessionId=session_id, problem=of_error(result))
            if isinstance(result, UnbraidError)
            else process_answer(result)
            for session_id, result in results.items()
        ]
    )


def status_answer(status: Status, base: str = "", zip_url: str | None = None) -> StatusAnswer:
    """The progress and the files of a session. `zip_url` is a complete URL; None: no archive exists."""
    session = status.session
    return StatusAnswer(
        session_id=session.id,
        status=session.state,
        progress=session.progress,
        eta_seconds=_rounded(status.wait.eta_s),
        output_files=[
            OutputFile(
                type=file.type,
                filename=file.filename,
                s3_url=base + file.url,
                size=file.size,
                duration=file.duration_s,
                peaks_url=file.peaks_url and base + file.peaks_url,
                play_url=file.play_url and base + file.play_url,
                stem=file.stem,
            )
            for file in status.files
        ],
        error_message=session.error_message,
        stage=session.stage,
        queue_position=status.wait.position,
        starts_in_seconds=_rounded(status.wait.begins_s),
        can_retry=session.can_retry,
        file_name=session.file_name,
        model=session.model_used or session.choices.model,
        stems=session.choices.stems,
        format=session.choices.format,
        start=session.choices.start,
        end=session.choices.end,
        duration=session.duration_s,
        bpm=session.bpm,
        key=session.musical_key,
        created_at=session.created_at,
        expires_at=session.expires_at,
        batch_id=session.batch,
        warnings=list(session.warnings),
        playable_until=None if session.playable is None else session.playable.seconds,
        splits=[_split_answer(split) for split in status.splits],
        kept=session.kept,
        share_id=session.share,
        video_url=status.video_url and base + status.video_url,
        zip_url=zip_url,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _split_answer(split: Status) -> SplitAnswer:
    """A stem that is separated further."""
    session = split.session
    return SplitAnswer(
        stem=str(session.stem),
        session_id=session.id,
        status=session.state,
        progress=session.progress,
        eta_seconds=_rounded(split.wait.eta_s),
        model=session.model_used or session.choices.model,
        start=session.choices.start,
        end=session.choices.end,
        error_message=session.error_message,
    )


def statuses_answer(request: BatchStatusRequest, answers: Mapping[str, StatusAnswer]) -> StatusesAnswer:
    """The statuses in the order of the request; `UNKNOWN` for ids that are not in `answers`."""
    return StatusesAnswer(
        sessions=[
            answers[one] if one in answers else UnknownStatus(session_id=one) for one in request.session_ids
        ]
    )


def models_answer(limits: Limits, rates: Rates) -> ModelsAnswer:
    """The models that users may choose, and the models that `auto` and the like stand for now."""
    available = rates.available
    entries = {**catalog(), **offered_own()}

    def size_of(entry: CatalogEntry) -> int:
        return entry.download_size or entry.size or 0

    def answer(entry: CatalogEntry) -> ModelAnswer:
        return ModelAnswer(
            name=entry.name,
            summary=entry.summary,
            stems=list(entry.sources),
            licence=entry.licence,
            sdr=dict(entry.sdr_db),
            installed=available.installed(entry),
            sizeBytes=size_of(entry),
            secondsPerSecond=Cost(one=rates.of(entry.name, entry.sources[0]), all=rates.of(entry.name, ALL)),
            answers=list(entry.answers),
        )

    def used(choice: str, stems: str) -> UsedModel:
        entry = entries[rates.used(choice, stems)]
        return UsedModel(
            model=entry.name,
            installed=available.installed(entry),
            sizeBytes=size_of(entry),
            secondsPerSecond=rates.of(choice, stems),
            passedOver=available.passed_over(choice, stems),
        )

    allowed = allowed_models(limits)
    return ModelsAnswer(
        models=[answer(entry) for entry in entries.values() if entry.name in allowed],
        default=allowed[0],
        choices=[
            ChoiceAnswer(
                name=name,
                title=questions()[name].title if name in questions() else None,
                stems={stems: used(name, stems) for stems in (*stems_of(name), ALL)},
            )
            for name in (*ORDERS, *questions())
            if name in allowed
        ],
        downloads=available.downloads,
    )


def config_answer(limits: Limits, features: Features) -> ConfigAnswer:
    """Settings that a front end needs before its first upload."""
    return ConfigAnswer(
        signIn=features.sign_in,
        password=features.password,
        maxBytes=limits.max_bytes,
        maxSongSeconds=limits.max_song_s,
        formats=list(SONG_FORMATS),
        mail=features.email,
        mixes=features.mixes,
        events=features.events,
        teaching=features.teaching,
        wakes=features.wakes,
        version=__version__,
    )


def sign_in_answer(issuer: str | None, client_id: str | None, scopes: str) -> SignInAnswer | None:
    """The sign-in provider; None: this installation has no sign-in."""
    if issuer is None or client_id is None:
        return None
    return SignInAnswer(issuer=issuer, clientId=client_id, scopes=scopes)
