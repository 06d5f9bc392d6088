"""JSON schemas of teaching: one run that makes a model from the caller's own stems."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from unbraid.api.schemas.base import Word, example


class TeachingStart(BaseModel):
    """What to teach."""

    model_config = example(name="my-singer", base="lite", minutes=60)
    name: Word = Field(description="Name of the new model: letters, digits, hyphens and underscores")
    base: Word | None = Field(
        default=None,
        description="Model to begin with: `lite`, `spleeter`, or a model that was taught; null: chosen by the stems",
    )
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="How long to learn; null: until the score no longer rises"
    )
    keep_stems: bool = Field(default=False, description="Keep the uploaded stems on the server after the run")
    aws: bool = Field(
        default=False,
        description="Teach in the AWS account of the server's owner: `/teaching` then has an `offer`, and nothing is "
        "uploaded or paid before `POST /teaching/accept`",
    )


class TeachingAccept(BaseModel):
    """Agreement to the price of teaching in AWS."""

    model_config = example(most_usd=1.46)
    most_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        description="That of the offer; another one is refused"
    )


class TeachingEnd(BaseModel):
    """What becomes of the new model."""

    model_config = example(keep=True)
    keep: bool = Field(description="False: discard the model, or a run that hasn't ended")


class TeachingScore(BaseModel):
    """A point of the curve."""

    steps: int
    minutes: float
    sdr_db: dict[str, float] = Field(description="SDR of each stem on the held-out songs, and their `mean`")


class TeachingSong(BaseModel):
    """What the check found in a song."""

    song: str
    usable: bool
    problem: str | None = Field(description="Why the song can't be used")
    notes: list[str]
    seconds: float
    held_out: bool = Field(description="Whether it only scores the result")
    audible_s: dict[str, float] = Field(description="Seconds in which each stem can be heard")


class TeachingCheck(BaseModel):
    """The check of all songs."""

    songs: list[TeachingSong]
    stems: list[str]
    minutes: float
    left_out: list[str] = Field(description="Lines about files that are no songs")
    problem: str | None = Field(description="Why nothing can be learnt")
    expect: list[str] = Field(description="Lines that say what to expect")


class TeachingClips(BaseModel):
    """Ten seconds of a held-out song. `GET /teaching/clips/after-0.wav` is the first of `stems`."""

    song: str
    start_s: float
    stems: list[str]
    before: list[str] = Field(description="Stems that the first model has too: those with a clip `before`")


class TeachingResult(BaseModel):
    """The end of a run."""

    better: bool
    base: str
    sdr_db: dict[str, Any] = Field(description="`before` and `after`: SDR of each stem; `compared_with`")
    clips: TeachingClips
    billed_usd: float | None = Field(
        default=None, description="What AWS bills for the machine; null: not taught there"
    )


class TeachingApp(BaseModel):
    """The app in AWS, which can teach too."""

    account: str
    region: str
    deployment: str


class TeachingOffer(BaseModel):
    """What teaching in AWS costs."""

    most_usd: float = Field(description="The most that it costs, in US dollars")
    lines: list[str] = Field(description="Lines that say what will happen, and what it costs")


class TeachingAnswer(BaseModel):
    """The run of this server."""

    phase: Literal[
        "none",
        "collecting",
        "checking",
        "checked",
        "offering",
        "offered",
        "teaching",
        "ended",
        "failed",
        "cancelling",
    ]
    busy: bool = Field(default=False, description="Whether the run is of another person, who alone sees it")
    unavailable: str | None = Field(
        default=None, description="Why this server can't teach on its own machine; null: it can"
    )
    aws: TeachingApp | None = Field(
        default=None, description="The app in AWS that can teach too, which the check looks for; null: none"
    )
    in_aws: bool = Field(default=False, description="Whether this run teaches in AWS")
    offer: TeachingOffer | None = None
    name: str = ""
    stems: list[str] = Field(default=[], description="Uploaded files, SONG/STEM")
    check: TeachingCheck | None = None
    curve: list[TeachingScore] = []
    step: str | None = Field(
        default=None,
        description="`measure`, `start`, `progress`, `score`, `scoring`, or `paused` while songs wait. In AWS also "
        "`upload`, `build`, `phase`, `billed`, `deleted`, or `unreachable` while AWS can't be reached",
    )
    detail: str | None = Field(default=None, description="Text about that step")
    done: float | None = Field(
        default=None, description="0 to 1, of the upload or of learning; null: unknown"
    )
    left_s: float | None = Field(default=None, description="Seconds of work that are left; null: unknown")
    result: TeachingResult | None = None
    problem: str | None = Field(default=None, description="Why the run stopped")
