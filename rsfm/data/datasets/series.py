"""A series of one's own in one file: a row a place and date, or a row a place.   n rows · t dates · c bands"""

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from rsfm.data.datasets.base import Dataset, DatasetInfo, EmptySplit
from rsfm.data.datasets.cells import cell_number, csv_rows, is_missing
from rsfm.data.datasets.series_columns import measured_columns
from rsfm.data.reading.columns import READERS, Columns
from rsfm.errors import UserError, lookup, unknown
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.sensors.pixel_series import PIXEL_SERIES
from rsfm.types import BAND_CODES, PURE, Observation, Record, Sensor, Value

SUFFIXES = (".csv", *READERS)
FILES = tuple(f"series{suffix}" for suffix in SUFFIXES)
ALL = "all"
# Columns that are no band, and other words for them.
ROLES: dict[str, tuple[str, ...]] = {
    "id": ("id", "site", "pixel", "sample", "point", "plot"),
    "date": ("date", "time", "datetime", "timestamp", "acquired"),
    "split": ("split",),
    "group": ("group",),
    "sensor": ("sensor",),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng"),
    "scene": ("scene",),
}
SHARES = {"train": (0.0, 0.7), "val": (0.7, 0.85), "test": (0.85, 1.0)}  # of the groups, where no column says
_VALUE = re.compile(r"value:(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\[\]]*)\])?")
_TARGET = re.compile(r"(?:value:)?(?P<name>[^\[\]]+?)\s*(?:\[\s*(?P<unit>[^\[\]]*?)\s*\])?")


