"""The local storage server, driven by Supabase's own client and, where the wire itself matters, by plain HTTP."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import anyio
import httpx
import jwt
import psycopg
import pytest
from storage3.exceptions import StorageApiError
from storage3.types import CreateSignedUploadUrlOptions
from supabase import AsyncClient, AsyncClientOptions

from local_stack.storage.app import create_storage_app
from local_stack.storage.tokens import Keys
from tests.serving import served

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

KEYS = Keys(secret_key="sb_secret_test", publishable_key="sb_publishable_test", jwt_secret="j" * 40)
JPEG = b"\xff\xd8\xff\xe0" + b"pixels" * 100


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def url(storage_dsn: str, directory: Path) -> Iterator[str]:
    with served(create_storage_app(dsn=storage_dsn, directory=directory, keys=KEYS)) as url:
        yield url


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{url}/storage/v1") as client:
        yield client


@pytest.fixture
async def service(url: str, http: httpx.AsyncClient) -> AsyncClient:
    return supabase(url, http)


def supabase(url: str, http: httpx.AsyncClient) -> AsyncClient:
    return AsyncClient(url, KEYS.secret_key, AsyncClientOptions(httpx_client=http))


def user_token(user_id: str, *, expires_in_s: int = 60, secret: str = KEYS.jwt_secret) -> str:
    claims = {"sub": user_id, "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + expires_in_s}
    return jwt.encode(claims, secret, algorithm="HS256")


def files_on_disk(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def test_an_upload_through_a_signed_url_is_stored_once(service: AsyncClient, http: httpx.AsyncClient) -> None:
    photos = service.storage.from_("photos")
    signed = await photos.create_signed_upload_url("a/front")
    first = await http.put(signed["signed_url"], content=JPEG, headers={"content-type": "image/jpeg"})
    again = await http.put(signed["signed_url"], content=b"other", headers={"content-type": "image/jpeg"})
    assert first.status_code == 200
    assert first.json() == {"Key": "photos/a/front"}
    assert again.status_code == 400
    assert again.json() == {
        "statusCode": "409",
        "error": "Duplicate",
        "message": "The resource already exists",
        "code": "KeyAlreadyExists",
    }
    assert await photos.download("a/front") == JPEG


async def test_of_many_uploads_at_once_one_wins_and_leaves_one_file(
    service: AsyncClient, http: httpx.AsyncClient, directory: Path
) -> None:
    signed = await service.storage.from_("photos").create_signed_upload_url("a/front")
    codes: list[int] = []

    async def put(body: bytes) -> None:
        answer = await http.put(signed["signed_url"], content=body, headers={"content-type": "image/jpeg"})
        codes.append(answer.status_code)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(put, bytes([number]) * 1000)
    assert sorted(codes) == [200] + [400] * 7
    assert len(files_on_disk(directory)) == 1


async def test_an_upload_url_that_may_overwrite_replaces_the_object_and_its_file(
    service: AsyncClient, http: httpx.AsyncClient, directory: Path
) -> None:
    avatars = service.storage.from_("avatars")
    options = CreateSignedUploadUrlOptions(upsert="true")
    signed = await avatars.create_signed_upload_url("a/result.json", options)
    for body in (b"{}", b'{"again": true}'):
        answer = await http.put(signed["signed_url"], content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200
    assert await avatars.download("a/result.json") == b'{"again": true}'
    assert len(files_on_disk(directory)) == 1


async def test_signing_an_upload_of_what_exists_is_refused_unless_it_may_overwrite(service: AsyncClient) -> None:
    photos = service.storage.from_("photos")
    await photos.upload("a/front", JPEG, {"content-type": "image/jpeg"})
    with pytest.raises(StorageApiError) as refused:
        await photos.create_signed_upload_url("a/front")
    assert refused.value.status == "409"
    assert (await photos.create_signed_upload_url("a/front", CreateSignedUploadUrlOptions(upsert="true")))["token"]


@pytest.mark.parametrize("bound_to", ["object", "method", "time", "key"])
async def test_a_signed_url_opens_one_object_by_one_method_for_a_time(
    service: AsyncClient, http: httpx.AsyncClient, bound_to: str
) -> None:
    photos = service.storage.from_("photos")
    await photos.upload("a/front", JPEG, {"content-type": "image/jpeg"})
    path, code = "/object/sign/photos/a/front", "InvalidJWT"
    if bound_to == "object":
        await photos.upload("b/front", JPEG, {"content-type": "image/jpeg"})
        path, code = "/object/sign/photos/b/front", "InvalidSignature"
        token = KEYS.sign("download", "photos/a/front", 60)
    elif bound_to == "method":
        token, code = KEYS.sign("upload", "photos/a/front", 60, upsert=True), "InvalidSignature"
    elif bound_to == "time":
        token = KEYS.sign("download", "photos/a/front", -1)
    else:
        token = Keys("", "", "another secret, just as long as the first").sign("download", "photos/a/front", 60)
    answer = await http.get(path, params={"token": token})
    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert JPEG not in answer.content


async def test_a_download_url_serves_ranges(service: AsyncClient, http: httpx.AsyncClient) -> None:
    photos = service.storage.from_("photos")
    await photos.upload("a/front", JPEG, {"content-type": "image/jpeg"})
    signed = (await photos.create_signed_url("a/front", 60))["signedURL"]
    assert signed is not None
    part = await http.get(signed, headers={"range": "bytes=4-9"})
    assert part.status_code == 206
    assert part.content == b"pixels"
    assert part.headers["content-range"] == f"bytes 4-9/{len(JPEG)}"
    assert part.headers["content-type"] == "image/jpeg"
    beyond = await http.get(signed, headers={"range": f"bytes={len(JPEG) + 1}-"})
    assert beyond.status_code == 416


async def test_signing_a_download_of_nothing_says_so(service: AsyncClient) -> None:
    with pytest.raises(StorageApiError) as missing:
        await service.storage.from_("photos").create_signed_url("a/front", 60)
    assert missing.value.status == "404"


@pytest.mark.parametrize(
    ("content_type", "size_bytes", "code"),
    [("text/html", 10, "InvalidMimeType"), ("image/jpeg", 25 * 1024 * 1024 + 1, "EntityTooLarge")],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_the_limits_of_the_bucket_hold(
    service: AsyncClient,
    http: httpx.AsyncClient,
    directory: Path,
    content_type: str,
    size_bytes: int,
    code: str,
    chunked: bool,
) -> None:
    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, size_bytes, 1 << 20):
            yield bytes(min(1 << 20, size_bytes - start))

    signed = await service.storage.from_("photos").create_signed_upload_url("a/front")
    content = in_chunks() if chunked else bytes(size_bytes)
    answer = await http.put(signed["signed_url"], content=content, headers={"content-type": content_type})
    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert files_on_disk(directory) == []
    assert not await service.storage.from_("photos").exists("a/front")


async def test_info_and_list_tell_what_is_there(service: AsyncClient) -> None:
    avatars = service.storage.from_("avatars")
    await avatars.upload("a/avatar.glb", b"glTF", {"content-type": "model/gltf-binary"})
    await avatars.upload("a/deep/preview.png", b"png", {"content-type": "image/png"})
    info = await avatars.info("a/avatar.glb")
    assert info["size"] == 4
    assert info["content_type"] == "model/gltf-binary"
    entries = await avatars.list("a")
    assert [(entry["name"], entry["id"] is None) for entry in entries] == [("avatar.glb", False), ("deep", True)]
    assert entries[0]["metadata"]["size"] == 4
    assert [entry["name"] for entry in await avatars.list("a", {"limit": 1, "offset": 1})] == ["deep"]
    assert [entry["name"] for entry in await avatars.list()] == ["a"]


async def test_removed_objects_are_gone_from_disk_too(service: AsyncClient, directory: Path) -> None:
    photos = service.storage.from_("photos")
    await photos.upload("a/front", JPEG, {"content-type": "image/jpeg"})
    removed = await photos.remove(["a/front", "a/never"])
    assert [row["name"] for row in removed] == ["a/front"]
    assert not await photos.exists("a/front")
    assert files_on_disk(directory) == []
    assert await photos.remove(["a/front"]) == []


async def test_an_object_can_be_moved_but_not_onto_another(service: AsyncClient) -> None:
    photos = service.storage.from_("photos")
    await photos.upload("a/front", JPEG, {"content-type": "image/jpeg"})
    await photos.upload("a/side", b"side", {"content-type": "image/jpeg"})
    with pytest.raises(StorageApiError) as taken:
        await photos.move("a/front", "a/side")
    assert taken.value.status == "409"
    await photos.move("a/front", "b/front")
    assert await photos.download("b/front") == JPEG
    assert not await photos.exists("a/front")


async def test_buckets_are_those_of_the_migrations(service: AsyncClient) -> None:
    buckets = {bucket.id: bucket for bucket in await service.storage.list_buckets()}
    assert {name: bucket.public for name, bucket in buckets.items()} == {
        "photos": False,
        "avatars": False,
        "garments": True,
    }
    assert (await service.storage.get_bucket("photos")).file_size_limit == 25 * 1024 * 1024
    assert await service.storage.create_bucket("more") == {"name": "more"}
    with pytest.raises(StorageApiError) as again:
        await service.storage.create_bucket("more")
    assert again.value.status == "409"


async def test_only_public_buckets_are_served_without_a_key(service: AsyncClient, http: httpx.AsyncClient) -> None:
    await service.storage.from_("garments").upload("g/front.png", b"png", {"content-type": "image/png"})
    await service.storage.from_("photos").upload("a/front", JPEG, {"content-type": "image/jpeg"})
    assert (await http.get("/object/public/garments/g/front.png")).content == b"png"
    hidden = await http.get("/object/public/photos/a/front")
    assert (hidden.status_code, hidden.json()["code"]) == (400, "NoSuchBucket")


@pytest.mark.parametrize("who", ["nobody", "storefront", "stranger", "expired", "forged"])
async def test_without_the_secret_key_nothing_is_read_written_or_removed(
    service: AsyncClient, http: httpx.AsyncClient, who: str
) -> None:
    await service.storage.from_("photos").upload("a/front", JPEG, {"content-type": "image/jpeg"})
    token = {
        "nobody": "",
        "storefront": KEYS.publishable_key,
        "stranger": user_token(str(uuid4())),
        "expired": user_token(str(uuid4()), expires_in_s=-5),
        "forged": user_token(str(uuid4()), secret="not the secret of this project at all"),
    }[who]
    headers = {"authorization": f"Bearer {token}"} if token else {}
    read = await http.get("/object/photos/a/front", headers=headers)
    written = await http.post("/object/photos/a/side", headers={**headers, "content-type": "image/jpeg"}, content=JPEG)
    signed = await http.post("/object/upload/sign/photos/a/side", headers=headers)
    removed = await http.request("DELETE", "/object/photos", headers=headers, json={"prefixes": ["a/front"]})
    assert read.status_code == written.status_code == signed.status_code == 400
    # What a policy forbids is silently left out; a bad token is refused.
    assert removed.json() == [] if who in ("storefront", "stranger") else removed.json()["code"] == "AccessDenied"
    assert await service.storage.from_("photos").download("a/front") == JPEG
    assert not await service.storage.from_("photos").exists("a/side")


async def test_a_signed_in_shopper_reads_the_files_of_their_own_avatar_only(
    service: AsyncClient, http: httpx.AsyncClient, owner_dsn: str
) -> None:
    mine, other, avatar = uuid4(), uuid4(), uuid4()
    with psycopg.connect(owner_dsn) as connection:
        connection.execute("insert into users (id) values (%s), (%s)", [mine, other])
        connection.execute("insert into avatars (id, user_id, height_cm) values (%s, %s, 170)", [avatar, mine])
    await service.storage.from_("avatars").upload(
        f"{avatar}/avatar.glb", b"glTF", {"content-type": "model/gltf-binary"}
    )
    path = f"/object/authenticated/avatars/{avatar}/avatar.glb"
    own = await http.get(path, headers={"authorization": f"Bearer {user_token(str(mine))}"})
    foreign = await http.get(path, headers={"authorization": f"Bearer {user_token(str(other))}"})
    assert own.content == b"glTF"
    assert (foreign.status_code, foreign.json()["code"]) == (400, "NoSuchKey")


@pytest.mark.parametrize("key", ["a/%2e%2e/b", "a/..%2f..%2fb", "a/b%00", "a//b", "a/#%23"])
async def test_a_key_that_is_no_plain_path_is_refused(http: httpx.AsyncClient, directory: Path, key: str) -> None:
    headers = {"authorization": f"Bearer {KEYS.secret_key}", "content-type": "image/jpeg"}
    answer = await http.post(f"/object/photos/{key}", headers=headers, content=JPEG)
    assert answer.status_code in (400, 404)
    assert files_on_disk(directory) == []


async def test_html_is_never_served_as_html(service: AsyncClient, http: httpx.AsyncClient) -> None:
    await service.storage.create_bucket("loose", options={"public": True})
    await service.storage.from_("loose").upload("page", b"<script>", {"content-type": "text/html"})
    answer = await http.get("/object/public/loose/page")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_restart_keeps_every_object_and_clears_what_a_crash_left(
    service: AsyncClient, http: httpx.AsyncClient, storage_dsn: str, directory: Path
) -> None:
    await service.storage.from_("photos").upload("a/front", JPEG, {"content-type": "image/jpeg"})
    (directory / "incoming" / "unfinished").write_bytes(JPEG)
    (directory / "zz").mkdir()
    (directory / "zz" / "zz-no-row").write_bytes(JPEG)
    with served(create_storage_app(dsn=storage_dsn, directory=directory, keys=KEYS)) as url:
        assert await supabase(url, http).storage.from_("photos").download("a/front") == JPEG
    assert len(files_on_disk(directory)) == 1


async def test_a_deletion_in_sql_is_refused_as_supabase_refuses_it(service: AsyncClient, owner_dsn: str) -> None:
    await service.storage.from_("photos").upload("a/front", JPEG, {"content-type": "image/jpeg"})
    with psycopg.connect(owner_dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("delete from storage.objects")


async def test_nobody_can_have_signed_in_here(url: str, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{url}/auth/v1/.well-known/jwks.json")).json() == {"keys": []}
