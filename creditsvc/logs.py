"""Structured logs: one JSON object a line, on standard error. No line holds a value that a request sent.

An exception's text may quote what it failed on, so only its type and the places of its traceback are logged.
"""

import logging
import sys
import traceback
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
FRAMES_MAX = 40
CAUSES_MAX = 5


def error_fields(error: BaseException) -> dict[str, Any]:
    """Describe an exception by type and places, its causes too, never by its text."""
    found: dict[str, Any] = {"error": _type_name(error), "trace": _places(error)}
    causes: list[dict[str, Any]] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < CAUSES_MAX:
        causes.append({"error": _type_name(cause), "trace": _places(cause)})
        cause = cause.__cause__ or cause.__context__
    if causes:
        found["causes"] = causes
    return found


def _type_name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


class JsonLines(logging.Formatter):
    """A record as one line: its own ``extra={"fields": {...}}`` beside time, level, logger and message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "pid": record.process,
        }
        request_id = REQUEST_ID.get()
        if request_id is not None:
            line["request_id"] = request_id
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line.update(error_fields(record.exc_info[1]))
        return orjson.dumps(line, default=str).decode()


def _message(record: logging.LogRecord) -> str:
    # Our own messages are written to hold no values. Libraries' may: asyncio puts the text of exceptions
    # into later lines of the message, others into its arguments.
    if record.name.partition(".")[0] == "creditsvc":
        return record.getMessage()
    return str(record.msg).partition("\n")[0]


def write(lines: str) -> None:
    """Write lines that were made elsewhere to where everything is logged, never between those of others."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, JsonLines):
            with handler.lock or nullcontext():
                handler.stream.write(lines)
                handler.flush()


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send everything logged in this process to one stream (standard error unless given) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
