"""Answers made of what the service says."""

from __future__ import annotations

from unbraid.jobs.service import Upload
from unbraid.jobs.status import Status
from unbraid.web.context import Context
from unbraid.web.schemas import OutputFile, StatusAnswer, UploadAnswer

ZIPS = "zips"


def upload_answer(upload: Upload, base: str) -> UploadAnswer:
    """Where a song goes. `base` comes before links of this server."""
    return UploadAnswer(
        sessionId=upload.session.id,
        uploadUrl=base + upload.url,
        s3Key=upload.session.input_key,
        expiresIn=upload.expires_in,
        maxBytes=upload.max_bytes,
    )


def status_answer(status: Status, context: Context, base: str) -> StatusAnswer:
    """How a session stands."""
    session = status.session
    return StatusAnswer(
        session_id=session.id,
        status=session.state,
        progress=session.progress,
        eta_seconds=None if status.eta_s is None else round(status.eta_s, 1),
        output_files=[
            OutputFile(
                type=file.type,
                filename=file.filename,
                s3_url=base + file.url,
                size=file.size,
                duration=file.duration_s,
                peaks_url=file.peaks_url and base + file.peaks_url,
                play_url=file.play_url and base + file.play_url,
            )
            for file in status.files
        ],
        error_message=session.error_message,
        stage=session.stage,
        queue_position=status.queue_position,
        file_name=session.file_name,
        model=session.model_used or session.choices.model,
        stems=session.choices.stems,
        format=session.choices.format,
        duration=session.duration_s,
        created_at=session.created_at,
        expires_at=session.expires_at,
        batch_id=session.batch,
        warnings=list(session.warnings),
        zip_url=base + _zip_url(status, context) if status.files else None,
    )


def _zip_url(status: Status, context: Context) -> str:
    return context.store.links.download(
        f"{ZIPS}/{status.session.id}/all.zip", context.service.limits.link_s, status.zip_name
    )
