"""The log of a service: one line an event, for people or as JSON."""

from __future__ import annotations

import json
import logging
import time

from nowcast.core.errors import printable

FIELDS = ("outcome", "exit_code", "frame", "seconds", "detail")
"""What a record may carry besides its message."""


class TextLines(logging.Formatter):
    """``2025-03-22T12:05:03Z INFO message key=value``, UTC; a traceback follows on lines of its own."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the library's name)
        """Put the fields behind the message."""
        fields = [f"{k}={v}" for k, v in _fields(record).items() if v not in ("", None)]
        return printable(" ".join([super().formatMessage(record), *fields]))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the fields, a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as one line."""
        event = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
