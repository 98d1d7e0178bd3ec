"""Numbers between physical units and the standardized scale of the value head."""

import dataclasses
import math

from rsfm.types import Value

Z_90 = 1.6449  # half width of the central 90 % of a normal distribution, in standard deviations


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantity:
    """How one kind of number is standardized; kept in the checkpoint's processor.json.

    Attributes:
        name: words that name it in questions and answers ("live fuel moisture"); "" matches any name of its unit.
        unit: "%", "ha", "" for counts.
        center, scale: standardized = (transformed - center) / scale.
        logarithmic: transformed = log(1 + value); for counts and areas.
        stretch: factor on the interval's half width, calibrated on validation data.
        lowest: values below are clipped: there are no negative areas.
    """

    name: str
    unit: str
    center: float
    scale: float
    logarithmic: bool = False
    stretch: float = 1.0
    lowest: float | None = None

    def standardize(self, value: float) -> float:
        """Physical -> standardized."""
        return ((math.log1p(max(value, 0.0)) if self.logarithmic else value) - self.center) / self.scale

    def value(self, name: str, mean: float, deviation: float) -> Value:
        """Standardized mean and deviation -> physical value with its 90 % interval."""
        half = Z_90 * deviation * self.stretch
        best, low, high = (self._physical(mean + step) for step in (0.0, -half, half))
        return Value(name=name, value=best, unit=self.unit, low=low, high=high)

    def _physical(self, standardized: float) -> float:
        transformed = standardized * self.scale + self.center
        value = math.expm1(min(transformed, 50.0)) if self.logarithmic else transformed
        return value if self.lowest is None else max(value, self.lowest)


AREA = Quantity(name="", unit="ha", center=4.0, scale=2.0, logarithmic=True, lowest=0.0)
COUNT = Quantity(name="", unit="", center=2.0, scale=1.5, logarithmic=True, lowest=0.0)


def find(quantities: tuple[Quantity, ...], words: str, unit: str) -> Quantity:
    """The quantity of this unit that the words name, else the unnamed one of the unit, else a plain scale of one."""
    of_unit = [quantity for quantity in quantities if quantity.unit == unit]
    named = [quantity for quantity in of_unit if quantity.name and quantity.name in words.lower()]
    unnamed = [quantity for quantity in of_unit if not quantity.name]
    return (named + unnamed + [Quantity(name="", unit=unit, center=0.0, scale=1.0)])[0]


def text(value: Value) -> str:
    """A value as people write it: three significant digits, counts whole."""
    if value.unit == "":
        return f"{round(value.value):d}"
    return f"{value.value:.3g}" if abs(value.value) < 1000 else f"{value.value:.0f}"
