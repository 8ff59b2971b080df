"""The description of the API is complete: every route says how it can fail, and every failure has one meaning."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from api.app import build_app
from api.avatars.schemas import AvatarState
from api.events import format_event
from api.problems import MEDIA_TYPE, TYPE_PREFIX, Problem, ProblemDocument
from api.schemas import AnswerModel, RequestModel
from shared.jobs import WireModel
from shared.measurements import MeasurementKey
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


def json_schemas(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every JSON request and every JSON success answer: where it is, and its schema."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            bodies = {"request": operation.get("requestBody", {})}
            bodies |= {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
            for what, body in bodies.items():
                if "application/json" in body.get("content", {}):
                    found = body["content"]["application/json"]["schema"]
                    # An optional body or one given in place has no name to resolve; none of ours is.
                    yield f"{method} {path} {what}", schema["components"]["schemas"][found["$ref"].split("/")[-1]]


def shown_models() -> dict[str, type[BaseModel]]:
    """Every model by the title of its schema."""
    found: dict[str, type[BaseModel]] = {}
    waiting: list[type[BaseModel]] = [RequestModel, AnswerModel, WireModel, ProblemDocument]
    while waiting:
        model = waiting.pop()
        found[model.__name__] = model
        waiting += model.__subclasses__()
    return found


def test_every_json_body_has_an_example_with_every_field(schema: dict[str, Any]) -> None:
    bodies = dict(json_schemas(schema))
    assert len(bodies) >= 20
    for where, body in bodies.items():
        assert body.get("examples"), where
        for example in body["examples"]:
            assert where.endswith("request") or example.keys() == body["properties"].keys(), where


def test_every_example_is_what_its_model_reads_and_writes(schema: dict[str, Any]) -> None:
    models = shown_models()
    for name, component in schema["components"]["schemas"].items():
        if component["type"] != "object":
            continue
        model = models[component["title"]]
        assert component.get("examples"), name
        for example in component["examples"]:
            read = model.model_validate_json(json.dumps(example))
            # A member that the model does not know would not come back.
            assert read.model_dump(mode="json", exclude_unset=True) == example, name


def test_the_avatar_shown_as_ready_has_every_measurement(schema: dict[str, Any]) -> None:
    ready = schema["components"]["schemas"]["AvatarView"]["examples"][0]
    assert ready["measurements"].keys() == set(MeasurementKey)


def test_every_other_answer_has_an_example_in_its_own_format(schema: dict[str, Any]) -> None:
    def content(path: str) -> dict[str, Any]:
        found: dict[str, Any] = schema["paths"][path]["get"]["responses"]["200"]
        return found

    stream = content("/v1/avatars/{avatar_id}/events")["content"]["text/event-stream"]["example"]
    events = [part for part in stream.split("\n\n") if part.startswith("id: ")]
    states = [AvatarState.model_validate_json(event.split("\ndata: ")[1]) for event in events]
    assert [state.status for state in states] == ["processing", "ready"]
    written = [
        format_event(name="avatar", identifier=7 + index, data=state.model_dump_json())
        for index, state in enumerate(states)
    ]
    assert [f"{event}\n\n".encode() for event in events] == written
    assert list(text_string_to_metric_families(content("/metrics")["content"]["text/plain"]["example"]))
    for path in ("/v1/avatars/{avatar_id}/export", "/v1/shoppers/me/export"):
        assert content(path)["headers"]["Content-Disposition"]["example"].endswith('.zip"')


def test_every_header_is_described_and_shown(schema: dict[str, Any]) -> None:
    headers = {
        parameter["name"]: parameter
        for _, _, operation in operations(schema)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "header"
    }
    assert headers.keys() == {"Idempotency-Key", "Last-Event-ID", "Origin"}
    for name, parameter in headers.items():
        assert parameter["description"], name
        assert parameter["schema"]["examples"], name
    publishable_key = schema["components"]["securitySchemes"]["publishableKeyHeader"]
    assert publishable_key["name"] == "X-Publishable-Key"
    assert "`pk_example" in publishable_key["description"]
