"""The part of Supabase Storage's HTTP API that tryon uses, with its shapes and its faults, under /storage/v1."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from local_stack.storage.catalog import Catalog
from local_stack.storage.errors import (
    StorageError,
    access_denied,
    answer_database_error,
    answer_storage_error,
    invalid_key,
    invalid_request,
    key_already_exists,
    no_such_bucket,
)
from local_stack.storage.files import FileStore
from local_stack.storage.messages import count, file_answer, json_answer, read_body, required_text, shown_bucket
from local_stack.storage.objects import Objects, check_key
from local_stack.storage.tokens import SERVICE, UPLOAD_URL_TTL_S, Caller, Keys
from local_stack.storage.uploads import read_upload

_LONGEST_DOWNLOAD_URL_TTL_S = 7 * 24 * 3600


def create_storage_app(*, dsn: str, directory: Path, keys: Keys) -> Starlette:
    """Return the ASGI application; it connects to `dsn` as `supabase_storage_admin` and keeps bytes in `directory`."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with Catalog.connect(dsn) as catalog:
            objects = Objects(catalog, FileStore(directory))
            await objects.clear_leftovers()
            app.state.catalog, app.state.objects, app.state.keys = catalog, objects, keys
            yield

    routes = [
        Route("/status", status, methods=["GET"]),
        Route("/bucket", list_buckets, methods=["GET"]),
        Route("/bucket", create_bucket, methods=["POST"]),
        Route("/bucket/{bucket}", get_bucket, methods=["GET"]),
        Route("/object/upload/sign/{bucket}/{key:path}", sign_upload, methods=["POST"]),
        Route("/object/upload/sign/{bucket}/{key:path}", upload_signed, methods=["PUT"]),
        Route("/object/sign/{bucket}/{key:path}", sign_download, methods=["POST"]),
        Route("/object/sign/{bucket}/{key:path}", download_signed, methods=["GET"]),
        Route("/object/list/{bucket}", list_objects, methods=["POST"]),
        Route("/object/info/{bucket}/{key:path}", object_info, methods=["GET"]),
        Route("/object/public/{bucket}/{key:path}", download_public, methods=["GET"]),
        Route("/object/authenticated/{bucket}/{key:path}", download, methods=["GET"]),
        Route("/object/move", move_object, methods=["POST"]),
        Route("/object/{bucket}", remove_objects, methods=["DELETE"]),
        Route("/object/{bucket}/{key:path}", upload, methods=["POST", "PUT"]),
        Route("/object/{bucket}/{key:path}", download, methods=["GET"]),
        Route("/object/{bucket}/{key:path}", remove_object, methods=["DELETE"]),
    ]
    return Starlette(
        routes=[Mount("/storage/v1", routes=routes), Route("/auth/v1/.well-known/jwks.json", no_signing_keys)],
        # The shopper's browser uploads from the shop's own origin, and no cookie is involved.
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])],
        exception_handlers={
            StorageError: answer_storage_error,
            psycopg.OperationalError: answer_database_error,
        },
        lifespan=lifespan,
    )


async def status(request: Request) -> Response:
    """Whether the server and its database answer."""
    await _catalog(request).ping()
    return Response(status_code=200)


async def no_signing_keys(_request: Request) -> Response:
    """The keys that sign-in tokens are verified with: none, since nobody can sign in here."""
    return json_answer({"keys": []})


async def list_buckets(request: Request) -> Response:
    """Every bucket the caller may see."""
    return json_answer([shown_bucket(row) for row in await _catalog(request).buckets(_caller(request))])


async def get_bucket(request: Request) -> Response:
    """One bucket."""
    return json_answer(shown_bucket(await _catalog(request).bucket(request.path_params["bucket"], _caller(request))))


async def create_bucket(request: Request) -> Response:
    """A new bucket, with its limits."""
    body = await read_body(request)
    name = required_text(body, "name")
    bucket = {
        "id": str(body.get("id") or name),
        "name": name,
        "public": bool(body.get("public", False)),
        "file_size_limit": body.get("file_size_limit"),
        "allowed_mime_types": body.get("allowed_mime_types"),
    }
    await _catalog(request).add_bucket(bucket, _caller(request))
    return json_answer({"name": bucket["name"]})


async def upload(request: Request) -> Response:
    """Store an object; POST refuses an existing one unless `x-upsert: true`, PUT replaces it."""
    caller = _caller(request)
    bucket, key = _place(request)
    overwrite = request.method == "PUT" or _asks_to_overwrite(request)
    if request.method == "PUT":
        await _objects(request).get(bucket, key, caller)
    async with read_upload(request, await _bucket_row(request, bucket)) as incoming:
        row = await _objects(request).put(bucket, key, incoming, overwrite=overwrite, caller=caller)
    return json_answer({"Key": f"{bucket}/{key}", "Id": row["id"]})


async def sign_upload(request: Request) -> Response:
    """A URL that takes one upload without any other credential; whether it may overwrite is settled now."""
    caller = _caller(request)
    bucket, key = _place(request)
    check_key(key)
    await _bucket_row(request, bucket)
    overwrite = _asks_to_overwrite(request)
    if caller.role != "service_role":
        # No policy of ours lets anybody else write an object, so nobody else gets to sign for one.
        raise access_denied("new row violates row-level security policy")
    if not overwrite and await _catalog(request).find(bucket, key, SERVICE) is not None:
        raise key_already_exists()
    token = _keys(request).sign("upload", f"{bucket}/{key}", UPLOAD_URL_TTL_S, upsert=overwrite)
    return json_answer({"url": f"/object/upload/sign/{quote(f'{bucket}/{key}')}?token={token}", "token": token})


