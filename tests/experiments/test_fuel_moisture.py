"""The fuel moisture experiment: what its models are given, and rows that read back."""

from pathlib import Path

import numpy as np
import pytest

from experiments.fuel_moisture.examples import Examples, read
from experiments.fuel_moisture.intervals import WAYS, Said, on_other_sites
from experiments.fuel_moisture.intervals import rows as interval_rows
from experiments.fuel_moisture.table import PUBLISHED, published, rows
from rsfm.scoring.results import append_rows
from tests.data import layouts


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Examples]:
    root = tmp_path_factory.mktemp("data")
    layouts.fuel_moisture(root, np.random.default_rng(0))
    return {name: read(root, name) for name in ("trainval", "test")}


def test_presto_is_given_the_published_columns_in_its_numbers(split: dict[str, Examples]) -> None:
    examples = split["trainval"]
    physical = np.stack([r.observations["fuel_moisture_table"].values[:, 0, 0] for r in examples.records])
    values = np.asarray(examples.inputs.values)
    assert values.shape[-1] == 17
    np.testing.assert_allclose(values[..., 0], physical[..., 0] / 25 + 1, rtol=1e-4)  # VV in dB
    np.testing.assert_allclose(values[..., 10:12], physical[..., 11:13], rtol=1e-4)  # B11 B12: B9 is left out
    np.testing.assert_allclose(values[..., 16], physical[..., 17], rtol=1e-4)  # NDVI


def test_no_site_is_in_both_splits(split: dict[str, Examples]) -> None:
    assert not set(split["trainval"].site) & set(split["test"].site)


def test_features_grow_by_what_they_are_named_for(split: dict[str, Examples]) -> None:
    plain = split["test"].plain
    widths = {name: value.shape[1] for name, value in plain.items()}
    bands = widths["bands"]
    assert widths == {
        "bands": bands,
        "bands + month": bands + 2,
        "bands + place": bands + 3,
        "bands + place + month": bands + 5,
        "bands + place + month + date": bands + 6,
    }
    np.testing.assert_allclose(np.linalg.norm(plain["bands + place"][:, bands:], axis=1), 1.0, atol=1e-6)


def test_rows_are_scored_by_the_task_and_read_back(split: dict[str, Examples], tmp_path: Path) -> None:
    test = split["test"]
    made = [row for part in published(split["trainval"], test) for row in part]
    made += rows(test, "right", [test.target, test.target + 10], config="rsfm", only="rsfm")
    written = append_rows(tmp_path / "fuel_moisture.jsonl", made)
    assert [row.model for row in written[: len(PUBLISHED)]] == list(PUBLISHED)
    error = next(row for row in written if row.config == "rsfm" and row.metric == "rmse")
    assert error.value == pytest.approx(5.0, rel=1e-3) and error.n == len(test) and error.seeds == (0, 1)


@pytest.fixture
def said(rng: np.random.Generator) -> Said:
    """Forecasts twice as sure as they may be, three times in January."""
    site = np.repeat(np.arange(40), 20)
    month = np.where(np.arange(800) % 2, "01", "07")
    middle, arm = rng.normal(4.5, 0.3, 800), np.full(800, 0.3)
    target = middle + arm / 1.645 * np.where(month == "01", 3, 2) * rng.normal(size=800)
    place = np.where(site < 20, "south, low", "north, low")
    return Said(target=target, middle=middle, low=middle - arm, high=middle + arm, month=month, place=place, site=site)


def test_intervals_hold_on_sites_they_were_not_calibrated_on(said: Said) -> None:
    named = {"config": "rsfm", "model": "some"}
    found = {row["metric"]: row for row in interval_rows(said, [on_other_sites(said, "a factor a month", 0)], named)}
    for metric in ("coverage", "coverage, month 01", "coverage, month 07", "coverage, sites north, low"):
        assert found[metric]["value"] == pytest.approx(0.9, abs=0.03)
        assert found[metric]["low"] < found[metric]["value"] < found[metric]["high"]
    assert found["width %, month 01"]["value"] > 1.2 * found["width %, month 07"]["value"]
    together = {row["metric"]: row for row in interval_rows(said, [on_other_sites(said, "one factor", 0)], named)}
    assert together["coverage, month 01"]["value"] < 0.87 < 0.93 < together["coverage, month 07"]["value"]


def test_a_site_does_not_calibrate_itself(said: Said) -> None:
    spoiled = said.take(np.ones(800, bool))
    spoiled.target[said.site == 3] += 100.0
    for way in WAYS:
        plain, changed = on_other_sites(said, way, 0), on_other_sites(spoiled, way, 0)
        own = said.site == 3
        np.testing.assert_array_equal(plain[0][own], changed[0][own])
