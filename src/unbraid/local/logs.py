"""What the processes of the app write down: one JSON object a line, on standard error.

Nothing in it leads to a song or to whoever brought it: no names of files, no links, no ids of sessions, no addresses.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Joins the lines of one request."""

# Ids are 32 letters of URLs, and keys hold them; both may stand in the message of an error.
PRIVATE = re.compile(r"(?:files|inputs|outputs|mixes|zips)/[^\s'\"]+|(?<![\w-])[\w-]{32,}", re.ASCII)
EVERY_RECORD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON, with whatever `extra` it was given."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": PRIVATE.sub("…", record.getMessage()),
        }
        if (current := request_id.get()) is not None:
            told["request_id"] = current
        told.update({name: value for name, value in vars(record).items() if name not in EVERY_RECORD})
        if record.exc_info:
            told["traceback"] = PRIVATE.sub("…", self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False, default=str)


def set_up(level: str | None) -> None:
    """Log to standard error; without a level, all but details, or on a terminal warnings alone."""
    if level is None:
        level = "warning" if sys.stderr.isatty() else "info"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These tell addresses with all their parameters.
    for name in ("uvicorn.error", "uvicorn.access", "websockets", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
