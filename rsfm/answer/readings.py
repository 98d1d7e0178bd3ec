"""What is read from a finished map or a list of names: shares, areas, yes and no, each with its interval where one was measured.

m classes of the legend · h w pixels
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from rsfm.answer.footprint import Footprint
from rsfm.answer.windows import gsd_of
from rsfm.errors import UserError
from rsfm.heads.mask.scene import SceneMap, placed_map
from rsfm.heads.scene.ground import Ground
from rsfm.processor.calibration import Gate, MapCalibration
from rsfm.quantities import Quantity, find, interval
from rsfm.quantities import text as value_text
from rsfm.tasks.facts import verb
from rsfm.types import Answer, Value

NUMBER_FORMS = ("number", "integer")


def area(found: SceneMap, classes: Sequence[str], trust: MapCalibration) -> Answer:
    """Hectares of each class: the ground under the map's own pixels."""
    values = tuple(area_value(found, name, trust) for name in classes)
    parts = [f"{value_text(value)} ha of {value.name}{interval(value)}" for value in values]
    text = f"There are about {'; '.join(parts)}." if all(math.isfinite(v.value) for v in values) else _NO_GROUND
    values = values if all(math.isfinite(value.value) for value in values) else ()
    return Answer(question="", text=text, values=values, confidence=found.sureness(classes))


def share(found: SceneMap, classes: Sequence[str], trust: MapCalibration) -> Answer:
    """Percent of the whole picture of each class."""
    values = tuple(share_value(found, name, trust) for name in classes)
    parts = [f"{value.name} {value.value:.1f} %{interval(value)}" for value in values]
    return Answer(question="", text=", ".join(parts) + ".", values=values, confidence=found.sureness(classes))


def presence(found: SceneMap, classes: Sequence[str], trust: MapCalibration) -> Answer:
    """Yes where a class covers enough of the picture, with its share."""
    shares = {name: found.share(name) for name in classes}
    there = [value >= trust.present for value in shares.values()]
    said = ", ".join(f"{name} {100 * value:.1f} %" for name, value in shares.items())
    odds = [_distance(value, trust.present) for value in shares.values()]
    return Answer(question="", text=f"{'Yes' if all(there) else 'No'}: {said} of the picture.", confidence=min(odds))


def more(found: SceneMap, classes: Sequence[str], trust: MapCalibration) -> Answer:
    """Which class covers most."""
    shares = sorted(((found.share(name), name) for name in classes), reverse=True)
    said = " against ".join(f"{100 * value:.1f} %" for value, _ in shares)
    first = shares[0][1]
    text = f"There {verb(first)} more {first}: {said}." if shares[0][0] > shares[1][0] else f"As much of each: {said}."
    return Answer(question="", text=text, confidence=found.sureness(classes))


def change(found: SceneMap, classes: Sequence[str], trust: MapCalibration) -> Answer:
    """Whether anything changed, and how much of the picture and of the ground; the mask is where."""
    answer = placed_map(Answer(question="", text=""), found, classes)
    there = [name for name in classes if found.share(name) >= trust.present]
    parts = [_changed(found, name, trust) for name in there]
    values = tuple(area_value(found, name, trust) for name in there if found.areas.seen_ha > 0)
    text = f"{'; '.join(parts).capitalize()}." if parts else f"No {' or '.join(classes)}."
    return dataclasses.replace(answer, text=text, values=values)


def _changed(found: SceneMap, name: str, trust: MapCalibration) -> str:
    share = f"{name} on {100 * found.share(name):.1f} % of the picture"
    if not found.areas.seen_ha > 0:
        return share
    value = area_value(found, name, trust)
    return f"{share}, about {value_text(value)} ha{interval(value)}"


READINGS: Mapping[str, Callable[[SceneMap, Sequence[str], MapCalibration], Answer]] = {
    "area": area,
    "share": share,
    "presence": presence,
    "identity": presence,
    "more": more,
    "change": change,
}


def read_map(kind: str, found: SceneMap, classes: Sequence[str], trust: MapCalibration) -> Answer:
    """What a question of this kind reads from a map: an area, a share, ...; else the map itself."""
    reading = READINGS.get(kind)
    return (
        placed_map(Answer(question="", text=""), found, classes) if reading is None else reading(found, classes, trust)
    )


_NO_GROUND = "The pixel size of this scene is unknown, so areas are too. Ask for the share instead."


