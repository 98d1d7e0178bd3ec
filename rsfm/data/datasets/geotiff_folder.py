"""Any user's images and labels, listed in a CSV or JSONL table.

h w pixels
"""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rsfm.data.datasets.base import Dataset, DatasetInfo, EmptySplit
from rsfm.data.datasets.legends import joined_legend
from rsfm.data.datasets.masks import read_mask
from rsfm.data.datasets.table import Row, read_table
from rsfm.data.reading.files import check_exists
from rsfm.data.reading.labels import check_same_ground, read_label
from rsfm.data.reading.scene import open_scene
from rsfm.errors import UserError, unknown
from rsfm.types import MapScale, Mask, Record, Turn, Value, ValueMap

TABLES = ("labels.csv", "labels.jsonl")
ALL = "all"


class GeoTiffFolder(Dataset):
    """Your own images with whatever labels you have; every column but `image` may be left out or left empty.

    A row is one record. Example, `labels.csv`:

        image,sensor,date,split,scene,tags,value:biomass[t/ha],mask,legend,question,answer
        a.tif,sentinel2_l2a,2021-07-23,train,river,water;trees,41.5,a_mask.tif,1=water;2=trees,Is there water?,yes
        b_may.tif;b_june.tif,sentinel2_l2a,2021-05-03;2021-06-12,test,farmland,crops,12.0,,,,

    or the same as `labels.jsonl`, an object a line, where lists and objects may be written as such:

        {"images": ["b_may.tif", "b_june.tif"], "dates": ["2021-05-03", "2021-06-12"], "sensor": "sentinel2_l2a",
         "split": "test", "value:biomass[t/ha]": 12.0, "mask": "b_mask.png", "legend": {"1": "water", "2": "trees"}}

    A map of numbers, such as canopy height from lidar, with the edges of the classes that maps of it are made of:

        image,sensor,split,value_map:canopy height[m],edges
        a.tif,sentinel2_l2a,train,a_height.tif,0;5;10;20;40

    Columns (several entries in one CSV cell are parted by ";"; paths count from the table's folder):
        image, images: files that `rsfm.data.reading.scene.open_scene` reads, one a date: GeoTIFF, COG, JPEG 2000, PNG, JPEG,
            ENVI, .npy, .mat, a folder of one-band files. `image:<sensor>` (with `date:<sensor>`) instead adds one
            stream a sensor, `image:<sensor>/<label>` a second one of the same: "/ascending", "/descending".
        sensor: a key of SENSORS; told from the file where left out.
        date, dates: YYYY-MM-DD, one an image; read from tags and names where left out.
        unit: what the numbers are where that is not plain ("dn", "reflectance", "dB", ...).
        split: any name; without the column only the split "all" is there. "all" is every row.
        scene; tags; caption, captions: words about the whole image.
        Cells that are empty or hold nan, NA, N/A, None, NULL, NaT or <NA> are missing; so are inf and the fills -9999,
            -99999, -32768 in a column of numbers. Semicolons and tabs may part the cells, too, as spreadsheets write them.
        value:<name>[unit]: a number; without [unit] a count.
        mask: a one-band file of class numbers on the image's grid; legend: what they mean, "1=water;2=trees".
            Numbers that the legend lacks, nodata and what is transparent are unlabelled; a number of the legend is its
            class even where the file declares it as nodata. A picture of colours has a legend of colours,
            "#0000ff=water;#00aa00=trees". The classes of all rows make one legend.
        value_map:<name>[unit]: a one-band file of numbers on the image's grid, nodata and NaN unlabelled; without
            [unit] pure numbers; one a row. edges: three rising numbers or more, "0;5;10;20;40", the same in all rows
            of one name. What is beyond the outer edges is of the outer class.
        question, answer: one question with its answer; several rows may share an image, in one split.
        id: a name for the row; the image's file name where left out.
    """

    info = DatasetInfo(
        name="geotiff_folder",
        title="Your own images and labels",
        url="your own disk: write the table as rsfm/data/datasets/geotiff_folder.py shows",
        licence="yours",
        citation="none",
        layout="labels.csv or labels.jsonl, a row an image: image, sensor, date, split, scene, tags, caption, "
        "value:<name>[unit], mask, legend, value_map:<name>[unit], edges, question, answer.",
        splits={
            "train": "rows whose column split says train",
            "val": "rows whose column split says val",
            "test": "rows whose column split says test",
            ALL: "every row",
        },
        sensors=(),
        tasks=("scene", "multilabel", "captioning", "vqa", "segmentation", "regression", "value_map", "counting"),
        folder="geotiff_folder",
        needs=("|".join(TABLES),),
    )

    def __init__(self, root: Path | str, split: str) -> None:
        """Args: root: the table itself, or the folder that holds labels.csv or labels.jsonl."""
        root = Path(root)
        self.table = root if root.is_file() else None
        self.named = split
        super().__init__(root.parent if self.table else root, ALL)
        self.split = split

    def find(self, root: Path) -> Path:
        return root if self.table else super().find(root)

    def index(self) -> None:
        if self.table is None:
            self.table = next(self.folder / name for name in TABLES if (self.folder / name).is_file())
        rows = read_table(self.table)
        splits = {row.split for row in rows if row.split} | {ALL}
        if self.named not in splits:
            lacking = unknown(f"split of {self.table}", self.named, splits)
            raise EmptySplit(str(lacking)) if self.named in self.info.splits else lacking
        _check_rows(rows)
        self.legend = joined_legend(row.legend for row in rows)
        self.rows = [row for row in rows if self.named in (ALL, row.split)]
        named = {row.value_map.name.lower(): row.value_map for row in self.rows if row.value_map is not None}
        self.maps = tuple(MapScale(name=each.name, unit=each.unit, edges=each.edges) for each in named.values())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        row = self.rows[self.check_index(i)]
        record = _read_streams(row)
        mask = None if row.mask is None else _read_mask(row, record, self.legend)
        return dataclasses.replace(
            record,
            id=f"geotiff_folder/{row.id}",
            scene=row.scene,
            tags=row.tags,
            captions=row.captions,
            values=self.label_values(i),
            turns=() if row.question is None else (Turn(question=row.question, answers=(row.answer or "",)),),
            mask=mask,
            value_map=None if row.value_map is None else _read_value_map(row, record),
        )

    def label_values(self, i: int) -> tuple[Value, ...]:
        """The numbers of a row; no image is read."""
        row = self.rows[self.check_index(i)]
        return tuple(Value(name=name, value=value, unit=unit) for name, unit, value in row.values)

    def group(self, i: int) -> str:
        return str(self.rows[self.check_index(i)].streams[0].paths[0])


