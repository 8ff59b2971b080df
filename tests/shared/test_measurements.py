"""The names of measurements, which are part of the wire contract."""

import pytest

from shared.measurements import MeasurementKey


def test_there_are_all_of_them() -> None:
    assert len(MeasurementKey) == 25


@pytest.mark.parametrize("key", MeasurementKey)
def test_each_name_ends_in_its_unit(key: MeasurementKey) -> None:
    assert key.rpartition("_")[2] in {"cm", "l", "kg"}
    assert key == f"{key.name.lower()}_{key.rpartition('_')[2]}"
