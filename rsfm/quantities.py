"""Numbers between physical units and the standardized scale of the value head, and as people write and read them."""

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence

from rsfm.errors import UserError
from rsfm.types import PURE, MapScale, Value

Z_90 = 1.6449  # half width of the central 90 % of a normal distribution, in standard deviations


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantity:
    """How one kind of number is standardized; kept in the checkpoint's processor.json.

    Attributes:
        name: words that name it in questions and answers ("live fuel moisture"); "" matches any name of its unit.
        unit: "%", "ha", "" for counts, "1" for indices and shares.
        center, scale: standardized = (transformed - center) / scale.
        logarithmic: transformed = log(1 + value); for counts and areas.
        knots: rising pairs (value, transformed) that transformed is read off between, and straight on beyond; (): none. For
            skewed numbers that no logarithm straightens.
        stretch: factor on the interval's arms, calibrated on validation data (rsfm.metrics.calibration).
        widen: added at both ends after that, standardized; calibrated too.
        lowest: values below are clipped: there are no negative areas.
        map_edges: rising edges, in `unit`, of the classes that a map of it is made of, where the checkpoint maps it pixel by
            pixel (rsfm.tasks.value_map). () = it is one number a scene.
    """

    name: str
    unit: str
    center: float
    scale: float
    logarithmic: bool = False
    knots: tuple[tuple[float, float], ...] = ()
    stretch: float = 1.0
    widen: float = 0.0
    lowest: float | None = None
    map_edges: tuple[float, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether its intervals are told: of a measured quantity that was fitted by name, or calibrated on held-out data."""
        return bool(self.name and self.unit) or self.stretch != 1.0 or self.widen != 0.0

    @property
    def map_legend(self) -> tuple[str, ...]:
        """Names of the classes between the edges: "0 to 5 m"."""
        return classes_between(self.map_edges, self.unit)

    def standardize(self, value: float) -> float:
        """Physical -> standardized."""
        if self.knots:
            transformed = _along(self.knots, value)
        else:
            transformed = math.log1p(max(value, 0.0)) if self.logarithmic else value
        return (transformed - self.center) / self.scale

    def value(self, name: str, mean: float, deviation: float) -> Value:
        """Standardized mean and deviation -> physical value with its 90 % interval."""
        half = Z_90 * deviation * self.stretch + self.widen
        best, low, high = (self._physical(mean + step) for step in (0.0, -half, half))
        return Value(name=name, value=best, unit=self.unit, low=low, high=high)

    def value_between(self, name: str, mean: float, low: float, middle: float, high: float) -> Value:
        """Standardized mean and 5, 50 and 95 % quantiles -> physical value with its calibrated 90 % interval."""
        ends = (
            middle - self.stretch * (middle - low) - self.widen,
            middle + self.stretch * (high - middle) + self.widen,
        )
        best, bottom, top = (self._physical(z) for z in (mean, *ends))
        return Value(name=name, value=best, unit=self.unit, low=min(bottom, best), high=max(top, best))

    def _physical(self, standardized: float) -> float:
        transformed = standardized * self.scale + self.center
        if self.knots:
            value = _along([(there, here) for here, there in self.knots], transformed)
        else:
            value = math.expm1(min(transformed, 50.0)) if self.logarithmic else transformed
        return value if self.lowest is None else max(value, self.lowest)


def _along(knots: Sequence[tuple[float, float]], x: float) -> float:
    """Straight between the two knots around x, or through the two nearest."""
    upper = next((i for i, (at, _) in enumerate(knots) if at > x), len(knots) - 1)
    (x0, y0), (x1, y1) = knots[max(upper, 1) - 1], knots[max(upper, 1)]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


AREA = Quantity(name="", unit="ha", center=4.0, scale=2.0, logarithmic=True, lowest=0.0)
COUNT = Quantity(name="", unit="", center=2.0, scale=1.5, logarithmic=True, lowest=0.0)


NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")
# Units that a question may ask for by mistake; any other word after "in" is a place.
UNIT_NAMES = {"%": "%", "percent": "%", "ha": "ha", "hectares": "ha"}
UNIT_NAMES |= {unit: unit for unit in ("t/ha", "Mg/ha", "kg/ha", "kg/m2", "g/m2", "kg", "t", "m", "cm", "mm", "km")}
UNIT_NAMES |= {unit: unit for unit in ("K", "degC", "°C", "m2", "km2", "m3", "dB")}
# "The NDVI is <value>.", "The biomass will be <value> t/ha."; <value> is the token of rsfm.tasks.dialogue.
_MEASURED = re.compile(r"\b(?:is|be)\s+<value>\s*(?P<unit>%|[A-Za-z]+(?:/[A-Za-z]+)*\d?)?")
_COUNTED = re.compile(r"\b(?:how\s+many|numbers?\s+of|count)\b", re.IGNORECASE)
_ASKED_UNIT = re.compile(r"\bin\s+(?P<unit>\S+?)\s*[?.!]*\s*$")


def find(quantities: tuple[Quantity, ...], words: str, unit: str) -> Quantity:
    """The quantity of this unit that the words name, else the unnamed one of the unit, else a plain scale of one.

    A sentence says no unit after a count ("There are <value> ships.") nor after a pure number, of unit "1" ("The NDVI is
    <value>."). So with unit "" its words decide: what something is, and not how many there are, is a measurement.

    Args:
        quantities: of the checkpoint.
        words: question and answer.
        unit: as said, or as a Value has it; "" = none.
    """
    named = named_in(quantities, words)
    measured = _MEASURED.search(words)
    if unit == "" and not any(one.unit == "" for one in named) and measured and not _COUNTED.search(words):
        unit = measured["unit"] or PURE
        if named and unit not in {one.unit for one in quantities}:
            return named[0]  # what it is says more than a word behind the number
    of_unit = [one for one in quantities if one.unit == unit]
    named, unnamed = [one for one in named if one.unit == unit], [one for one in of_unit if not one.name]
    return (named + unnamed + [Quantity(name="", unit=unit, center=0.0, scale=1.0)])[0]


def sentence(name: str, unit: str) -> str:
    """A number of this name and unit in an answer; without a unit it counts, and the question is told with it."""
    return f"The {name} is <value> {unit}." if unit else f"How many {name} are there? There are <value> {name}."


def named_in(quantities: Sequence[Quantity], words: str) -> list[Quantity]:
    """The quantities that the words name, the longest name first: "canopy height" before "height"; "age" is in no "average"."""
    named = [q for q in quantities if q.name and re.search(rf"(?<!\w){re.escape(q.name)}(?!\w)", words, re.IGNORECASE)]
    return sorted(named, key=lambda q: -len(q.name))


def units_pattern(quantities: Sequence[Quantity], before: str) -> re.Pattern[str]:
    """What matches `before` and, as the group "unit", a unit behind it: one of the quantities' own, or a word like one."""
    own = sorted({q.unit for q in quantities if q.unit and q.unit != PURE}, key=len, reverse=True)
    known = "".join(rf"{re.escape(unit)}(?![\w/])|" for unit in own)
    return re.compile(rf"{before}\s*(?P<unit>{known}%|ha\b|[A-Za-z]+(?:/[A-Za-z]+)*)?")


def mapped(quantities: tuple[Quantity, ...], scale: MapScale) -> tuple[Quantity, ...]:
    """The quantities with that of the scale among them, mapped over its edges."""
    name, low, high = scale.name.lower(), scale.edges[0], scale.edges[-1]
    new = Quantity(name=name, unit=scale.unit, center=(low + high) / 2, scale=(high - low) / 4)
    one = next((q for q in quantities if q.name.lower() == name and q.unit == scale.unit), new)
    rest = tuple(q for q in quantities if q is not one)
    return (*rest, dataclasses.replace(one, map_edges=scale.edges))


def check_unit(quantities: tuple[Quantity, ...], name: str, unit: str) -> None:
    """Raises UserError where a quantity of this name is measured in another unit."""
    units = sorted({quantity.unit for quantity in quantities if quantity.name and quantity.name == name.lower()})
    if units and unit not in units:
        raise UserError(
            f"{name}: found values in '{unit}', this checkpoint measures it in '{units[0]}'. "
            f"Convert the values, or name another quantity."
        )


def check_question(quantities: tuple[Quantity, ...], question: str) -> None:
    """Raises UserError where a question asks for a known quantity in another unit than it is measured in."""
    asked = _ASKED_UNIT.search(question)
    unit = UNIT_NAMES.get(asked["unit"]) if asked else None
    for quantity in quantities:
        if unit is not None and quantity.name and quantity.name in question.lower() and quantity.unit != unit:
            raise UserError(
                f"The question asks for {quantity.name} in '{unit}'; this checkpoint measures it in '{quantity.unit}'. "
                "Ask for it in that unit, or without one."
            )


def read_number(text: str, unit: str = "") -> float:
    """The first number of a text that is followed by `unit`.

    Raises:
        UserError: no number, or one of another unit.

    >>> read_number("about 112 %", "%")
    112.0
    """
    found, unit = NUMBER.search(text), unit_in_words(unit)
    if found is None:
        raise UserError(f"Expected a number{f' in {unit}' if unit else ''}, found {text.strip()[:40]!r}.")
    after = text[found.end() :].split(maxsplit=1)
    if unit and (not after or after[0].rstrip(".,;:!?)") != unit):
        said = repr(after[0]) if after else "no unit"
        raise UserError(f"Expected a number in '{unit}', found {said} after {found[0]}.")
    return float(found[0])


def text(value: Value) -> str:
    """A value as people write it: three significant digits, counts whole."""
    return digits(value.value, value.unit)


def digits(number: float, unit: str) -> str:
    """Three significant digits, counts (without a unit) whole."""
    if unit == "":
        return f"{round(number):d}"
    return f"{number:.3g}" if abs(number) < 999.5 else f"{number:.0f}"


def interval(value: Value) -> str:
    """The 90 % interval in words, " (90 % interval 84-147 %)"; "" where there is none."""
    if value.low is None or value.high is None:
        return ""
    low, high = digits(value.low, value.unit), digits(value.high, value.unit)
    between = " to " if low.startswith("-") or high.startswith("-") else "-"
    return f" (90 % interval {low}{between}{high} {unit_in_words(value.unit)}".rstrip() + ")"


def classes_between(edges: tuple[float, ...], unit: str) -> tuple[str, ...]:
    """Names of the classes between rising edges: "0 to 5 m", "5 to 10 m"."""
    return tuple(f"{a:g} to {b:g} {unit_in_words(unit)}".rstrip() for a, b in itertools.pairwise(edges))


def unit_in_words(unit: str) -> str:
    """A unit as sentences have it: a pure number has none."""
    return "" if unit == PURE else unit
