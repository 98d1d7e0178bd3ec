"""Forecasting: asks only for what lies ahead, scores the nearest date, refuses what images cannot carry."""

import numpy as np
import pytest

from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.tasks import TASKS
from rsfm.tasks.forecasting import check_series, values_ahead
from rsfm.types import Answer, Record, Value

TASK = TASKS["forecasting"]


def series(*dates: str, valid: tuple[bool, ...] | None = None, ahead: dict[str, float] | None = None) -> Record:
    days = [days_since_2000(date) if date else float("nan") for date in dates]
    observation = observe(
        SENSORS["ndvi_series"],
        np.full((len(days), 1, 1, 1), 0.4, np.float32),
        valid=np.array(valid or (True,) * len(days))[:, None, None],
        time_days=np.array(days),
        gsd_m=10.0,
    )
    values = tuple(Value(name=f"NDVI on {date}", value=value, unit="1") for date, value in (ahead or {}).items())
    return Record(id="field", observations={"ndvi_series": observation}, values=values)


def test_it_asks_for_later_dates_only() -> None:
    record = series(
        "2017-06-01T10:06", "2017-06-11T10:06", ahead={"2017-06-01": 0.1, "2017-07-01": 0.6, "2017-06-21": 0.5}
    )
    assert [(name, date, days) for name, date, days, _ in values_ahead(record)] == [
        ("NDVI", "2017-06-21", 10),
        ("NDVI", "2017-07-01", 20),
    ]
    assert TASK.question(record) == "What will the NDVI be on 2017-06-21, 10 days after the last image?"
    asked = {TASK.dialogue(record, np.random.default_rng(seed)).spans[0].value for seed in range(20)}
    assert asked == {0.5, 0.6}
    dialogue = TASK.dialogue(record, np.random.default_rng(0))
    assert dialogue.turns[0][1] == "The NDVI will be <value>."


def test_a_masked_date_was_not_seen() -> None:
    record = series("2017-06-01", "2017-06-11", valid=(True, False), ahead={"2017-06-11": 0.5})
    assert [days for _, _, days, _ in values_ahead(record)] == [10]


def test_nothing_ahead_nothing_asked() -> None:
    for record in (
        series("2017-06-01"),
        series("2017-06-01", ahead={"2017-05-01": 0.2}),
        series("", ahead={"2017-05-01": 0.2}),
    ):
        assert TASK.dialogue(record, np.random.default_rng(0)) is None
        assert TASK.statistics(record, Answer(question="", text="")).shape == (0, 4)


def test_the_nearest_date_is_scored() -> None:
    record = series("2017-06-01", "2017-06-11", ahead={"2017-07-01": 0.6, "2017-06-21": 0.5})
    answer = Answer(question="", text="", values=(Value(name="NDVI", value=0.4, unit="", low=0.2, high=0.6),))
    rows = TASK.statistics(record, answer)
    assert rows[0] == pytest.approx([0.4, 0.5, 0.2, 0.6])
    assert TASK.metrics["mae"](rows) == pytest.approx(0.1) and TASK.metrics["coverage"](rows) == 1.0


@pytest.mark.parametrize(
    ("question", "record", "words"),
    [
        ("What will the NDVI be on 2017-09-01?", series("2017-06-01"), "at least two known dates, found 1"),
        ("Forecast the NDVI for 2017-09-01.", series("2017-06-01", ""), "at least two known dates, found 1"),
        ("How high will the NDVI be 5 days ahead?", series(""), "found none"),
        ("What has changed?", series("2017-06-01"), "at least two dates, found 1"),
        ("How much has the forest changed?", series(""), "at least two dates, found 1"),
        (
            "What will the NDVI be on 2017-05-01?",
            series("2017-06-01", "2017-06-11"),
            "2017-05-01 is not after the last image",
        ),
    ],
)
def test_questions_over_time_need_dates(question: str, record: Record, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_series(question, record)


@pytest.mark.parametrize(
    "question",
    [
        "What is this?",
        "How many hectares of water are there?",
        "Map the land cover: water, trees.",
        "Is there a harbour?",
    ],
)
def test_other_questions_do_not(question: str) -> None:
    check_series(question, series("2017-06-01"))


def test_questions_that_dates_carry_pass() -> None:
    check_series("What will the NDVI be on 2017-09-01?", series("2017-06-01", "2017-06-11"))
    check_series("What has changed?", series("", ""))
