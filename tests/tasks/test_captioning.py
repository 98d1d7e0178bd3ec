"""Captions are scored by all the records scored together: frequent words weigh less, and resampling keeps their weights."""

import numpy as np
import pytest

from rsfm import metrics
from rsfm.scoring.evaluation import statistics_of
from rsfm.tasks import TASKS
from rsfm.types import Answer, Record

TASK = TASKS["captioning"]
SAID = ("many planes are parked near a terminal .", "a green river runs through fields .", "a church with a dome .")


def records() -> list[Record]:
    return [
        Record(id=str(i), observations={}, captions=(said, f"{said} there is grass .")) for i, said in enumerate(SAID)
    ]


def answers(*texts: str) -> list[Answer]:
    return [Answer(question="", text=text) for text in texts]


def test_the_headline_stands_first_and_all_caption_scores_follow() -> None:
    assert list(TASK.metrics)[0] == "bleu4"
    assert set(TASK.metrics) | {"meteor exact+stem"} == set(metrics.CAPTION_METRICS)


def test_cider_is_that_of_the_corpus() -> None:
    texts = [SAID[0], "a river runs through fields .", "a green river ."]
    rows = statistics_of(TASK, records(), answers(*texts))
    expected = metrics.cider_d(texts, [record.captions for record in records()])
    np.testing.assert_allclose(rows[:, -1], expected)
    assert TASK.metrics["cider_d"](rows) == pytest.approx(expected.mean()) and expected[0] > expected[1] > expected[2]
    alone = np.concatenate([TASK.statistics(r, a) for r, a in zip(records(), answers(*texts), strict=True)])
    np.testing.assert_allclose(alone[:, :12], rows[:, :12])  # the other scores know no neighbours
    assert not alone[:, -1].any()


def test_records_without_captions_do_not_count() -> None:
    some = [*records(), Record(id="silent", observations={})]
    rows = statistics_of(TASK, some, answers(*SAID, "something"))
    np.testing.assert_array_equal(rows, statistics_of(TASK, some[:3], answers(*SAID)))
    assert len(statistics_of(TASK, some[3:], answers("something"))) == 0


def test_intervals_hold_the_score() -> None:
    rows = statistics_of(TASK, records() * 4, answers(*SAID[:2], "a dome .", *SAID[:2], "a river .", *SAID * 2))
    for metric in TASK.metrics.values():
        low, high = metrics.bootstrap_interval(rows, metric, resamples=100)
        assert low <= metric(rows) <= high
