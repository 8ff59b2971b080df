"""Measurements as lines that a person reads."""

from collections.abc import Mapping

from shared.measurements import MeasurementKey


def measurement_lines(measurements: Mapping[MeasurementKey, tuple[float, float]]) -> list[str]:
    """A line each of name, value, unit and error from value and `error_p90`, and what the error means."""
    lines = []
    for key, (value, error_p90) in measurements.items():
        name, _, unit = key.rpartition("_")
        lines.append(f"  {name.replace('_', ' '):22} {value:6.1f} {unit:2}  \u00b1 {error_p90:.1f}")
    return [*lines, "  (nine in ten true values lie within \u00b1)"]
