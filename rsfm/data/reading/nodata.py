"""Numbers that no instrument measured: fills of the product family, ends of the type, values far outside the unit.

n numbers · c bands
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped

from rsfm.types import Band, Sensor

# unit -> what a measurement can be at the very most, glint, fires, noise and corner reflectors included.
POSSIBLE: dict[str, tuple[float, float]] = {
    "reflectance": (-0.5, 10.0),
    "dB": (-90.0, 70.0),
    "K": (60.0, 2000.0),
    "degree": (-1.0, 361.0),
    "m": (-12000.0, 9500.0),
    "1": (-20.0, 20.0),
    "display": (-0.001, 1.001),
}
_USUAL_FILLS = (-9999.0, -99999.0, -32768.0, -32767.0, -3.4e38)  # of floats, by whatever program wrote them
_FEW = 3  # so many different numbers outside the unit are fills; more are another unit


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoData:
    """Where there is nothing, by stored and by physical number.

    Attributes:
        fills: stored numbers that mean nothing in any one band.
        empty: stored numbers that mean nothing where all bands of a pixel have one of them.
        low, high: of each band in its unit; what is outside is nothing.
    """

    fills: tuple[float, ...]
    empty: tuple[float, ...]
    low: Float[np.ndarray, " c"]
    high: Float[np.ndarray, " c"]

    def __call__(
        self, numbers: Shaped[np.ndarray, "*n c"], physical: Float[np.ndarray, "*n c"]
    ) -> Bool[np.ndarray, "*n c"]:
        """True where there is nothing."""
        with np.errstate(invalid="ignore"):
            nothing = ~((physical >= self.low) & (physical <= self.high))
        return nothing | self.stored(numbers)

    def stored(self, numbers: Shaped[np.ndarray, "*n c"]) -> Bool[np.ndarray, "*n c"]:
        """True where the stored number alone says so."""
        nothing = np.isin(numbers, self.fills)
        if self.empty:
            nothing |= np.isin(numbers, self.empty).all(-1, keepdims=True)
        return nothing

    def select(self, which: Bool[np.ndarray, " c"]) -> "NoData":
        """For some of the bands."""
        return dataclasses.replace(self, low=self.low[which], high=self.high[which])


def no_data(sensor: Sensor, bands: Sequence[Band], dtype: np.dtype, *, converted: bool, plausible_zero: bool) -> NoData:
    """What can be no measurement in a file.

    Args:
        sensor: the instrument, with the fills of its products.
        bands: in the file.
        dtype: of the stored numbers.
        converted: the numbers are made physical by a scale: they are the product's own digital numbers.
        plausible_zero: a number of 0 may be measured in a single band, as where an offset was taken off and cut at 0.
    """
    display = all(band.unit == "display" for band in bands)
    fills: set[float] = set()
    empty: set[float] = set()
    if dtype.kind == "f":
        fills.update(_USUAL_FILLS, map(float, (np.finfo(dtype).min, np.finfo(dtype).max)))
        fills.update(float(x) for x in sensor.fill if x < 0)
    elif dtype.itemsize > 1 and not display:
        limits = np.iinfo(dtype)
        fills.add(float(limits.max))
        if limits.min < 0:
            fills.update((float(limits.min), -9999.0))
        fills.update(float(x) for x in sensor.fill if limits.min <= x <= limits.max and converted)
    if not display and all(band.unit in ("reflectance", "dB") for band in bands):
        empty.add(0.0)
    if plausible_zero and 0.0 in fills:
        fills.discard(0.0)
        empty.add(0.0)
    low, high = np.array([POSSIBLE.get(band.unit, (-np.inf, np.inf)) for band in bands], np.float32).T
    return NoData(fills=tuple(sorted(fills)), empty=tuple(sorted(empty)), low=low, high=high)


def count_note(
    name: str,
    bands: Sequence[str],
    numbers: Shaped[np.ndarray, "n c"],
    valid: Bool[np.ndarray, "n c"],
    nothing: Bool[np.ndarray, "n c"],
) -> str | None:
    """How many numbers of a sample were taken as no data although the file does not say so, and which; None for none."""
    lost = valid & nothing
    if not lost.any():
        return None
    values, counts = np.unique(numbers[lost], return_counts=True)
    order = np.argsort(-counts)[:3]
    shown = ", ".join(f"{values[i]:g}" for i in order) + (", ..." if len(values) > 3 else "")
    hit = [band for band, any_lost in zip(bands, lost.any(0), strict=True) if any_lost]
    where = "all bands" if len(hit) == len(bands) else ", ".join(hit[:6]) + (", ..." if len(hit) > 6 else "")
    return (
        f"{name}: {lost.sum():,} of {valid.size:,} numbers looked at ({lost.sum() / valid.size:.1%}) taken as no data, though "
        f"the file does not declare them: {shown} in {where}"
    )


def few_numbers(numbers: Shaped[np.ndarray, " n"]) -> bool:
    """Whether numbers outside the unit are a fill value or two, not a measurement in another unit."""
    return len(np.unique(numbers)) <= _FEW
