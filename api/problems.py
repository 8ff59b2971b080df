"""Everything the API can answer other than success, as RFC 9457 problem documents.

Problem
 ├─ InvalidRequest            422 invalid-request
 ├─ MalformedRequest          400 malformed-request
 ├─ NotAuthenticated          401 not-authenticated
 ├─ NotAllowed                403 not-allowed
 ├─ NotFound                  404 not-found
 ├─ MethodNotAllowed          405 method-not-allowed
 ├─ ShopDomainTaken           409 shop-domain-taken
 ├─ IdempotencyKeyReused      409 idempotency-key-reused
 ├─ PhotosMissing             409 photos-missing
 ├─ PhotoUnusable             409 photo-unusable
 ├─ RequestTooLarge           413 request-too-large
 ├─ InternalError             500 internal-error
 └─ ServiceUnavailable        503 service-unavailable
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import DataError, OperationalError
from psycopg_pool import PoolTimeout, TooManyRequests
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from api.gpu_queue import QueueUnavailable
from api.object_storage import StorageUnavailable

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:tryon:problem:"

logger = logging.getLogger(__name__)


class ProblemDocument(BaseModel):
    """The body of every error answer (RFC 9457). `type` is stable; match on it, not on the texts."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


class Problem(Exception):
    """An answer other than success. `extensions` are further members of the document."""

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str, **extensions: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extensions = extensions

    def document(self) -> dict[str, Any]:
        """The problem document as JSON values."""
        return {**self.extensions, **self.members(self.detail)}

    @classmethod
    def members(cls, detail: str) -> dict[str, Any]:
        """The members that RFC 9457 defines."""
        return {"type": TYPE_PREFIX + cls.slug, "title": cls.title, "status": cls.status, "detail": detail}


class InvalidRequest(Problem):
    """The request can be read but breaks a rule; `errors` names each field and what is wrong with it."""

    status, slug, title = 422, "invalid-request", "The request breaks a rule"


class MalformedRequest(Problem):
    status, slug, title = 400, "malformed-request", "The request cannot be read"


class NotAuthenticated(Problem):
    status, slug, title = 401, "not-authenticated", "A valid key or token is needed"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class NotAllowed(Problem):
    status, slug, title = 403, "not-allowed", "This key or token does not allow that"


class NotFound(Problem):
    """What was asked for does not exist, or belongs to somebody else: the answer does not say which."""

    status, slug, title = 404, "not-found", "There is no such thing"


class MethodNotAllowed(Problem):
    status, slug, title = 405, "method-not-allowed", "This address does not answer that method"


class ShopDomainTaken(Problem):
    status, slug, title = 409, "shop-domain-taken", "Another brand has this shop domain"


class IdempotencyKeyReused(Problem):
    status, slug, title = 409, "idempotency-key-reused", "This Idempotency-Key was used for a different request"


class PhotosMissing(Problem):
    """`missing` lists the photos that have not been uploaded."""

    status, slug, title = 409, "photos-missing", "Not every photo has been uploaded"


class PhotoUnusable(Problem):
    """`photo` names the upload that is empty or too large."""

    status, slug, title = 409, "photo-unusable", "An uploaded photo is empty or too large"


class RequestTooLarge(Problem):
    status, slug, title = 413, "request-too-large", "The request body is too large"


class InternalError(Problem):
    status, slug, title = 500, "internal-error", "Something went wrong on our side"


class ServiceUnavailable(Problem):
    status, slug, title = 503, "service-unavailable", "A service we depend on does not answer"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


def documented(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route in OpenAPI: those named, and those every route can give."""
    responses: dict[int | str, dict[str, Any]] = {}
    always: tuple[type[Problem], ...] = (InvalidRequest, InternalError, ServiceUnavailable)
    for problem in problems + always:
        response = responses.setdefault(
            problem.status,
            {
                "description": problem.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        example = {"summary": problem.title, "value": problem.members(problem.title + ".")}
        response["content"][MEDIA_TYPE]["examples"][problem.slug] = example
    return responses


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The HTTP answer for a problem."""
    return JSONResponse(
        problem.document(), problem.status, headers={**problem.headers, **(headers or {})}, media_type=MEDIA_TYPE
    )


def from_validation(errors: Sequence[Any]) -> Problem:
    """What pydantic found wrong with a request, without repeating what was sent."""
    if any(error["type"] == "json_invalid" for error in errors):
        return MalformedRequest("The body is not valid JSON.")
    found = [{"field": ".".join(str(part) for part in error["loc"]), "message": error["msg"]} for error in errors]
    return InvalidRequest("; ".join(f"{each['field']}: {each['message']}" for each in found[:3]), errors=found)


def from_status(status: int, headers: Mapping[str, str] | None) -> Problem:
    """The framework's own refusals in our words."""
    match status:
        case 404:
            return NotFound("There is nothing at this address.")
        case 405:
            return MethodNotAllowed(f"Allowed: {(headers or {}).get('allow', 'see the documentation')}.")
        case 413:
            return RequestTooLarge("The request body is too large.")
        case _ if status < 500:
            return MalformedRequest("The request cannot be read.")
        case _:
            return InternalError("Please try again later.")


def install(app: FastAPI) -> None:
    """Have every failure of the app answered as a problem document."""

    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return answer(error)

    async def on_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return answer(from_validation(error.errors()))

    async def on_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return answer(from_status(error.status_code, error.headers), error.headers)

    async def on_unavailable(_: Request, error: Exception) -> JSONResponse:
        logger.warning("a service does not answer", extra={"fields": {"error": type(error).__name__}})
        return answer(ServiceUnavailable("A service we depend on does not answer. Please try again."))

    async def on_unstorable(_: Request, error: Exception) -> JSONResponse:
        return answer(InvalidRequest("The request holds a character or number that cannot be stored.", errors=[]))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(DataError, on_unstorable)
    for unavailable in (OperationalError, PoolTimeout, TooManyRequests, StorageUnavailable, QueueUnavailable):
        app.add_exception_handler(unavailable, on_unavailable)
