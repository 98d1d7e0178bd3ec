"""What a checkpoint was taught, for programs to read: which names of which task, of which sensors and pixel sizes.

Training writes it from its data sources, processor.json holds it, the checkpoint's card shows it.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from rsfm.sensors.named import sensor_of
from rsfm.tasks.dialogue import ANYTHING
from rsfm.types import Record

__all__ = ["ANYTHING", "Taught", "View", "card", "joined", "view_of"]

# How much finer or coarser than in training pixels may be. Pictures often come without their true pixel size, and the
# tokenizers are given it; beyond this a thing is larger than a window or smaller than a pixel.
GSD_FACTOR = 16.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Taught:
    """Names that one task was trained with on one sensor.

    Attributes:
        task: key of TASKS.
        name: of the legend, for maps of classes: "land cover".
        subjects: classes, quantities or things by their plain names; ANYTHING: free questions. Those of a map are its
            legend, in the order in which the model is asked.
        sensor: key of SENSORS.
        gsd_m: smallest and largest ground sampling distance.
        series: single pixels over time, and not pictures.
    """

    task: str
    name: str = ""
    subjects: tuple[str, ...] = ()
    sensor: str
    gsd_m: tuple[float, float] = (0.0, math.inf)
    series: bool = False

    @property
    def family(self) -> str:
        """The sensor's family."""
        return sensor_of(self.sensor).family

    def covers(self, view: "View") -> bool:
        """Whether sensors of the same family with pixels of about the same size are in view."""
        low, high = self.gsd_m
        return self.series == view.series and any(
            self.family == seen.family and (not gsd > 0 or low / GSD_FACTOR <= gsd <= high * GSD_FACTOR)
            for seen, gsd in ((sensor_of(sensor), gsd) for sensor, gsd in view.sensors)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """What a question is about, as far as what was taught depends on it.

    Attributes:
        sensors: (key of SENSORS, ground sampling distance in metres; NaN where unknown).
        series: a single pixel over time.
    """

    sensors: tuple[tuple[str, float], ...]
    series: bool = False

    @property
    def title(self) -> str:
        """The sensors by name."""
        return " + ".join(sensor for sensor, _ in self.sensors)


def view_of(record: Record) -> View:
    """The view that a record, or any part of a scene, gives."""
    gsd = {name: float(np.asarray(each.gsd_m)) for name, each in record.observations.items()}
    shapes = [np.shape(each.values)[-3:-1] for each in record.observations.values()]
    return View(
        sensors=tuple((name, value if math.isfinite(value) else math.nan) for name, value in gsd.items()),
        series=bool(shapes) and all(shape == (1, 1) for shape in shapes),
    )


def joined(entries: Iterable[Taught]) -> tuple[Taught, ...]:
    """Entries of one task, legend and sensor become one: legends stay in their order, other names are sorted."""
    groups: dict[tuple[str, str, str, bool], list[Taught]] = {}
    for entry in entries:
        groups.setdefault((entry.task, entry.name, entry.sensor, entry.series), []).append(entry)
    return tuple(_joined(group) for group in groups.values())


def _joined(group: Sequence[Taught]) -> Taught:
    names = dict.fromkeys(name for entry in group for name in entry.subjects)
    lows, highs = zip(*(entry.gsd_m for entry in group), strict=True)
    return dataclasses.replace(
        group[0], subjects=tuple(names if group[0].name else sorted(names)), gsd_m=(min(lows), max(highs))
    )


CARD = "## What it was taught"


def card(taught: Sequence[Taught]) -> str:
    """The list as a section of a checkpoint's card; "" where nothing is written down."""
    if not taught:
        return ""
    lines = [
        CARD,
        "",
        "Questions outside of this list are declined. The same list for programs is `taught` in `processor.json`.",
        "",
        "| task | names | sensor | pixels |",
        "|---|---|---|---|",
    ]
    for entry in taught:
        named = f"{entry.name}: " if entry.name else ""
        free = "any question" if entry.subjects == (ANYTHING,) else "; ".join(entry.subjects) or "free text"
        low, high = entry.gsd_m
        size = "any" if low <= 0 else f"{low:g} m" if low == high else f"{low:g}-{high:g} m"
        kind = f"{size}, single pixels" if entry.series else size
        lines.append(f"| {entry.task} | {named}{free} | {entry.sensor} | {kind} |")
    return "\n".join(lines) + "\n"
