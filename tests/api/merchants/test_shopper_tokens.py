"""Who gets a shopper token, and where it is good."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from api.authentication import SupabaseUsers
from api.problems import NotAuthenticated, ServiceUnavailable
from tests.api.control_plane import SHOP, TOKEN_SECRET, WITHOUT_PHOTO, ControlPlane
from tests.serving import free_port

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def ask(control_plane: ControlPlane, bearer: str, origin: str | None = SHOP, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {bearer}", **headers, **({"Origin": origin} if origin else {})}
    return control_plane.api.post("/v1/shopper-tokens", headers=sent)


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example", "http://shop.example", "null", "https://shop.example.evil"]
)
def test_a_publishable_key_is_good_on_its_own_sites_only(control_plane: ControlPlane, origin: str | None) -> None:
    brand = control_plane.create_brand()
    answer = ask(control_plane, brand.publishable_key, origin)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:tryon:problem:not-allowed")


def test_a_secret_key_gets_no_shopper_token(control_plane: ControlPlane) -> None:
    assert ask(control_plane, control_plane.create_brand().secret_key).status_code == 403


def test_a_token_is_refused_on_another_site_and_after_its_time(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    assert shopper.api.get("/v1/avatars").status_code == 200
    assert shopper.api.get("/v1/avatars", headers={"Origin": SHOP}).status_code == 200
    assert shopper.api.get("/v1/avatars", headers={"Origin": control_plane.url}).status_code == 200
    assert shopper.api.get("/v1/avatars", headers={"Origin": "https://evil.example"}).status_code == 403
    control_plane.clock.advance(seconds=3601)
    assert shopper.api.get("/v1/avatars").status_code == 401


def test_a_token_is_exchanged_for_the_same_shopper_before_it_expires(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar()
    control_plane.clock.advance(seconds=3000)
    renewed = ask(control_plane, shopper.token)
    assert renewed.status_code == 201
    control_plane.clock.advance(seconds=3000)
    assert shopper.api.get("/v1/avatars").status_code == 401
    again = control_plane.shopper_with(renewed.json()["token"])
    assert again.get(avatar)["id"] == avatar["id"]
    assert ask(control_plane, shopper.token).status_code == 401


def test_a_forged_token_is_refused(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    claims = jwt.decode(shopper.token, options={"verify_signature": False})
    forged = [
        jwt.encode(claims, "x" * 48, algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode({**claims, "aud": "authenticated"}, TOKEN_SECRET, algorithm="HS256"),
        jwt.encode({name: value for name, value in claims.items() if name != "exp"}, TOKEN_SECRET, algorithm="HS256"),
        shopper.token[:-4] + "AAAA",
        "a.b.c",
        "not a token",
    ]
    for token in forged:
        answer = control_plane.api.get("/v1/avatars", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token
        assert answer.json()["detail"] in ("The token is not valid.", "The key is not valid.")


class SignInService:
    """The published keys of a Supabase project, and tokens signed with them."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.key = ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        coordinates = {
            name: base64.urlsafe_b64encode(value.to_bytes(32, "big")).decode().rstrip("=")
            for name, value in (("x", numbers.x), ("y", numbers.y))
        }
        return {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1", **coordinates}]}

    def token(self, key: ec.EllipticCurvePrivateKey | None = None, **changes: Any) -> str:
        claims = {
            "iss": f"{self.url}/auth/v1",
            "aud": "authenticated",
            "sub": str(uuid4()),
            "email": "ada@example.com",
            "exp": 4_000_000_000,
            **changes,
        }
        return jwt.encode(claims, key or self.key, algorithm="ES256", headers={"kid": "k1"})


@pytest.fixture
def sign_in() -> Iterator[SignInService]:
    service = SignInService(free_port())

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(service.jwks()).encode()
            self.send_response(200 if self.path == "/auth/v1/.well-known/jwks.json" else 404)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", int(service.url.rpartition(":")[2])), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield service
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_an_access_token_of_supabase_auth_names_its_user(sign_in: SignInService) -> None:
    user = uuid4()
    shopper = await SupabaseUsers(sign_in.url).read(sign_in.token(sub=str(user)))
    assert (shopper.user_id, shopper.brand_id, shopper.email) == (user, None, "ada@example.com")


@pytest.mark.anyio
async def test_an_access_token_that_the_project_did_not_issue_is_refused(sign_in: SignInService) -> None:
    users = SupabaseUsers(sign_in.url)
    stranger = ec.generate_private_key(ec.SECP256R1())
    for token in (
        sign_in.token(stranger),
        sign_in.token(exp=1),
        sign_in.token(aud="anon"),
        sign_in.token(iss="https://other.supabase.co/auth/v1"),
        sign_in.token(sub="not a uuid"),
    ):
        with pytest.raises(NotAuthenticated):
            await users.read(token)


@pytest.mark.anyio
async def test_a_sign_in_service_that_is_away_is_our_fault_not_the_shoppers(sign_in: SignInService) -> None:
    with pytest.raises(ServiceUnavailable):
        await SupabaseUsers("http://127.0.0.1:9").read(sign_in.token())


def test_a_renewed_token_needs_a_shopper_who_still_exists(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    assert shopper.api.delete("/v1/shoppers/me").status_code == 204
    assert ask(control_plane, shopper.token).status_code == 401
    assert shopper.api.post("/v1/avatars", json=WITHOUT_PHOTO).status_code == 401
