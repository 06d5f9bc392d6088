"""Separate a stem of a completed session further, or its song once more with another model (the stem `mix`).

The parts are made by a session of their own, whose song is the stem: it has its own lease, retries, progress and
cancellation, while the parent stays as it is. The parent's record has the ids of these sessions, one for each stem. Its
status includes their parts, and they are deleted with it.
"""

from __future__ import annotations

from dataclasses import replace

from unbraid.audio.formats import STEM
from unbraid.audio.stem_names import ALL, has_parts
from unbraid.audio.stem_words import MIX as MIX
from unbraid.errors import Busy, SettingError
from unbraid.jobs.choices import choices_of_quality, part_of, validate_choices
from unbraid.jobs.media import MEDIA_TYPES
from unbraid.jobs.ports import Changed
from unbraid.jobs.service import Service
from unbraid.jobs.session import ACTIVE, Choices, Output, Session, Split, State, new_id
from unbraid.models.auto import AUTO
from unbraid.models.own import offered_entry


class StemSplits:
    """Start the separation of a stem. `owner` is as in `Service`."""

    def __init__(self, service: Service) -> None:
        self.service, self.sessions = service, service.sessions

    def start(
        self,
        session_id: str,
        stem: str,
        model: str | None = None,
        notify: str | None = None,
        owner: str | None = None,
        quality: str | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> Session:
        """Separate `stem` into all stems of `model` (None: `auto`); return the session of its parts.

        `quality`, `start` and `end` are as in `Choices`; a part is only taken of the song itself, `mix`. A second call
        with the same choices joins the first job, or starts it again if it has failed or was cancelled.

        Raises SessionNotFound, Forbidden, Busy, SettingError, UploadMissing.
        """
        while True:
            parent = self.service.get(session_id, owner)
            if parent.choices.format == STEM:
                raise SettingError("A stem file can't be separated further. Choose another format.", "from")
            output = _stem_of(parent, stem)
            if stem != MIX and (start, end) != (None, None):
                raise SettingError(f"A part is only taken of the whole song, {MIX}.", "start")
            wanted = Choices(
                model or AUTO,
                ALL,
                parent.choices.format,
                notify=notify,
                quality=quality,
                start=start,
                end=end,
            )
            choices = validate_choices(wanted, self.service.limits)
            entry = offered_entry(choices.model)
            if entry is not None and not has_parts(stem, entry.sources):
                raise SettingError(f"{entry.name} has only the stem {stem} itself.", "model")
            part = self._existing(parent, stem)
            if part is not None and (part.state in ACTIVE or part.state == State.COMPLETED):
                return _joined(part, choices)
            self.service.check_active(parent.owner)
            part = part or self._linked(parent, output)
            if part is not None:
                return self.service.start(part.id, None, choices, owner)
            # Another call has changed the parent meanwhile.

    def _existing(self, parent: Session, stem: str) -> Session | None:
        """Return the session of the stem's parts, if there is one."""
        found = (self.sessions.store.get(split.session_id) for split in parent.splits if split.stem == stem)
        return next((session for session in found if session is not None), None)

    def _linked(self, parent: Session, output: Output) -> Session | None:
        """Add a session for the parts of a stem, and link it to its parent; None: the parent has changed."""
        now = self.sessions.clock()
        part = Session(
            id=new_id(),
            file_name=parent.file_name,
            file_type=parent.file_type
            if output.key == parent.song_key
            else MEDIA_TYPES[parent.choices.format],
            input_key=output.key,
            created_at=now,
            updated_at=now,
            expires_at=now + self.service.limits.upload_s,
            parent=parent.id,
            stem=output.type,
            size=output.size,
            duration_s=output.duration_s,
        )
        others = tuple(split for split in parent.splits if split.stem != output.type)
        linked = replace(
            parent,
            splits=(*others, Split(output.type, part.id)),
            updated_at=now,
            expires_at=max(parent.expires_at, self.sessions.active_until()),
        )
        # Until it is linked, no worker takes it: it isn't PENDING.
        self.sessions.store.add(part)
        try:
            self.sessions.store.save(linked)
        except Changed:
            self.sessions.store.delete(part.id)
            return None
        self.sessions.follow_expiry(linked)
        return part


def _joined(part: Session, choices: Choices) -> Session:
    """Return the session of parts that are or were made with the same choices. Raises Busy for others."""
    before, now = choices_of_quality(part.choices), choices_of_quality(choices)
    if _identity(before) == _identity(now):
        return part
    what = "song" if part.stem == MIX else "stem"
    raise Busy(
        f"This {what} was separated with {part.choices.model}. Delete its parts first."
        if part.state == State.COMPLETED
        else f"This {what} is being separated with {part.choices.model}. Cancel it first."
    )


def _identity(choices: Choices) -> tuple[object, ...]:
    """Return the choices that decide what the parts are."""
    return choices.model, choices.quality, choices.start, choices.end


def _stem_of(parent: Session, stem: str) -> Output:
    """Return the output file of a stem. Raises Busy, SettingError."""
    if parent.parent is not None:
        raise SettingError("These are parts of a stem already. Send the sessionId of the song.", "sessionId")
    if parent.state != State.COMPLETED:
        raise Busy("This song has no stems yet. Wait until its status is COMPLETED.")
    stems = {output.type: output for output in parent.outputs if output.type != "video"}
    if stem == MIX:  # the song as it was uploaded, also if there is a stem of this name
        if part_of(parent.choices) is not None:
            raise SettingError(
                "This song was separated in part. Only a whole song is separated once more.", "from"
            )
        return Output(MIX, parent.file_name, parent.song_key, parent.size or 0, parent.duration_s or 0.0)
    if stem not in stems:
        raise SettingError(f"This song has no stem {stem!r}. It has {', '.join(stems)}.", "from")
    return stems[stem]
