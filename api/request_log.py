"""Gives every request an id, bounds its body, logs it once and turns what nobody expected into a problem."""

import logging
import re
import time
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.logs import request_id
from api.metrics import Metrics

REQUEST_ID_HEADER = "X-Request-Id"
ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
MAX_BODY_BYTES = 1024 * 1024
# Anything else a client makes up would become a label of its own in the figures.
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

logger = logging.getLogger("api.requests")


class RequestLog:
    """ASGI middleware around the whole app. Paths are logged as route templates: a real one may hold a token."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Request(scope).headers.get(REQUEST_ID_HEADER, "")
        identifier = given if ACCEPTABLE_ID.fullmatch(given) else uuid4().hex
        reset = request_id.set(identifier)
        try:
            await self._answer(scope, receive, send, identifier)
        finally:
            request_id.reset(reset)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, identifier: str) -> None:
        began, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER.lower().encode(), identifier.encode())]
                self._log(scope, status, time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, _bounded(receive), send_with_id)
        except Exception:
            logger.exception("request failed")
            if status:
                raise
            response = problems.answer(problems.InternalError(f"Please try again later. Request id: {identifier}."))
            await response(scope, receive, send_with_id)

    def _log(self, scope: Scope, status: int, duration_s: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.request_seconds.labels(method, route).observe(duration_s)
        fields = {"method": method, "route": route, "status": status, "duration_ms": round(duration_s * 1000, 1)}
        logger.info("request", extra={"fields": fields})


def _bounded(receive: Receive) -> Receive:
    received_bytes = 0

    async def receive_bounded() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > MAX_BODY_BYTES:
            # The one kind of exception that the framework, which reads the body, lets through.
            raise HTTPException(413)
        return message

    return receive_bounded
