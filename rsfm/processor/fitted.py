"""What rsfm has fitted once for all experiments: band statistics of sensors and scales of numbers, read from the package."""

import functools
from typing import Any

from rsfm.config import FITTED, from_json, read_json
from rsfm.data.training.normalize import BandStatistics
from rsfm.quantities import Quantity

STATISTICS = FITTED / "tokenizers" / "normalization" / "statistics.json"  # written by tokenizers/normalization/fit.py


@functools.cache
def _fitted() -> dict[str, Any]:
    return read_json(STATISTICS, "Install rsfm again.")


def fitted_statistics() -> dict[str, BandStatistics]:
    """Band statistics by sensor, fitted on training splits.

    >>> ProcessorConfig(streams={}, statistics=fitted_statistics(), quantities=fitted_quantities())
    """
    return from_json(dict[str, BandStatistics], _fitted()["sensors"])


def fitted_quantities() -> tuple[Quantity, ...]:
    """Scales of fuel moisture, of areas and of counts, fitted on training splits."""
    return from_json(tuple[Quantity, ...], _fitted()["quantities"])