def _check_rows(rows: list[Row]) -> None:
    """Every file is there, no image is in two splits, and maps of one quantity have the same classes."""
    homes: dict[Path, Row] = {}
    mapped: dict[str, Row] = {}
    for row in rows:
        named = [(stream.column, path) for stream in row.streams for path in stream.paths]
        labels = [] if row.mask is None else [("mask", row.mask)]
        if row.value_map is not None:
            labels.append((row.value_map.column, row.value_map.path))
            _check_alike(row, mapped.setdefault(row.value_map.name.lower(), row))
        for column, path in [*named, *labels]:
            try:
                check_exists(path)
            except UserError as error:
                raise UserError(f"{row.where}, column '{column}': {error}") from None
        for _, path in named:
            home = homes.setdefault(path.resolve(), row)
            if home.split != row.split:
                raise UserError(
                    f"{row.where}, column 'split': {path.name} is in '{row.split}' here and in '{home.split}' in "
                    f"row {home.number}. An image belongs to one split, or a test would ask what training told."
                )


def _check_alike(row: Row, first: Row) -> None:
    """The maps of two rows of one quantity are of the same unit and classes."""
    assert row.value_map is not None and first.value_map is not None
    here, there = row.value_map, first.value_map
    for column, a, b in (
        (here.column, here.unit, there.unit),
        ("edges", *(";".join(f"{edge:.15g}" for edge in each.edges) for each in (here, there))),
    ):
        if a != b:
            raise UserError(
                f"{row.where}, column '{column}': {here.name} has '{a}' here and '{b}' in row {first.number}. Give all "
                "rows of one quantity the same unit and edges: they are the classes of one map."
            )


def _read_streams(row: Row) -> Record:
    records: list[Record] = []
    for stream in row.streams:
        try:
            scene = open_scene(
                stream.paths, sensor=stream.sensor, dates=stream.dates or None, series=True, unit=row.unit
            )
            record = scene.read()
            if records and record.grid is not None and records[0].grid is not None:
                note = check_same_ground(records[0].grid, record.grid)
                if note:
                    warnings.warn(f"{row.where}, column '{stream.column}': {note}", stacklevel=2)
            records.append(record)
        except UserError as error:
            raise UserError(f"{row.where}, column '{stream.column}': {error}") from None
    observations = {
        name + (stream.label and f"/{stream.label}"): seen
        for stream, record in zip(row.streams, records, strict=True)
        for name, seen in record.observations.items()
    }
    if len(observations) < len(records):
        raise UserError(
            f"{row.where}: two columns hold images of one sensor. Tell them apart: image:<sensor>/ascending and "
            "image:<sensor>/descending, or write them as dates of one column."
        )
    return dataclasses.replace(records[0], observations=observations)


def _read_mask(row: Row, record: Record, classes: tuple[str, ...]) -> Mask:
    assert row.mask is not None and record.grid is not None
    try:
        index, notes = read_mask(row.mask, row.legend, classes, record.grid)
    except UserError as error:
        raise UserError(f"{row.where}, column 'mask': {error}") from None
    for note in notes:
        warnings.warn(f"{row.where}, column 'mask': {note}", stacklevel=2)
    return Mask(class_index=index, legend=classes)


def _read_value_map(row: Row, record: Record) -> ValueMap:
    assert row.value_map is not None
    label = row.value_map
    values = _read_label(row, label.column, label.path, record)
    return ValueMap(values=values, name=label.name, unit=label.unit, edges=label.edges)


def _read_label(row: Row, column: str, path: Path, record: Record) -> Float[np.ndarray, "h w"]:
    """The one band of a file on the image's grid, float32, NaN where it has no data."""
    assert record.grid is not None
    try:
        label = read_label(path, record.grid)
        values = label.values
    except UserError as error:
        raise UserError(f"{row.where}, column '{column}': {error}") from None
    if label.note:
        warnings.warn(f"{row.where}, column '{column}': {label.note}", stacklevel=2)
    return values
