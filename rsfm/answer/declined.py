"""What is said instead of an answer: one line that names what the checkpoint was not taught, and what it knows."""

from collections.abc import Sequence

from rsfm.processor import Asked, Taught, View
from rsfm.processor.taught import ANYTHING

MOST_NAMES = 9
_CANNOT = {
    "image": "to make pictures",
    "boxes": "to give boxes",
    "forecast": "to forecast",
    "change": "to tell changes",
    "more": "to compare these",
    "area": "areas of this",
    "share": "shares of this",
    "presence": "whether this is there",
    "map": "maps of this",
    "count": "to count",
    "value": "numbers of this kind",
    "scene": "to name scenes",
    "tags": "to list classes",
    "caption": "to describe pictures",
}
_KNOWS = {
    "segmentation": "maps, areas and shares",
    "change": "changes",
    "value_map": "maps of numbers",
    "regression": "numbers",
    "forecasting": "forecasts",
    "counting": "counts",
    "scene": "scenes",
    "multilabel": "lists of classes",
    "captioning": "descriptions",
    "description": "descriptions",
    "grounding": "boxes",
}


def reason(name: str, asked: Asked, taught: Sequence[Taught], view: View) -> str:
    """One line: "nano was not taught ships; of aerial_rgb it knows: counts (trees), scenes (airport, beach, ...)."."""
    known = [entry for entry in taught if entry.covers(view)]
    return f"{name} was not taught {_missing(asked)}; of {view.title} it knows: {_known(known)}."


def _missing(asked: Asked) -> str:
    if asked.unknown:
        return ", ".join(shortened(asked.unknown, 4))
    subjects = ", ".join(shortened(asked.subjects, 4))
    task = _CANNOT.get(asked.kind, "what this asks for")
    if not subjects or asked.kind in ("image", "scene", "tags", "caption", "change"):
        return task
    return f"to count {subjects}" if asked.kind == "count" else f"{asked.kind.replace('_', ' ')} of {subjects}"


def _known(known: Sequence[Taught]) -> str:
    parts: dict[str, list[str]] = {}
    for entry in known:
        if entry.task in _KNOWS:
            names = parts.setdefault(_KNOWS[entry.task], [])
            names += [name for name in entry.subjects if name != ANYTHING and name not in names]
    told = [f"{kind} ({', '.join(shortened(names))})" if names else kind for kind, names in parts.items()]
    return "; ".join(told) or "nothing"


def shortened(names: Sequence[str], most: int = MOST_NAMES) -> tuple[str, ...]:
    """The first names, and how many more there are; each cut to a readable length."""
    cut = tuple(name if len(name) <= 60 else name[:57] + "..." for name in names)
    return cut if len(cut) <= most else (*cut[:most], f"{len(cut) - most} more")