class Series(Dataset):
    """Your own pixel series, and what is to be predicted of each place. No image is needed.

    One file: CSV, Parquet, NetCDF (one dimension of places, one of dates) or Zarr. Long, a row a place and date:

        id,date,sentinel2_l2a:B04 [reflectance],sentinel2_l2a:B08 [reflectance],VV [dB],temperature [degC],severity [1]
        17,2021-05-03,0.05,0.31,-11.2,14.1,0.4
        17,2021-06-12,0.04,,-12.0,19.5,

    or wide, a row a place, with the date in the columns' names: `id,B04_2021-05-03,B04_2021-06-12,severity [1]`.

    Columns:
        id (or site, pixel, sample, point, plot): the place. date (or time): of the row, with a clock or without; not in a wide table.
        bands: see `rsfm.data.datasets.series_columns.measured_columns`: "sentinel2_l2a:B04", "red", "VV", "865 nm",
            "temperature", "ndvi"; a unit in brackets (reflectance, dn, %, dB, linear, K, degC, m, mm). "sensor/label:band"
            tells two streams of one sensor apart. Empty cells are gaps; what an instrument cannot measure is one, too.
        targets: those that are named (`--target "severity [1]"`), `value:<name>[unit]`, and `scene`: one number or word a
            place, in any of its rows. Without [unit] a number is a pure one.
        split: any name. Without it the places are parted by a hash of `group`, else `id`: train 70 %, val 15, test 15.
        sensor: of bands that do not name one; the same in all rows. latitude, longitude: in degrees.
    """

    info = DatasetInfo(
        name="series",
        title="Your own pixel series in one file",
        url="your own disk: write the table as rsfm/data/datasets/series.py shows",
        licence="yours",
        citation="none",
        layout="series.csv, .parquet, .nc or .zarr: id, date, bands with units, targets; a row a place and date, or a place.",
        splits={
            "train": "rows whose column split says train; without the column 70 % of the places by a hash",
            "val": "the same for val; without the column 15 %",
            "test": "the same for test; without the column 15 %",
            ALL: "every place",
        },
        sensors=(),
        tasks=("regression", "scene"),
        folder="series",
        needs=("|".join(FILES),),
    )

    def __init__(self, root: Path | str, split: str, *, target: Sequence[str] = ()) -> None:
        """Args:
        root: the file itself, or the folder that holds series.csv (.parquet, .nc, .zarr).
        split: see `info`.
        target: columns to predict, as they are named or with the unit to be read in: "severity [1]".
        """
        root = Path(root)
        self.file = root if root.suffix.lower() in SUFFIXES else None
        self.named, self.targets = split, tuple(target)
        super().__init__(root.parent if self.file else root, ALL)
        self.split = split

    def find(self, root: Path) -> Path:
        return root if self.file else super().find(root)

    def index(self) -> None:
        if self.file is None:
            self.file = next(self.folder / name for name in FILES if (self.folder / name).exists())
        columns = read_columns(self.file)
        where = str(self.file)
        self.roles = _roles(where, columns)
        ids = [_word(cell) for cell in columns[self.roles["id"]]]
        _check_ids(where, ids)
        self.places = list(dict.fromkeys(ids))
        place = {name: i for i, name in enumerate(self.places)}
        self._row_place = np.array([place[name] for name in ids])
        self._read_labels(where, columns)
        self._read_bands(where, columns)
        self._place_splits(where, columns)

    def _read_labels(self, where: str, columns: Columns) -> None:
        named = {_target_column(where, columns, target): target for target in self.targets}
        named |= {column: column for column in columns if _VALUE.fullmatch(column)}
        if "scene" in self.roles:
            named.setdefault(self.roles["scene"], "scene")
        self._label_columns = tuple(named)
        self._values: list[list[Value]] = [[] for _ in self.places]
        self._scenes: list[str | None] = [None] * len(self.places)
        for column, target in named.items():
            cells = self._of_places(where, column, columns[column])
            matched = _TARGET.fullmatch(target)
            assert matched is not None
            of_column = _TARGET.fullmatch(column)
            unit = matched["unit"] or (of_column["unit"] if of_column else None)
            if target == "scene" or (unit is None and _are_words(cells)):
                self._scenes = [None if is_missing(cell) else _word(cell) for cell in cells]
                continue
            for i, cell in enumerate(cells):
                value = cell_number(f"{where}, column '{column}', place '{self.places[i]}'", cell)
                if value is not None:
                    self._values[i].append(Value(name=matched["name"], value=value, unit=unit or PURE))
        tasks = [("regression", any(self._values)), ("scene", any(scene is not None for scene in self._scenes))]
        self.info = dataclasses.replace(  # type: ignore[misc]
            type(self).info, tasks=tuple(t for t, there in tasks if there) or ("regression",)
        )
        if named and not any(there for _, there in tasks):
            raise UserError(f"{where}: the columns {', '.join(named)} hold no label at all. Name another --target.")

    def _of_places(self, where: str, column: str, cells: list[Any]) -> list[Any]:
        """The one thing a column says of each place, None where it says nothing."""
        out: list[Any] = [None] * len(self.places)
        for row, cell in enumerate(cells):
            if is_missing(cell):
                continue
            i = self._row_place[row]
            if out[i] is not None and _word(out[i]) != _word(cell):
                raise UserError(
                    f"{where}, column '{column}': the place '{self.places[i]}' has {_word(out[i])} and {_word(cell)}. A place has one "
                    "label: give each date to be predicted an id of its own, with the rows that lead up to it."
                )
            out[i] = cell
        return out

    def _read_bands(self, where: str, columns: Columns) -> None:
        taken = {*self.roles.values(), *self._label_columns}
        free = [name for name in columns if name not in taken]
        found = measured_columns(where, free, self._one_sensor(where, columns))
        wide = "date" not in self.roles
        found = [
            each for each in found if each.date is None or wide
        ]  # of a wide table, those without a date hold for all
        if not any((each.date is not None) == wide for each in found):
            hint = "a column 'date', or dates in the columns' names" if wide else "columns such as 'sentinel2_l2a:B04'"
            raise UserError(f"{where}: expected {hint}, found the columns {', '.join(columns)}.")
        used = {each.column for each in found}
        self.unread = tuple(name for name in free if name not in used)
        first = {each.key: each for each in reversed(found)}
        keys = sorted(first, key=lambda key: (BAND_CODES[first[key].band.code], first[key].band.center_um, key))
        self.bands = tuple(first[key] for key in keys)
        rows = len(self._row_place)
        steps = np.unique([each.date for each in found if each.date is not None]) if wide else np.zeros(1)
        values = np.full((rows, len(steps), len(keys)), np.nan, np.float32)
        seen: dict[tuple[tuple[str, str, str], float | None], str] = {}
        for each in found:
            if (each.key, each.date) in seen:
                raise UserError(
                    f"{where}: the columns '{seen[each.key, each.date]}' and '{each.column}' are the same band. Tell two "
                    "streams apart: sentinel1_rtc/ascending:VV and sentinel1_rtc/descending:VV."
                )
            seen[each.key, each.date] = each.column
            cells = _numbers(f"{where}, column '{each.column}'", columns[each.column])
            step = slice(None) if each.date is None else int(np.searchsorted(steps, each.date))
            physical = each.physical(where, cells)
            values[:, step, keys.index(each.key)] = physical[:, None] if each.date is None else physical
        self._table = values.reshape(-1, len(keys))
        self._days = np.tile(steps, rows) if wide else self._row_days(where, columns)
        self._rows: list[list[int]] = [[] for _ in self.places]
        for row in np.argsort(self._days, kind="stable").tolist():
            if np.isfinite(self._table[row]).any():
                self._rows[self._row_place[row // len(steps)]].append(row)
        self.times = max(1, *map(len, self._rows))

    def _row_days(self, where: str, columns: Columns) -> Float[np.ndarray, " n"]:
        out = []
        for number, cell in enumerate(columns[self.roles["date"]], start=1):
            try:
                out.append(days_since_2000(_word(cell)))
            except UserError:
                raise UserError(
                    f"{where}, column '{self.roles['date']}', entry {number}: expected YYYY-MM-DD, found '{_word(cell)}'."
                ) from None
        return np.array(out)

    def _one_sensor(self, where: str, columns: Columns) -> str:
        named = {_word(cell) for cell in columns.get(self.roles.get("sensor", ""), ()) if not is_missing(cell)}
        for name in named:
            lookup(SENSORS, f"sensor in {where}:", name)
        if len(named) > 1:
            raise UserError(
                f"{where}, column 'sensor': found {', '.join(sorted(named))}. Give the bands of each sensor columns of their "
                "own, e.g. landsat8_oli:B4 beside sentinel2_l2a:B04, and leave cells empty where a row has none."
            )
        return next(iter(named), "")

    def _place_splits(self, where: str, columns: Columns) -> None:
        groups = self._labels_of("group", where, columns)
        self._groups = [self.places[i] if each is None else _word(each) for i, each in enumerate(groups)]
        if "split" in self.roles:
            splits = self._labels_of("split", where, columns)
            homes = ["" if each is None else _word(each) for each in splits]
            _check_groups(where, self._groups, homes)
        else:
            homes = _drawn(self._groups)
        empty = sum(not rows for rows in self._rows)
        self.notes: tuple[str, ...] = (f"columns not read: {', '.join(self.unread)}",) if self.unread else ()
        self.notes += (f"{empty} places without any measurement are left out",) if empty else ()
        known = {home for home in homes if home} | {ALL}
        if self.named not in known:
            lacking = unknown(f"split of {where}", self.named, known)
            raise EmptySplit(str(lacking)) if self.named in type(self).info.splits else lacking
        self.rows = [i for i, home in enumerate(homes) if self.named in (ALL, home) and self._rows[i]]
        self.location = None
        if {"latitude", "longitude"} <= self.roles.keys():
            named = [(self.roles[role], self._labels_of(role, where, columns)) for role in ("longitude", "latitude")]
            lon, lat = (_numbers(f"{where}, column '{name}'", cells) for name, cells in named)
            if np.nanmax(np.abs(lat), initial=0) > 90 or np.nanmax(np.abs(lon), initial=0) > 360:
                raise UserError(
                    f"{where}: latitude and longitude are expected in degrees. Convert them, or leave them out."
                )
            self.location = np.stack([(lon + 180) % 360 - 180, lat], axis=1)

    def _labels_of(self, role: str, where: str, columns: Columns) -> list[Any]:
        if role not in self.roles:
            return [None] * len(self.places)
        return self._of_places(where, self.roles[role], columns[self.roles[role]])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        place = self.rows[self.check_index(i)]
        lon, lat = (np.nan, np.nan) if self.location is None else map(float, self.location[place])
        return Record(
            id=f"series/{self.places[place]}",
            observations=dict([self._observation(place)]),
            location_deg=(lon, lat) if np.isfinite(lon) and np.isfinite(lat) else None,
            scene=self._scenes[place],
            values=tuple(self._values[place]),
        )

    def label_values(self, i: int) -> tuple[Value, ...]:
        """The numbers to predict of a place."""
        return tuple(self._values[self.rows[self.check_index(i)]])

    def group(self, i: int) -> str:
        return self._groups[self.rows[self.check_index(i)]]

    def _observation(self, place: int) -> tuple[str, Observation]:
        """All bands of a place; every place has as many dates as the longest, those it lacks invalid."""
        rows = self._rows[place]
        values = np.full((self.times, 1, 1, len(self.bands)), np.nan, np.float32)
        days = np.full(self.times, np.nan)
        values[: len(rows), 0, 0], days[: len(rows)] = self._table[rows], self._days[rows]
        name, sensor = self._sensor()
        gsd_m = min(each.band.gsd_m for each in self.bands)
        return name, observe(sensor, values, time_days=days, gsd_m=gsd_m)

    def _sensor(self) -> tuple[str, Sensor]:
        """The one sensor all columns are of, else a table of several."""
        sensors = {(each.sensor, each.label) for each in self.bands}
        name = next(iter(sensors))[0] if len(sensors) == 1 else ""
        home = SENSORS[name] if name else PIXEL_SERIES
        bands = tuple(dataclasses.replace(each.band, name=each.column) for each in self.bands)
        return home.name, dataclasses.replace(home, bands=bands)


def is_series(path: Path) -> bool:
    """Whether a path is a table of series, and no table of images: it names no image."""
    if path.suffix.lower() not in SUFFIXES or not path.exists():
        return False
    if path.suffix.lower() != ".csv":
        return True
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
            names = re.split(r"[,;\t|]", (file.readline() if first.startswith("sep=") else first).strip())
    except (OSError, UnicodeDecodeError):
        return False
    return not any(re.fullmatch(r"images?(:.*)?", name.strip().strip('"')) for name in names)


def read_columns(path: Path) -> Columns:
    """The columns of a series file.

    Raises:
        UserError: not there, another kind of file, no row.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: expected a series in {', '.join(SUFFIXES)}, found '{path.suffix}'.")
    if not path.exists():
        raise UserError(f"{path}: no such file.")
    if path.suffix.lower() == ".csv":
        try:
            rows = [row for _, row in csv_rows(path)]
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8."
            ) from None
        columns: Columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    else:
        columns = READERS[path.suffix.lower()](path)
    if not columns or not next(iter(columns.values())):
        raise UserError(f"{path}: the table has no row.")
    return columns


def _roles(where: str, columns: Columns) -> dict[str, str]:
    lower = {name.lower(): name for name in reversed(columns)}
    roles = {role: lower[word] for role, words in ROLES.items() for word in reversed(words) if word in lower}
    if "id" not in roles:
        raise UserError(f"{where}: expected a column 'id' that names the place, found {', '.join(columns)}.")
    return roles


def _check_ids(where: str, ids: list[str]) -> None:
    empty = next((number for number, name in enumerate(ids, start=1) if is_missing(name)), None)
    if empty is not None:
        raise UserError(f"{where}, entry {empty}: the id is missing. Name the place of every row.")


def _check_groups(where: str, groups: list[str], homes: list[str]) -> None:
    first: dict[str, str] = {}
    for group, home in zip(groups, homes, strict=True):
        if first.setdefault(group, home) != home:
            raise UserError(
                f"{where}, column 'split': '{group}' is in '{first[group]}' and in '{home}'. A place belongs to one split."
            )


def _drawn(groups: list[str]) -> list[str]:
    """The split of each group: its place in the order of hashes, so that the order of the rows does not matter."""
    ordered = sorted(set(groups), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    share = {name: (i + 0.5) / len(ordered) for i, name in enumerate(ordered)}
    return [next(split for split, (a, b) in SHARES.items() if a <= share[name] < b) for name in groups]


def _target_column(where: str, columns: Columns, target: str) -> str:
    """The column that a target names, with its unit or without."""
    wanted = _TARGET.fullmatch(target)
    if wanted is None:
        raise UserError(f"--target '{target}': expected a column's name such as severity or 'severity [1]'.")
    if target in columns:
        return target
    for column in columns:
        named = _TARGET.fullmatch(column)
        if named and named["name"].lower() == wanted["name"].lower() and wanted["unit"] in (None, named["unit"]):
            return column
        if named and named["name"].lower() == wanted["name"].lower() and named["unit"] is None:
            return column
    raise UserError(f"{where}: {unknown('target', target, columns)}")


def _are_words(cells: list[Any]) -> bool:
    """Whether a column holds names of classes: words that are no number."""
    for cell in cells:
        if isinstance(cell, str) and not is_missing(cell):
            try:
                cell_number("", cell)
            except UserError:
                return True
    return False


def _numbers(where: str, cells: Sequence[Any]) -> Float[np.ndarray, " n"]:
    """Cells as numbers, NaN where missing."""
    out = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        value = cell_number(f"{where}, entry {i + 1}", cell)
        out[i] = np.nan if value is None else value
    return out


def _word(cell: Any) -> str:
    """A cell as a name: 17 and 17.0 are the same place."""
    return re.sub(r"^(-?\d+)\.0$", r"\1", str(cell).strip())
