"""Brands and their keys over HTTP."""

from typing import Any

import pytest

from tests.api.control_plane import SHOP, ControlPlane

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_only_the_operator_creates_brands(control_plane: ControlPlane) -> None:
    brand = control_plane.create_brand()
    for headers in ({}, bearer("op_wrong"), bearer(brand.secret_key), {"Authorization": "Basic b3A6b3A="}):
        answer = control_plane.api.post("/v1/brands", json={"name": "Another"}, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["type"] == "urn:tryon:problem:not-authenticated"


def test_only_hashes_of_keys_are_stored(control_plane: ControlPlane) -> None:
    brand = control_plane.create_brand()
    stored = str(control_plane.rows("select * from brand_keys"))
    assert brand.secret_key not in stored
    assert brand.publishable_key not in stored
    listed = control_plane.api.get(f"/v1/brands/{brand.id}/keys", headers=bearer(brand.secret_key)).json()
    assert {key["kind"] for key in listed["items"]} == {"publishable", "secret"}
    assert all(brand.secret_key not in str(key) for key in listed["items"])


def test_two_brands_cannot_have_one_shop(control_plane: ControlPlane) -> None:
    control_plane.create_brand(shopify_shop_domain="one.myshopify.com")
    request = {"name": "Two", "shopify_shop_domain": "one.myshopify.com"}
    answer = control_plane.api.post("/v1/brands", json=request, headers=control_plane.operator)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:tryon:problem:shop-domain-taken")


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"colour": "red"},
        {"allowed_origins": ["http://shop.example"]},
        {"allowed_origins": ["https://*.shop.example"]},
        {"allowed_origins": ["https://shop.example/path"]},
        {"allowed_origins": ["https://user@shop.example"]},
        {"shopify_shop_domain": "https://x.myshopify.com"},
    ],
)
def test_a_brand_that_breaks_a_rule_is_refused(control_plane: ControlPlane, change: dict[str, Any]) -> None:
    answer = control_plane.api.post("/v1/brands", json={"name": "B", **change}, headers=control_plane.operator)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert next(iter(change)) in answer.json()["errors"][0]["field"]


def test_a_secret_key_reaches_its_own_brand_only(control_plane: ControlPlane) -> None:
    mine, other = control_plane.create_brand(), control_plane.create_brand()
    for path in ("", "/keys"):
        assert control_plane.api.get(f"/v1/brands/{mine.id}{path}", headers=bearer(mine.secret_key)).status_code == 200
        assert control_plane.api.get(f"/v1/brands/{other.id}{path}", headers=bearer(mine.secret_key)).status_code == 404
        answer = control_plane.api.get(f"/v1/brands/{mine.id}{path}", headers=bearer(mine.publishable_key))
        assert answer.status_code == 403


def test_a_rotated_key_works_until_its_overlap_ends(control_plane: ControlPlane) -> None:
    brand = control_plane.create_brand()
    keys = control_plane.api.get(f"/v1/brands/{brand.id}/keys", headers=control_plane.operator).json()["items"]
    old = next(key["id"] for key in keys if key["kind"] == "secret")
    rotated = control_plane.api.post(
        f"/v1/brands/{brand.id}/keys/{old}/rotate", json={"overlap_s": 600}, headers=bearer(brand.secret_key)
    )
    assert rotated.status_code == 201
    path, new_key = f"/v1/brands/{brand.id}", rotated.json()["key"]
    assert control_plane.api.get(path, headers=bearer(new_key)).status_code == 200
    assert control_plane.api.get(path, headers=bearer(brand.secret_key)).status_code == 200
    control_plane.clock.advance(seconds=601)
    assert control_plane.api.get(path, headers=bearer(brand.secret_key)).status_code == 401
    assert control_plane.api.get(path, headers=bearer(new_key)).status_code == 200


def test_a_revoked_key_is_refused_at_once(control_plane: ControlPlane) -> None:
    brand = control_plane.create_brand()
    keys = control_plane.api.get(f"/v1/brands/{brand.id}/keys", headers=control_plane.operator).json()["items"]
    for key in keys:
        path = f"/v1/brands/{brand.id}/keys/{key['id']}"
        assert control_plane.api.delete(path, headers=control_plane.operator).status_code == 204
    assert control_plane.api.get(f"/v1/brands/{brand.id}", headers=bearer(brand.secret_key)).status_code == 401
    answer = control_plane.api.post("/v1/shopper-tokens", headers={**bearer(brand.publishable_key), "Origin": SHOP})
    assert answer.status_code == 401


def test_another_brands_key_cannot_be_revoked(control_plane: ControlPlane) -> None:
    mine, other = control_plane.create_brand(), control_plane.create_brand()
    keys = control_plane.api.get(f"/v1/brands/{other.id}/keys", headers=control_plane.operator).json()["items"]
    path = f"/v1/brands/{mine.id}/keys/{keys[0]['id']}"
    assert control_plane.api.delete(path, headers=bearer(mine.secret_key)).status_code == 404
    assert control_plane.api.get(f"/v1/brands/{other.id}", headers=bearer(other.secret_key)).status_code == 200


def test_a_list_is_walked_by_cursor_without_gap_or_double(control_plane: ControlPlane) -> None:
    created = [control_plane.create_brand(name=f"Brand {number}").id for number in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = control_plane.api.get("/v1/brands", params=query, headers=control_plane.operator).json()
        seen += [brand["id"] for brand in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == created[::-1]


def test_a_made_up_cursor_is_refused(control_plane: ControlPlane) -> None:
    for cursor in ("x", "bm90aGluZw", "MjAyNnx4"):
        answer = control_plane.api.get("/v1/brands", params={"cursor": cursor}, headers=control_plane.operator)
        assert answer.status_code == 422


def test_origins_can_be_changed(control_plane: ControlPlane) -> None:
    brand = control_plane.create_brand()
    answer = control_plane.api.patch(
        f"/v1/brands/{brand.id}",
        json={"allowed_origins": ["https://New.Example:443/"]},
        headers=bearer(brand.secret_key),
    )
    assert answer.json()["allowed_origins"] == ["https://new.example"]
    assert answer.json()["name"] == "Example Knitwear"
