"""JSON schemas of uploads, in one piece and in parts."""

from __future__ import annotations

from pydantic import BaseModel, Field

from unbraid.api.schemas.base import EXAMPLE_ID, Name, example


class UploadRequest(BaseModel):
    """A song to upload."""

    model_config = example(fileName="song.mp3", fileType="audio/mpeg", fileSize=31457280)
    file_name: Name = Field(alias="fileName")
    file_type: str = Field(
        alias="fileType",
        max_length=255,
        description="Media type; empty if the browser doesn't know it",
    )
    file_size: int | None = Field(
        None,
        alias="fileSize",
        ge=1,
        description="Bytes. The server then refuses a file that is too large before it is sent, and can offer parts",
    )
    dropped_at: float | None = Field(
        None,
        alias="droppedAt",
        allow_inf_nan=False,
        description="When the user chose the file, in seconds by the user's clock: it orders the waiting songs of one "
        "user. Default: the time of this call",
    )


class UploadAnswer(BaseModel):
    """The new session, and the URL for uploading its song."""

    model_config = example(
        sessionId=EXAMPLE_ID,
        uploadUrl=f"http://127.0.0.1:8000/files/inputs/{EXAMPLE_ID}/song.mp3?expires=1767225600&signature=…",
        s3Key=f"inputs/{EXAMPLE_ID}/song.mp3",
        expiresIn=3600,
        maxBytes=2147483648,
        partBytes=8388608,
    )
    sessionId: str = Field(description="Secret key of the session: anyone who has it can use it")  # noqa: N815
    uploadUrl: str = Field(description="URL for the file, in one PUT with `fileType` as Content-Type")  # noqa: N815
    s3Key: str = Field(description="Key of the file, for `POST /process`")  # noqa: N815
    expiresIn: int = Field(description="Seconds until `uploadUrl` expires")  # noqa: N815
    maxBytes: int = Field(description="Maximum size of the file, in bytes")  # noqa: N815
    partBytes: int | None = Field(  # noqa: N815
        description="Size of the parts of a large file, for `POST /upload/parts`; null: send it in one PUT"
    )


class PartLink(BaseModel):
    """The URL for one part."""

    number: int = Field(description="From 1", examples=[3])
    size: int = Field(description="Exact size of the part, in bytes", examples=[8388608])
    url: str = Field(description="URL for the part, in one PUT without a Content-Type")


class PartsAnswer(BaseModel):
    """An upload in parts: what has arrived, and the URLs for the next parts."""

    model_config = example(
        sessionId=EXAMPLE_ID,
        partBytes=8388608,
        partCount=4,
        uploaded=[1, 2],
        parts=[
            {
                "number": 3,
                "size": 8388608,
                "url": f"http://127.0.0.1:8000/files/inputs/{EXAMPLE_ID}/part-8f3c-3?size=8388608&signature=…",
            }
        ],
        expiresIn=3600,
    )
    sessionId: str  # noqa: N815
    partBytes: int = Field(description="Size of each part but the last, in bytes")  # noqa: N815
    partCount: int  # noqa: N815
    uploaded: list[int] = Field(description="Numbers of the parts that have arrived")
    parts: list[PartLink] = Field(
        description="The next missing parts, at most 100; empty: call `POST /upload/complete`"
    )
    expiresIn: int = Field(description="Seconds until the URLs expire. Call again for new ones")  # noqa: N815


class CompleteAnswer(BaseModel):
    """The upload is complete."""

    model_config = example(sessionId=EXAMPLE_ID, s3Key=f"inputs/{EXAMPLE_ID}/song.mp3")
    sessionId: str  # noqa: N815
    s3Key: str = Field(description="Key of the file, for `POST /process`")  # noqa: N815
