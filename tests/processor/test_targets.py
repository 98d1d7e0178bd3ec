"""Numbers of one's own come to the scale of the value head, in whatever unit, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.errors import UserError
from rsfm.processor.targets import describe, fit_quantity, fitted, label_values
from rsfm.quantities import AREA, COUNT, Quantity, find, named_in, units_pattern
from rsfm.types import Value


class Labels:
    """A data set that knows its numbers without its records."""

    def __init__(self, **values: np.ndarray) -> None:
        self.names = {name: name.split("__") for name in values}
        self.values = values

    def __len__(self) -> int:
        return max(map(len, self.values.values()))

    def label_values(self, i: int) -> tuple[Value, ...]:
        parts = ((self.names[key], v) for key, v in self.values.items())
        return tuple(Value(name=name, value=float(v[i]), unit=unit) for (name, unit), v in parts if i < len(v))


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=60),
    st.floats(1e-3, 1e6),
    st.floats(-1e6, 1e6),
)
def test_the_scale_brings_numbers_there_and_back(values: list[float], factor: float, shift: float) -> None:
    numbers = np.array(values) * factor + shift
    quantity = fit_quantity("biomass", "t/ha", numbers)
    z = np.array([quantity.standardize(v) for v in numbers])
    if numbers.std() > 1e-6 * np.abs(numbers).max():
        assert np.isfinite(z).all() and np.abs(np.median(z)) < 5
    back = [quantity.value("biomass", float(each), 0.1) for each in z]
    spread = max(float(np.abs(numbers).max()), 1e-6)
    np.testing.assert_allclose([b.value for b in back], numbers, atol=1e-5 * spread)
    assert all(b.low <= b.value <= b.high for b in back)


@pytest.mark.parametrize("unit_factor", [1.0, 1000.0, 1e-3])
def test_the_unit_does_not_matter_to_what_is_learnt(unit_factor: float) -> None:
    biomass = np.random.default_rng(0).uniform(20, 320, 64)
    plain, other = (fit_quantity("biomass", "x", biomass * f) for f in (1.0, unit_factor))
    z = [plain.standardize(v) for v in biomass]
    np.testing.assert_allclose(z, [other.standardize(v * unit_factor) for v in biomass], rtol=1e-6)
    assert abs(np.mean(z)) < 1e-9 and np.std(z) == pytest.approx(1)


def test_skewed_numbers_get_the_scale_that_fits_those_held_out() -> None:
    rng = np.random.default_rng(1)
    even = fit_quantity("a", "m", rng.normal(20, 5, 400))
    skewed = fit_quantity("b", "m", np.exp(rng.normal(4, 1.5, 400)))
    small = fit_quantity("c", "m", 1e-3 * np.exp(rng.normal(0, 1.5, 400)))  # log(1 + x) is straight there
    two = fit_quantity("d", "m", np.where(rng.random(400) < 0.9, 0, rng.uniform(50, 60, 400)))
    assert not even.logarithmic and not even.knots and "mean" in describe(even, 400)
    assert skewed.logarithmic and skewed.lowest == 0 and "logarithm" in describe(skewed, 400)
    assert small.knots and "quantiles" in describe(small, 400)
    for quantity in (even, skewed, small, two):
        assert quantity.value("x", quantity.standardize(0.001), 0.0).value == pytest.approx(0.001, abs=1e-6)


def test_what_the_checkpoint_knows_stays_where_it_fits() -> None:
    moisture = Quantity(name="live fuel moisture", unit="%", center=104.0, scale=40.0)
    rng = np.random.default_rng(0)
    own = {
        "live fuel moisture__%": rng.normal(110, 35, 50),
        "soil moisture__%": rng.normal(25, 8, 50),
        "trees__": rng.integers(0, 90, 50).astype(float),
        "people__": rng.normal(2e7, 1e6, 50),
        "burnt area__ha": np.exp(rng.normal(5, 1, 50)),
    }
    quantities, notes = fitted((moisture, AREA, COUNT), Labels(**own))
    assert quantities[:3] == (moisture, AREA, COUNT)
    assert [(q.name, q.unit) for q in quantities[3:]] == [("soil moisture", "%"), ("people", "")]
    assert len(notes) == 2 and notes[0].startswith("soil moisture [%]: standardized by its mean")
    again, notes = fitted(quantities, Labels(**own))
    assert again == quantities and notes == ()


def test_another_unit_of_one_name_is_refused() -> None:
    with pytest.raises(UserError, match="biomass: the labels have it in 'kg' and in 't'"):
        fitted((), Labels(biomass__t=np.ones(3), biomass__kg=np.ones(3)))


def test_numbers_that_are_missing_are_left_out_and_all_alike_are_no_error() -> None:
    assert label_values(Labels(x__m=np.array([1.0, np.nan, 3.0])))["x", "m"].tolist() == [1, 3]
    assert fit_quantity("x", "m", np.full(30, 7.0)).standardize(7.0) == 0


def test_the_longest_name_and_whole_words_count() -> None:
    table = tuple(
        Quantity(name=name, unit="m", center=0.0, scale=s)
        for name, s in (("height", 1.0), ("canopy height", 2.0), ("age", 3.0))
    )
    assert [q.name for q in named_in(table, "What is the canopy height?")] == ["canopy height", "height"]
    assert named_in(table, "What is the average acreage?") == []
    assert find(table, "What is the Canopy Height? The canopy height is <value> m.", "m").scale == 2.0


@pytest.mark.parametrize("unit", ["kg m-2", "µg/m3", "1/km2", "°C", "t/ha", "m3/m3"])
def test_a_unit_of_any_spelling_is_read_behind_the_number(unit: str) -> None:
    table = (Quantity(name="yield", unit=unit, center=5.0, scale=2.0), AREA, COUNT)
    found = units_pattern(table, "<value>").search(f"The yield is <value> {unit}.")
    assert found is not None and found["unit"] == unit
    assert find(table, f"What is the yield? The yield is <value> {unit}.", unit) is table[0]
    assert find(table, f"What is the yield? The yield is <value> {unit}.", "") is table[0]
