"""Structured logs: one JSON object a line, with the id of the request and without secrets."""

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# Whatever slips into a message or a traceback: signed URLs, our keys, tokens of shoppers and of jobs.
SECRETS = re.compile(
    r"(?<=token=)[^\s&\"'\\]+|\b[ps]k_[\w-]{16,}|\bsb_secret_[\w-]+|\beyJ[\w-]+\.[\w-]+\.[\w-]+|(?<=callbacks/runpod/)[\w-]+"
)


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced."""
    return SECRETS.sub("[redacted]", text)


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; `extra={"fields": {...}}` adds members."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, default=str))


def configure(level: str) -> None:
    """Send every log of the process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # httpx logs whole URLs, signatures included; uvicorn's access log writes paths, which hold job tokens.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
