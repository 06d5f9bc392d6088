"""Compose the e-mail about the end of a song (RFC 5322)."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from unbraid.audio.stem_names import STEM_FILE
from unbraid.jobs.session import Session, State


def compose(session: Session, sender: str, app: str | None) -> EmailMessage:
    """Compose the e-mail about the end of `session`. It has a link if `app`, the URL of the app, is known.

    Raises ValueError if the recipient's address is invalid.
    """
    name = " ".join(session.file_name.split())
    if session.state == State.COMPLETED:
        subject = f"{name} is separated"
        *others, last = [_name_of(output.type) for output in session.outputs]
        stems = f"{', '.join(others)} and {last}" if others else last
        lines = [f"Your song {name} has been separated into {stems}.", *session.warnings]
    else:
        subject = f"{name} could not be separated"
        lines = [f"Your song {name} could not be separated.", session.error_message or ""]
    if app is not None and session.state == State.COMPLETED:
        lines += ["", "Listen and download:", f"{app}/#/s/{session.id}"]
        lines += ["Anyone who has this link can listen, so keep it to yourself."]
    elif app is not None:
        lines += ["", "Try again:", f"{app}/#/s/{session.id}"]
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = Address(addr_spec=session.choices.notify or "")
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">") or None)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    message.set_content("\n".join(lines) + "\n")
    return message


def _name_of(kind: str) -> str:
    """Return what an output file is called in a sentence."""
    return "a stem file" if kind == STEM_FILE else kind
