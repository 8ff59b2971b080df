import pytest

from bench.people.bodies import BodyModel


@pytest.fixture(scope="session")
def body_model() -> BodyModel:
    return BodyModel()
