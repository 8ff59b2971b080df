"""The description of the API is complete: every route says how it can fail, and every failure has one meaning."""

from typing import Any

import pytest

from api.app import build_app
from api.problems import MEDIA_TYPE, TYPE_PREFIX, Problem
from tests.api.control_plane import api_settings

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    settings = api_settings(url="http://a", storage_url="http://b", queue_url="http://c", dsn="postgresql:///")
    return build_app(settings).openapi()


def operations(schema: dict[str, Any]) -> list[Operation]:
    return [
        (method, path, operation)
        for path, methods in schema["paths"].items()
        if path.startswith("/v1/")
        for method, operation in methods.items()
    ]


def test_every_failure_is_a_problem_document(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        failures = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
        assert {"422", "500", "503"} <= set(failures), (method, path)
        for answer in failures.values():
            assert list(answer["content"]) == [MEDIA_TYPE], (method, path)
            for slug, example in answer["content"][MEDIA_TYPE]["examples"].items():
                assert example["value"]["type"] == TYPE_PREFIX + slug


def test_everything_but_the_callbacks_asks_for_a_key_or_token(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        assert bool(operation.get("security")) == ("/callbacks/" not in path), (method, path)
        assert ("401" in operation["responses"]) == ("/callbacks/" not in path), (method, path)


def test_every_route_says_what_it_is_for(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                kind, name = node["$ref"].removeprefix("#/components/").split("/")
                assert name in schema["components"][kind]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema)


def test_no_two_problems_share_a_slug() -> None:
    slugs = [problem.slug for problem in Problem.__subclasses__()]
    assert len(set(slugs)) == len(slugs)
