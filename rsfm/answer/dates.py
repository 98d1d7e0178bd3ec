"""Long series at bounded memory: dates are read in chunks, and small scenes in small windows.

A window of 160 pixels and 400 dates of two sensors would be 100,000 tokens that all attend to each other. Where there are more
than `MOST_TOKENS`, windows are cut down to what is there, and dates go through the model some at a time; maps are the mean
over the chunks. What fits is read as ever.
"""

import copy
import dataclasses
import math

import numpy as np

from rsfm.data.reading.memory import available_bytes
from rsfm.errors import UserError
from rsfm.processor import Processor
from rsfm.processor.fitting import padded_times
from rsfm.pytree import replace
from rsfm.types import Observation, Record, StreamSpec

MOST_TOKENS = 2048  # of one forward pass: attention holds their square
PIXEL_BYTES = 4 * 8  # of a padded value: the arrays of a sample, and what a tokenizer makes of them
SHARE = 0.5  # of the free memory that a window may take


def tokens(processor: Processor, record: Record) -> int:
    """Tokens of a record once its windows and dates are padded."""
    return sum(_tokens(each, spec) for each, spec in _streams(processor, record))


def bucketed(processor: Processor, record: Record, edge: int) -> Processor:
    """The processor with windows no larger than a scene of `edge` pixels, where its tokens are too many; else itself."""
    if tokens(processor, record) <= MOST_TOKENS:
        return processor
    streams = {name: _bucket(spec, edge) for name, spec in processor.config.streams.items()}
    made = copy.copy(processor)
    made.config = dataclasses.replace(processor.config, streams=streams)
    return made


def chunks(processor: Processor, record: Record) -> list[Record]:
    """The record's dates in as many parts, in order of time, as keep each within MOST_TOKENS.

    Raises:
        UserError: one date alone is more than the memory holds.
    """
    check_memory(processor, record)
    most = max((np.shape(each.values)[0] for each in record.observations.values()), default=1)
    parts = next(
        (n for n in range(1, most + 1) if tokens(processor, _part(record, 0, n)) <= MOST_TOKENS or n == most), 1
    )
    return [record] if parts == 1 else [_part(record, i, parts) for i in range(parts)]


def thinned(processor: Processor, record: Record) -> tuple[Record, tuple[str, ...]]:
    """The record with as many dates as go together, evenly spread and the last among them, and a note where some are left out."""
    check_memory(processor, record)
    most = max((np.shape(each.values)[0] for each in record.observations.values()), default=1)
    count = most
    while count > 1 and tokens(processor, _spread(record, count)) > MOST_TOKENS:
        count = max(1, count // 2)
    if count == most:
        return record, ()
    return _spread(record, count), (f"read whole at {count} of {most} dates, evenly spread: so many fit together",)


def comparable(processor: Processor, record: Record) -> Record:
    """The record as changes are read from it: as many dates as go together, and only pixels that were seen twice or more."""
    record, _ = thinned(processor, record)
    seen = [np.asarray(each.valid) for each in record.observations.values()]
    if len({valid.shape[1:] for valid in seen}) > 1:
        return record
    twice = np.concatenate(seen).sum(0) > 1
    observations = {name: replace(each, valid=each.valid & twice) for name, each in record.observations.items()}
    return dataclasses.replace(record, observations=observations)


def check_memory(processor: Processor, record: Record) -> None:
    """Raises UserError where a window of all dates would not fit into memory."""
    needed, free = window_bytes(processor, record), available_bytes()
    if needed > SHARE * free:
        dates = max(np.shape(each.values)[0] for each in record.observations.values())
        raise UserError(
            f"{record.id}: {dates} dates of one window take about {needed / 1e9:,.1f} GB, of {free / 1e9:,.1f} GB of memory "
            "that are free. Name fewer dates or bands."
        )


def window_bytes(processor: Processor, record: Record) -> int:
    """About what one window takes: all its dates as read, and one chunk of them as the model holds it."""
    total = 0
    for each, spec in _streams(processor, record):
        dates, bands = np.shape(each.values)[0], np.shape(each.values)[-1]
        held = min(padded_times(dates, spec), max(1, MOST_TOKENS // (spec.size // spec.patch) ** 2))
        total += spec.size**2 * (2 * 4 * dates * bands + PIXEL_BYTES * held * spec.bands)
    return total


def windows_together(processor: Processor, record: Record, most: int) -> int:
    """How many windows are read and run at once: fewer where dates make them large."""
    return int(np.clip(SHARE * available_bytes() / 4 // max(window_bytes(processor, record), 1), 1, most))


def _streams(processor: Processor, record: Record) -> list[tuple[Observation, StreamSpec]]:
    return [
        (each, processor.config.streams[processor.stream(sensor, each)]) for sensor, each in record.observations.items()
    ]


def _tokens(observation: Observation, spec: StreamSpec) -> int:
    return padded_times(np.shape(observation.values)[0], spec) * (spec.size // spec.patch) ** 2


def _bucket(spec: StreamSpec, edge: int) -> StreamSpec:
    """The least power of two of patches that holds the edge."""
    patches = 1 << (math.ceil(edge / spec.patch) - 1).bit_length()
    return dataclasses.replace(spec, size=min(spec.size, patches * spec.patch))


def _part(record: Record, i: int, parts: int) -> Record:
    """Part i of the dates; what has no more dates than parts is in those it falls to, and a single one in all."""

    def cut(each: Observation) -> Observation:
        dates = np.argsort(np.asarray(each.time_days), kind="stable")
        if len(dates) == 1:
            return each
        own = np.array_split(dates, min(parts, len(dates)))
        return _at(each, own[i * len(own) // parts])

    return dataclasses.replace(record, observations={name: cut(each) for name, each in record.observations.items()})


def _spread(record: Record, count: int) -> Record:
    def cut(each: Observation) -> Observation:
        dates = np.argsort(np.asarray(each.time_days), kind="stable")
        return _at(each, dates[np.unique(np.linspace(0, len(dates) - 1, min(count, len(dates))).round().astype(int))])

    return dataclasses.replace(record, observations={name: cut(each) for name, each in record.observations.items()})


def _at(each: Observation, dates: np.ndarray) -> Observation:
    at = np.sort(dates)
    return replace(
        each, values=each.values[at], valid=each.valid[at], band_valid=each.band_valid[at], time_days=each.time_days[at]
    )