def area_value(found: SceneMap, name: str, trust: MapCalibration) -> Value:
    """Hectares of a class; the interval lies within the ground that was seen."""
    areas = found.areas
    hectares = float(areas.hectares[found.legend.index(name)])
    ends = trust.interval(hectares / areas.seen_ha) if areas.seen_ha > 0 else None
    low, high = (None, None) if ends is None else (ends[0] * areas.seen_ha, ends[1] * areas.seen_ha)
    return Value(name=name, value=hectares, unit="ha", low=low, high=high)


def share_value(found: SceneMap, name: str, trust: MapCalibration) -> Value:
    """Percent of the whole picture."""
    pixels, size = int(found.areas.pixels[found.legend.index(name)]), found.class_index.size
    seen = found.areas.seen
    ends = trust.interval(pixels / seen) if seen else None
    low, high = (None, None) if ends is None else (100 * ends[0] * seen / size, 100 * ends[1] * seen / size)
    return Value(name=name, value=100 * pixels / size, unit="%", low=low, high=high)


def in_list(text: str, subjects: Sequence[str]) -> Answer:
    """Yes or no by a written list of classes."""
    listed = {part.strip(" .").lower() for part in text.split(";")}
    there = all(name in listed for name in subjects)
    return Answer(question="", text=f"{'Yes' if there else 'No'}: {'; '.join(sorted(listed - {''})) or 'none'}.")


def of_scene(chances: Mapping[str, float], subjects: Sequence[str], gate: Gate) -> Answer:
    """Yes or no by the probability of a scene among all."""
    chance = max(chances[name] for name in subjects)
    best = max(chances, key=lambda name: chances[name])
    yes = chance >= gate.present
    confidence = _distance(chance, gate.present)
    return Answer(
        question="",
        text=f"{'Yes' if yes else 'No'}: most like {best} ({100 * chances[best]:.0f} %).",
        confidence=confidence,
    )


def _distance(value: float, threshold: float) -> float:
    """How far a share or chance lies from a threshold, .5 at it, 1 at the ends."""
    if value >= threshold:
        return 0.5 + 0.5 * (value - threshold) / max(1 - threshold, 1e-9)
    return 0.5 + 0.5 * (threshold - value) / max(threshold, 1e-9)


def check_form(kind: str, form: str, question: str) -> None:
    """Raises UserError for a form that what a map says cannot have."""
    yes_or_no, number = kind in ("presence", "identity") and form == "yes/no", kind in ("area", "share")
    if form and not yes_or_no and not (number and form in NUMBER_FORMS):
        raise UserError(f"--form binds answers in words, and '{question}' is answered by a map. Ask it without --form.")


def formed(answer: Answer, kind: str, form: str) -> Answer:
    """What was read from a map or a list, in the form asked for."""
    if answer.declined:
        return answer
    if kind in ("presence", "identity") and form == "yes/no":
        return dataclasses.replace(answer, text=answer.text.split(":")[0].lower())
    if kind in ("area", "share") and form in NUMBER_FORMS and answer.values:
        number = answer.values[0].value
        return dataclasses.replace(answer, text=f"{number:.0f}" if form == "integer" else f"{number:.3f}")
    return answer


def checked(answer: Answer, quantities: tuple[Quantity, ...], whole_ha: float, name: str) -> Answer:
    """The answer with intervals where they were measured, and none that cannot be: more ground than the scene, under zero."""
    if any(impossible(value, whole_ha) for value in answer.values):
        line = f"{name} has no answer: what it read is more than the scene holds."
        return Answer(question=answer.question, text=line, declined=True, confidence=0.0)
    if answer.mask is not None or answer.value_map is not None:
        return answer
    return dataclasses.replace(
        answer, values=tuple(_measured(value, answer.text, quantities) for value in answer.values)
    )


def impossible(value: Value, whole_ha: float) -> bool:
    """A number that no scene of this size has."""
    if not math.isfinite(value.value):
        return True
    return (value.unit in ("ha", "") and value.value < 0) or (
        value.unit == "ha" and value.value > whole_ha * (1 + 1e-6)
    )


def _measured(value: Value, text: str, quantities: tuple[Quantity, ...]) -> Value:
    """A number without its interval where that was not measured on held-out data."""
    if value.unit in ("ha", "%") and not any(q.name == value.name for q in quantities):
        return value  # of a map, which has one only where it was measured
    quantity = find(quantities, f"{value.name} {text}", value.unit)
    return value if quantity.trusted else dataclasses.replace(value, low=None, high=None)


def ground_ha(footprint: Footprint) -> float:
    """Ground area of a footprint."""
    return Ground(footprint.height, footprint.width, footprint.grid, gsd_of(footprint)).whole_ha()
