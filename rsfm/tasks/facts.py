"""What a record's labels say beyond doubt: the facts that questions are made of.  n boxes

Each fact is drawn by a generator among those the labels allow, and None where they allow none.
"""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from rsfm.data.reading.grids import pixel_areas
from rsfm.tasks.dialogue import pick, plain, plural
from rsfm.tasks.vocabularies import absent
from rsfm.types import Boxes, Mask, Record

LABELLED = 0.95  # of the pixels, for the mask to tell what is not there and how large a thing is
NOTABLE = 0.005  # of the pixels: a class with less is not asked for
CLEAR = 1.2  # ratio from which one class is plainly more than another
MOST_BOXES = 5  # asked for at once

PLACES = (("top left", "top", "top right"), ("left", "centre", "right"), ("bottom left", "bottom", "bottom right"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Presence:
    """Whether a thing is there (`of` = "thing") or the scene is of a class (`of` = "scene")."""

    of: str
    name: str
    there: bool


def presence(record: Record, rng: np.random.Generator) -> Presence | None:
    """Yes and no equally often; None where the labels do not tell what is missing."""
    sides: list[tuple[str, list[str], list[str]]] = []
    shares = class_shares(record)
    if shares and labelled_share(record) >= LABELLED:
        there = [name for name, share in shares.items() if share >= NOTABLE]
        sides.append(("thing", there, [name for name, share in shares.items() if share == 0]))
    if record.tags:
        sides.append(("thing", [plain(tag) for tag in record.tags], absent(record.tags)))
    if record.boxes is not None:
        labels = sorted({plain(label) for label in record.boxes.labels})
        sides.append(("thing", list(map(plural, labels)), list(map(plural, absent(labels)))))
    if record.scene is not None:
        sides.append(("scene", [plain(record.scene)], absent([record.scene])))
    sides = [side for side in sides if side[1] and side[2]]
    if not sides:
        return None
    of, there, missing = pick(sides, rng)
    yes = bool(rng.random() < 0.5)
    return Presence(of=of, name=pick(there if yes else missing, rng), there=yes)


def area(record: Record, rng: np.random.Generator) -> tuple[str, float] | None:
    """A class of the mask and its hectares, by the ground of its pixels."""
    there = [name for name, share in class_shares(record).items() if share >= NOTABLE]
    if ground_sampling_m(record) is None or record.mask is None or not there or labelled_share(record) < LABELLED:
        return None
    name = pick(there, rng)
    of_name = [i for i, each in enumerate(record.mask.legend) if plain(each) == name]
    return name, hectares(record, np.isin(record.mask.class_index, of_name))


def comparison(record: Record, rng: np.random.Generator) -> tuple[str, str, str] | None:
    """Two classes, and the one there is plainly more of, by pixels or by boxes."""
    pairs: list[tuple[str, str, str]] = []
    shares = {name: share for name, share in class_shares(record).items() if share >= NOTABLE}
    labels = () if record.boxes is None else record.boxes.labels
    for sizes in (shares if labelled_share(record) >= LABELLED else {}, Counter(plural(plain(x)) for x in labels)):
        for left, right in itertools.permutations(sizes, 2):
            small, large = (left, right) if sizes[left] < sizes[right] else (right, left)
            pairs += [(left, right, large)] if sizes[large] >= CLEAR * sizes[small] else []
    return pick(pairs, rng) if pairs else None


def change(record: Record) -> tuple[float, float | None] | None:
    """Share of the pixels that changed between two dates and their hectares (None without a ground sampling distance).

    None unless the legend has a class "no ..." beside others and an observation has two dates or more.
    """
    mask = record.mask
    if mask is None or not any(each.values.shape[0] > 1 for each in record.observations.values()):
        return None
    still = unchanged(mask)
    if not still or labelled_share(record) < LABELLED:
        return None
    changed = (mask.class_index >= 0) & ~np.isin(mask.class_index, still)
    known = ground_sampling_m(record) is not None
    return float(changed.mean()), hectares(record, changed) if known else None


def unchanged(mask: Mask) -> list[int]:
    """Which classes of a legend of change stand for none ("no change"); [] for any other legend."""
    still = [i for i, name in enumerate(mask.legend) if plain(name).startswith("no ")]
    return still if len(still) < len(mask.legend) else []


def located(record: Record, rng: np.random.Generator) -> Boxes | None:
    """All boxes of one class that has few, from the boxes or, where there are none, from the mask."""
    known = known_boxes(record)
    if known is None:
        return None
    few = [label for label, n in Counter(known.labels).items() if n <= MOST_BOXES]
    return of_label(known, pick(few, rng)) if few else None


def known_boxes(record: Record) -> Boxes | None:
    """The record's boxes, else those around the parts of its mask; None where both are missing or empty."""
    if record.boxes is not None:
        return record.boxes if len(record.boxes.corners) else None
    if record.mask is None or labelled_share(record) < LABELLED:
        return None
    found = boxes_from_mask(record.mask)
    return found if len(found.corners) else None


def of_label(boxes: Boxes, label: str) -> Boxes:
    """The boxes of one label."""
    chosen = np.array([each == label for each in boxes.labels], bool)
    return Boxes(corners=boxes.corners[chosen], labels=tuple(each for each in boxes.labels if each == label))


def boxes_from_mask(mask: Mask, *, least: float = NOTABLE) -> Boxes:
    """Upright boxes around the connected parts of each class, the largest first; "no ..." classes are no things.

    Args:
        mask: class of each pixel.
        least: share of the picture a part must have; smaller ones are left out.
    """
    corners, labels = [], []
    for i, name in enumerate(mask.legend):
        if plain(name).startswith("no "):
            continue
        parts, count = ndimage.label(mask.class_index == i)
        pixels = np.bincount(parts.reshape(-1), minlength=count + 1)[1:]
        slices = ndimage.find_objects(parts)
        for part in np.argsort(-pixels, kind="stable"):
            if pixels[part] < max(least * parts.size, 1):
                break
            rows, columns = slices[part]
            x0, y0, x1, y1 = columns.start, rows.start, columns.stop, rows.stop
            corners.append([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
            labels.append(name)
    return Boxes(corners=np.array(corners, dtype=float).reshape(-1, 4, 2), labels=tuple(labels))


def picture_size(record: Record) -> tuple[int, int] | None:
    """Height and width of the picture that boxes and masks are counted in; None without an observation."""
    if record.mask is not None:
        return record.mask.class_index.shape[0], record.mask.class_index.shape[1]
    for each in record.observations.values():
        return int(each.values.shape[-3]), int(each.values.shape[-2])
    return None


def place(corners: np.ndarray, size: tuple[int, int]) -> str:
    """The part of the picture, a ninth of it, that holds the centre of the box."""
    x, y = corners.mean(0)
    column, row = (int(np.clip(3 * at / edge, 0, 2)) for at, edge in ((x, size[1]), (y, size[0])))
    return PLACES[row][column]


def class_shares(record: Record) -> dict[str, float]:
    """Share of the pixels of each class of the mask."""
    if record.mask is None:
        return {}
    index, classes = record.mask.class_index, len(record.mask.legend)
    counts = np.bincount(index[(index >= 0) & (index < classes)], minlength=classes) / index.size
    named = zip(map(plain, record.mask.legend), counts, strict=True)
    return {name: float(share) for name, share in named if not name.startswith("no ")}  # "no change" is no thing


def labelled_share(record: Record) -> float:
    """Share of the mask's pixels whose class is known."""
    if record.mask is None:
        return 0.0
    index = record.mask.class_index
    return float(((index >= 0) & (index < len(record.mask.legend))).mean())


def ground_sampling_m(record: Record) -> float | None:
    """Ground sampling distance of the mask: that of an observation of its size."""
    if record.mask is None:
        return None
    for each in record.observations.values():
        if each.values.shape[1:3] == record.mask.class_index.shape and np.isfinite(each.gsd_m) and each.gsd_m > 0:
            return float(each.gsd_m)
    return None


def hectares(record: Record, chosen: Bool[np.ndarray, "h w"]) -> float:
    """Ground of some pixels of the mask: each by its own where the grid tells, else by the ground sampling distance."""
    ground = pixel_areas(record.grid, chosen.shape)
    gsd_m = ground_sampling_m(record)
    if ground is not None:
        return float(ground.rows(0, len(chosen))[chosen].sum()) / 1e4
    return float(chosen.sum()) * (math.nan if gsd_m is None else gsd_m) ** 2 / 1e4


def verb(noun: str) -> str:
    """The verb a class name takes: "are" for plurals, "is" for the rest."""
    return "are" if plural(noun) == noun and noun.endswith("s") else "is"


def joined(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
