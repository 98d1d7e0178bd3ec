"""From pictures and labels to a data set: cut into blocks of ground, counted, and parted by place."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rsfm.data.labels import LabelOptions, Labels, open_labels
from rsfm.data.labels.blocks import Piece, pieces, whole_pieces
from rsfm.data.labels.description import Description, Place, Reading
from rsfm.data.labels.pictures import find_pictures
from rsfm.data.labels.split import assigned
from rsfm.data.reading.grids import location, moved
from rsfm.data.reading.opening import open_image
from rsfm.data.reading.picture import SUFFIXES
from rsfm.data.reading.raster import IDENTITY
from rsfm.data.reading.scene import open_scene
from rsfm.data.writing.digests import sha256
from rsfm.errors import UserError
from rsfm.types import GeoGrid

ENOUGH = 12  # blocks with labels, from which on no smaller ones are tried
LEAST_EDGE = 16  # pixels


def gather(
    images: Sequence[Path],
    labels: Path | None,
    options: LabelOptions,
    *,
    name: str = "",
    reading: Reading,
    edge: int,
    block_m: float = 0.0,
    seed: int = 0,
) -> Description:
    """Makes the data set.

    Args:
        images: files and folders.
        labels: file or folder; None: the images' own folders are the classes.
        options: how the labels are meant.
        name: of the classes as a whole; else the label column's, else the label file's.
        reading: how pictures are read.
        edge: of the model's window in pixels: blocks are twice as large, smaller where the labels are few.
        block_m: edge of a block in metres, in place of that.
        seed: of the split.

    Raises:
        UserError: what the labels, or pictures and labels together, lack.
    """
    if labels is None and (len(images) != 1 or not images[0].is_dir()):
        raise UserError("--images without --labels: expected one folder that holds a folder for each class.")
    source = images[0] if labels is None else labels
    files = () if labels is None or labels in images else find_pictures(images)
    opened = open_labels(source.absolute(), options, files)
    groups = [opened.pictures] if reading.series else [(picture,) for picture in opened.pictures]
    grids, gsd_m = _grids(groups, reading, whole=opened.whole)
    digests = {str(path): sha256(path) for path in _files(opened, groups)}
    counted = _counted(opened, grids, edge, max(1, round(block_m / gsd_m)) if block_m else 0)
    if opened.whole:
        counted = _copies_together(counted, groups, digests)
    total = sum((count for _, count in counted), Counter[str]())
    if not total:
        raise UserError(_outside(opened, grids))
    by_block: dict[str, Counter[str]] = {}
    for piece, count in counted:
        by_block[piece.block] = by_block.get(piece.block, Counter()) + count
    splits = assigned(by_block, seed=seed)
    named = [each for each in opened.legend if total[each]]
    gone = [each for each in opened.legend if not total[each]]
    if len(named) < 2 and not opened.tasks[0] == "counting":
        raise UserError(
            f"{source}: of the classes {', '.join(opened.legend)} only {named[0]} lies on the images: there is nothing to "
            "tell it from. Add images, or --background other."
        )
    notes = [*opened.notes, *([f"no label on the images: {', '.join(gone)}; left out"] if gone else [])]
    return Description(
        name=name or (options.column or source.stem).replace("_", " ").lower(),
        labels=str(source.absolute()),
        options=options,
        reading=reading,
        pictures=tuple(tuple(str(path) for path in group) for group in groups),
        legend=tuple(named),
        places=tuple(
            Place(picture=p.picture, window=p.window, block=p.block, split=splits[p.block], counts=dict(count))
            for p, count in counted
        ),
        digests=digests,
        notes=tuple(notes),
    )


def _grids(groups: Sequence[tuple[Path, ...]], reading: Reading, *, whole: bool) -> tuple[list[GeoGrid], float]:
    """The grid of each picture, and the edge in metres of the first one's pixels; pictures are opened one at a time."""
    grids, gsd_m = [], math.nan
    for number, group in enumerate(groups):
        if whole and number and group[0].suffix.lower() in SUFFIXES:  # thousands: their headers will do
            with open_image(group[0]) as picture:
                grids.append(GeoGrid(crs=None, transform=IDENTITY, height=picture.height, width=picture.width))
            continue
        scene = open_scene(group, **reading.options())
        grids.append(scene.grid)
        gsd_m = scene.gsd_m if number == 0 else gsd_m
    return grids, gsd_m


def _counted(labels: Labels, grids: list[GeoGrid], edge: int, own_edge: int) -> list[tuple[Piece, Counter[str]]]:
    """The pieces that hold labels: of blocks of the user's own edge in pixels, else of the largest of which there are enough."""
    if labels.whole:
        return _with_labels(labels, grids, whole_pieces(grids))
    if own_edge:
        return _with_labels(labels, grids, pieces(grids, own_edge))
    found, size = _with_labels(labels, grids, pieces(grids, 2 * edge)), 2 * edge
    while found and len({piece.block for piece, _ in found}) < ENOUGH and size // 2 >= LEAST_EDGE:
        size //= 2
        found = _with_labels(labels, grids, pieces(grids, size))
    return found


def _copies_together(
    counted: list[tuple[Piece, Counter[str]]], groups: Sequence[tuple[Path, ...]], digests: dict[str, str]
) -> list[tuple[Piece, Counter[str]]]:
    """Copies of one picture are of one block."""
    blocks: dict[str, str] = {}
    return [
        (
            dataclasses.replace(piece, block=blocks.setdefault(digests[str(groups[piece.picture][0])], piece.block)),
            count,
        )
        for piece, count in counted
    ]


def _with_labels(labels: Labels, grids: list[GeoGrid], cut: Iterable[Piece]) -> list[tuple[Piece, Counter[str]]]:
    counted = [
        (piece, labels.count(moved(grids[piece.picture], *piece.window), labels.pictures[piece.picture], piece.window))
        for piece in cut
    ]
    return [(piece, count) for piece, count in counted if count]


def _part(grid: GeoGrid, piece: Piece) -> GeoGrid:
    return moved(grid, *piece.window)


def _outside(labels: Labels, grids: list[GeoGrid]) -> str:
    places = [place for grid in grids[:3] if (place := location(grid)) is not None]
    told = "; ".join(f"{x:.4f} {y:.4f}" for x, y in places) or "nowhere on Earth"
    return (
        f"{labels.path}: no label lies on the {len(grids)} images, whose middles are at longitude and latitude {told}"
        f"{labels.where()}. Check both CRSs, or which files belong together."
    )


def _files(labels: Labels, groups: Iterable[tuple[Path, ...]]) -> list[Path]:
    inside = [path for group in groups for path in group]
    pictures = [p for path in inside for p in ([path] if path.is_file() else sorted(path.rglob("*"))) if p.is_file()]
    return list(dict.fromkeys([*pictures, *labels.files()]))