async def upload_signed(request: Request) -> Response:
    """The upload that a signed URL allows."""
    bucket, key = _place(request)
    claims = _keys(request).verify(request.query_params.get("token", ""), "upload", f"{bucket}/{key}")
    async with read_upload(request, await _bucket_row(request, bucket)) as incoming:
        await _objects(request).put(bucket, key, incoming, overwrite=bool(claims["upsert"]), caller=SERVICE)
    return json_answer({"Key": f"{bucket}/{key}"})


async def sign_download(request: Request) -> Response:
    """A URL that reads one object for a while without any other credential."""
    bucket, key = _place(request)
    await _objects(request).get(bucket, key, _caller(request))
    body = await read_body(request)
    try:
        ttl_s = int(body["expiresIn"])
    except (KeyError, TypeError, ValueError) as error:
        raise invalid_request("body must have property 'expiresIn', a whole number of seconds") from error
    if not 1 <= ttl_s <= _LONGEST_DOWNLOAD_URL_TTL_S:
        raise invalid_request("body/expiresIn is out of range")
    token = _keys(request).sign("download", f"{bucket}/{key}", ttl_s)
    return json_answer({"signedURL": f"/object/sign/{quote(f'{bucket}/{key}')}?token={token}"})


async def download_signed(request: Request) -> Response:
    """The object that a signed URL opens."""
    bucket, key = _place(request)
    _keys(request).verify(request.query_params.get("token", ""), "download", f"{bucket}/{key}")
    return file_answer(request, await _objects(request).get(bucket, key, SERVICE))


async def download_public(request: Request) -> Response:
    """An object of a public bucket."""
    bucket, key = _place(request)
    if not (await _bucket_row(request, bucket))["public"]:
        raise no_such_bucket()
    return file_answer(request, await _objects(request).get(bucket, key, SERVICE))


async def download(request: Request) -> Response:
    """An object that the caller's policies allow."""
    bucket, key = _place(request)
    return file_answer(request, await _objects(request).get(bucket, key, _caller(request)))


async def object_info(request: Request) -> Response:
    """An object's size, type and times."""
    bucket, key = _place(request)
    row = (await _objects(request).get(bucket, key, _caller(request))).row
    metadata = row["metadata"]
    return json_answer(
        {
            "id": row["id"],
            "name": row["name"],
            "version": row["version"],
            "bucket_id": row["bucket_id"],
            "size": metadata["size"],
            "content_type": metadata["mimetype"],
            "cache_control": metadata["cacheControl"],
            "etag": metadata["eTag"],
            "metadata": row["user_metadata"] or {},
            "last_modified": metadata["lastModified"],
            "created_at": row["created_at"],
        }
    )


async def list_objects(request: Request) -> Response:
    """What lies in a folder, a page of it."""
    body = await read_body(request)
    limit, offset = count(body, "limit", 100), count(body, "offset", 0)
    order = body.get("sortBy") or {}
    search = str(body.get("search") or "").lower()
    bucket, caller = request.path_params["bucket"], _caller(request)
    entries = await _objects(request).list_folder(bucket, str(body.get("prefix", "")), caller)
    found = [entry for entry in entries if entry["name"].lower().startswith(search)]
    column = order.get("column", "name")
    if column not in ("name", "created_at", "updated_at", "last_accessed_at"):
        raise invalid_request("body/sortBy/column is unknown")
    found.sort(key=lambda entry: (str(entry[column] or ""), entry["name"]), reverse=order.get("order") == "desc")
    return json_answer(found[offset : offset + limit])


async def move_object(request: Request) -> Response:
    """Another key for an object."""
    body = await read_body(request)
    bucket, source, target = (required_text(body, name) for name in ("bucketId", "sourceKey", "destinationKey"))
    await _objects(request).move(bucket, source, target, _caller(request))
    return json_answer({"message": "Successfully moved"})


async def remove_objects(request: Request) -> Response:
    """Remove objects; those that a policy forbids, or that are not there, are left out of the answer."""
    body = await read_body(request)
    prefixes = body.get("prefixes")
    if not isinstance(prefixes, list) or not prefixes:
        raise invalid_request("body must have property 'prefixes', a list that is not empty")
    bucket = request.path_params["bucket"]
    return json_answer(await _objects(request).remove(bucket, [str(key) for key in prefixes], _caller(request)))


async def remove_object(request: Request) -> Response:
    """Remove one object."""
    bucket, key = _place(request)
    caller = _caller(request)
    await _objects(request).get(bucket, key, caller)
    await _objects(request).remove(bucket, [key], caller)
    return json_answer({"message": "Successfully deleted"})


def _objects(request: Request) -> Objects:
    objects = request.app.state.objects
    assert isinstance(objects, Objects)
    return objects


def _catalog(request: Request) -> Catalog:
    catalog = request.app.state.catalog
    assert isinstance(catalog, Catalog)
    return catalog


def _keys(request: Request) -> Keys:
    keys = request.app.state.keys
    assert isinstance(keys, Keys)
    return keys


def _caller(request: Request) -> Caller:
    return _keys(request).identify(request.headers.get("authorization"), request.headers.get("apikey"))


def _place(request: Request) -> tuple[str, str]:
    bucket, key = request.path_params["bucket"], request.path_params["key"]
    if not key:
        raise invalid_key(key)
    return bucket, key


async def _bucket_row(request: Request, bucket: str) -> dict[str, Any]:
    return await _catalog(request).bucket(bucket, SERVICE)


def _asks_to_overwrite(request: Request) -> bool:
    return request.headers.get("x-upsert") == "true"
