"""The log of the server and its workers: one JSON object a line on standard error, without anything private."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextvars import ContextVar

from unbraid.jobs.privacy import redact_record

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the current request, logged with each of its lines."""

STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON, with its `extra` fields, after `jobs.privacy` has redacted it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line.update({name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(redact_record(line), ensure_ascii=False)


def set_up(level: str | None) -> None:
    """Log to standard error. Without a level: `warning` on a terminal, otherwise `info`."""
    if level is None:
        level = "warning" if sys.stderr.isatty() else "info"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These log URLs with all their parameters.
    for name in ("uvicorn.error", "uvicorn.access", "websockets", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
