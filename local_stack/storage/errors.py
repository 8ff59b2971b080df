"""The faults that Supabase Storage answers with, in the shape in which it answers them."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class StorageError(Exception):
    """A fault to be answered. Supabase puts HTTP 400 on the wire and the real code, as a string, in the body."""

    def __init__(self, *, status: int, code: str, message: str, error: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.error = error or code

    def answer(self) -> JSONResponse:
        """Return the response, shaped as Supabase's."""
        body = {"statusCode": str(self.status), "error": self.error, "message": str(self), "code": self.code}
        return JSONResponse(body, status_code=500 if self.status >= 500 else 400)


async def answer_storage_error(_request: Request, error: Exception) -> Response:
    """Starlette's handler for `StorageError`."""
    assert isinstance(error, StorageError)
    return error.answer()


async def answer_database_error(_request: Request, _error: Exception) -> Response:
    """Starlette's handler for a database that does not answer."""
    message = "The connection to the database timed out"
    return StorageError(status=544, code="DatabaseTimeout", message=message).answer()


def no_such_bucket() -> StorageError:
    """Return: the bucket is missing, or the caller may not see it."""
    return StorageError(status=404, code="NoSuchBucket", error="Bucket not found", message="Bucket not found")


def no_such_key() -> StorageError:
    """Return: the object is missing, or the caller may not see it."""
    return StorageError(status=404, code="NoSuchKey", error="not_found", message="Object not found")


def key_already_exists() -> StorageError:
    """Return: an object of this key exists and may not be overwritten."""
    return StorageError(status=409, code="KeyAlreadyExists", error="Duplicate", message="The resource already exists")


def bucket_already_exists() -> StorageError:
    """Return: a bucket of this id exists."""
    return StorageError(
        status=409, code="BucketAlreadyExists", error="Duplicate", message="The resource already exists"
    )


def invalid_key(key: str) -> StorageError:
    """Return: the key has characters that object stores disagree about."""
    return StorageError(status=400, code="InvalidKey", message=f"Invalid key: {key}")


def invalid_mime_type(mime_type: str) -> StorageError:
    """Return: the bucket does not take this media type."""
    return StorageError(
        status=415,
        code="InvalidMimeType",
        error="invalid_mime_type",
        message=f"mime type {mime_type} is not supported",
    )


def entity_too_large() -> StorageError:
    """Return: the object is larger than the bucket allows."""
    return StorageError(
        status=413,
        code="EntityTooLarge",
        error="Payload too large",
        message="The object exceeded the maximum allowed size",
    )


def access_denied(message: str) -> StorageError:
    """Return: the bearer token is bad or a policy forbids it."""
    return StorageError(status=403, code="AccessDenied", error="Unauthorized", message=message)


def invalid_jwt(message: str) -> StorageError:
    """Return: a signed URL's token is expired, forged or no token at all."""
    return StorageError(status=400, code="InvalidJWT", message=message)


def invalid_signature() -> StorageError:
    """Return: a signed URL's token was made for another object or another method."""
    return StorageError(status=400, code="InvalidSignature", message="The url do not match the signature")


def invalid_request(message: str) -> StorageError:
    """Return: the request itself makes no sense."""
    return StorageError(status=400, code="InvalidRequest", message=message)
