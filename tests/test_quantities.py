"""Numbers keep their meaning between units and the standardized scale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.errors import UserError
from rsfm.quantities import AREA, COUNT, Quantity, check_question, check_unit, find, interval, read_number, text
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


def test_a_pure_number_is_not_read_as_a_count():
    table = (MOISTURE, AREA, COUNT)
    trained = find(table, "NDVI What will the NDVI be on 2017-06-01? The NDVI will be <value>.", "1")
    said = find(table, "What will the NDVI be on 2017-06-01? The NDVI will be <value>.", "")
    assert said == trained and said.unit == "1"
    value = said.value("NDVI", trained.standardize(0.42), 0.05)
    assert value.value == pytest.approx(0.42) and text(value) == "0.42"
    assert interval(value) == " (90 % interval 0.338-0.502)" and read_number("about 0.42.", "1") == 0.42
    ndvi = Quantity(name="NDVI", unit="1", center=0.3, scale=0.3)
    assert find((*table, ndvi), "What is the NDVI? The NDVI is <value>.", "") is ndvi
    assert find((*table, ndvi), "NDVI What is the NDVI? The NDVI is <value>.", "1") is ndvi


def test_a_unit_outside_the_table_keeps_its_plain_scale():
    assert find((MOISTURE, COUNT), "How much biomass is there? The biomass is <value> t/ha.", "").unit == "t/ha"


@pytest.mark.parametrize(
    "words",
    (
        "How many ships are there? There are <value> ships.",
        "ships How many ships are there? There are <value> ships.",
        "What is the number of ships? The number of ships is <value>.",
        "How many trees?",
    ),
)
def test_counts_stay_counts(words):
    ndvi = Quantity(name="NDVI", unit="1", center=0.3, scale=0.3)
    assert find((MOISTURE, AREA, COUNT, ndvi), words, "") is COUNT


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ((7.4, ""), "7"),
        ((112.3, "%"), "112"),
        ((0.01234, "ha"), "0.0123"),
        ((52341.0, "ha"), "52341"),
        ((999.7, "%"), "1000"),
    ],
)
def test_text(value, shown):
    assert text(Value(name="x", value=value[0], unit=value[1])) == shown


def test_the_interval_in_words():
    assert interval(MOISTURE.value("x", 0.2, 0.5)) == " (90 % interval 79.1-145 %)"
    assert interval(Value(name="x", value=1.0, unit="degC", low=-3.0, high=5.0)) == " (90 % interval -3 to 5 degC)"
    assert interval(Value(name="x", value=1.0, unit="%")) == ""


@given(st.floats(-3, 3), st.floats(0.01, 2), st.floats(0.01, 2), st.floats(0.5, 3), st.floats(-0.1, 1))
def test_calibration_moves_the_ends_and_not_the_value(mean, below, above, stretch, widen):
    plain = MOISTURE.value_between("x", mean, mean - below, mean, mean + above)
    moved = Quantity(name="x", unit="%", center=104.0, scale=40.0, stretch=stretch, widen=widen)
    moved = moved.value_between("x", mean, mean - below, mean, mean + above)
    assert moved.value == plain.value and moved.low <= moved.value <= moved.high
    assert moved.high == pytest.approx(max(plain.value + 40 * (stretch * above + widen), moved.value))


def test_a_normal_calibrated_either_way_is_the_same():
    by_parts = MOISTURE.value_between("x", 0.3, 0.3 - 1.6449 * 0.5, 0.3, 0.3 + 1.6449 * 0.5)
    whole = MOISTURE.value("x", 0.3, 0.5)
    assert (by_parts.low, by_parts.high) == pytest.approx((whole.low, whole.high))


def test_values_of_another_unit_are_refused():
    check_unit((MOISTURE, AREA), "live fuel moisture", "%")
    check_unit((MOISTURE, AREA), "biomass", "t/ha")
    with pytest.raises(
        UserError, match="live fuel moisture: found values in 't/ha', this checkpoint measures it in '%'"
    ):
        check_unit((MOISTURE, AREA), "live fuel moisture", "t/ha")


def test_questions_for_another_unit_are_refused():
    for fine in ("What is the live fuel moisture in percent?", "What is the live fuel moisture in California?"):
        check_question((MOISTURE,), fine)
    with pytest.raises(UserError, match="asks for live fuel moisture in 't/ha'; this checkpoint measures it in '%'"):
        check_question((MOISTURE,), "What is the live fuel moisture in t/ha?")


def test_numbers_are_read_with_their_unit():
    assert read_number("The live fuel moisture is 112 %.", "%") == 112.0
    assert read_number("-1.5e3") == -1500.0
    with pytest.raises(UserError, match="Expected a number in %, found 'rather high'"):
        read_number("rather high", "%")
    with pytest.raises(UserError, match=r"Expected a number in '%', found 'ha' after 112\."):
        read_number("112 ha", "%")
    with pytest.raises(UserError, match="found no unit after 112"):
        read_number("112", "%")
