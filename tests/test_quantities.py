"""Numbers keep their meaning between units and the standardized scale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.quantities import AREA, COUNT, Quantity, find, text
from rsfm.types import Value

MOISTURE = Quantity(name="live fuel moisture", unit="%", center=104.0, scale=40.0)


@given(st.floats(0, 1e6))
def test_there_and_back(value):
    for quantity in (AREA, COUNT, MOISTURE):
        back = quantity.value("x", quantity.standardize(value), 0.1)
        assert back.value == pytest.approx(value, rel=1e-6, abs=1e-6)
        assert back.low <= back.value <= back.high


def test_the_named_quantity_of_a_unit_goes_first():
    table = (MOISTURE, Quantity(name="", unit="%", center=50.0, scale=25.0), AREA)
    assert find(table, "What is the live fuel moisture?", "%") is MOISTURE
    assert find(table, "What is the cloud cover?", "%").center == 50.0
    assert find(table, "How high?", "m").scale == 1.0


@pytest.mark.parametrize(
    ("value", "shown"),
    [((7.4, ""), "7"), ((112.3, "%"), "112"), ((0.01234, "ha"), "0.0123"), ((52341.0, "ha"), "52341")],
)
def test_text(value, shown):
    assert text(Value(name="x", value=value[0], unit=value[1])) == shown
