"""Long series in bounded memory: chunks hold every date once, small scenes take small windows, what cannot fit is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.answer import dates
from rsfm.errors import UserError
from rsfm.processor import Processor, ProcessorConfig
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import Record, StreamSpec

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def processor() -> Processor:
    streams = {
        "optical": StreamSpec(families=("optical",), size=160, bands=12, patch=16),
        "sar": StreamSpec(families=("sar",), size=160, bands=2, patch=16),
    }
    return Processor(ProcessorConfig(streams=streams), TextTokenizer.load(ROOT / "tokenizers" / "text"))


def series(optical: int, radar: int, edge: int = 6) -> Record:
    rng = np.random.default_rng(0)
    made = {}
    for sensor, count in (("sentinel2_l2a", optical), ("sentinel1_rtc", radar)):
        bands = len(SENSORS[sensor].bands)
        values = rng.uniform(0.1, 0.4, (count, edge, edge, bands)).astype(np.float32)
        days = rng.permutation(count) * 5.0 + 6000
        made[sensor] = observe(SENSORS[sensor], values, time_days=days, gsd_m=10.0)
    return Record(id="series", observations=made)


@settings(max_examples=20)
@given(optical=st.integers(1, 300), radar=st.integers(1, 300))
def test_chunks_hold_every_date_once_and_fit(processor: Processor, optical: int, radar: int) -> None:
    record = series(optical, radar, edge=2)
    parts = dates.chunks(processor, record)
    assert all(dates.tokens(processor, part) <= dates.MOST_TOKENS for part in parts)
    for sensor, each in record.observations.items():
        days = np.concatenate([part.observations[sensor].time_days for part in parts])
        assert set(days.tolist()) == set(each.time_days.tolist())
        if len(each.time_days) >= len(parts):
            assert len(days) == len(each.time_days)


def test_what_fits_is_left_as_it_is(processor: Processor) -> None:
    record = series(5, 3)
    assert dates.bucketed(processor, record, edge=6) is processor
    assert dates.chunks(processor, record)[0] is record and dates.thinned(processor, record) == (record, ())


def test_a_small_scene_of_many_dates_takes_small_windows(processor: Processor) -> None:
    record = series(400, 400)
    small = dates.bucketed(processor, record, edge=6)
    assert small.config.streams["optical"].size == 16 and dates.tokens(small, record) <= dates.MOST_TOKENS
    assert len(dates.chunks(small, record)) == 1


def test_thinning_is_told_and_keeps_both_ends(processor: Processor) -> None:
    record = series(200, 1)
    thin, notes = dates.thinned(processor, record)
    assert dates.tokens(processor, thin) <= dates.MOST_TOKENS and "of 200 dates" in notes[0]
    days = thin.observations["sentinel2_l2a"].time_days
    assert days.min() == 6000 and days.max() == 6000 + 199 * 5


def test_what_cannot_fit_is_refused_in_one_line(processor: Processor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dates, "available_bytes", lambda: 100_000_000)
    with pytest.raises(UserError, match=r"400 dates of one window take about .* GB .* Name fewer dates or bands"):
        dates.check_memory(processor, series(400, 400, edge=2))
