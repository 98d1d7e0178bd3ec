"""A table as named columns, whatever file holds it: CSV, Parquet, NetCDF or Zarr.   n rows"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.data.reading.memory import check_fits
from rsfm.data.reading.opening import open_classic_netcdf, open_hdf5, open_zarr
from rsfm.errors import UserError

Columns = dict[str, list[Any]]  # of one length; cells as the file has them: text, numbers, None
Variables = Mapping[str, tuple[tuple[str, ...], np.ndarray, Mapping[str, Any]]]  # dimensions, values, attributes
TIMES = ("time", "date", "datetime", "t")  # what the dimension of the dates is called
_SINCE = re.compile(
    r"(?P<step>days|hours|minutes|seconds)\s+since\s+(?P<start>\d{4}-\d{1,2}-\d{1,2})\D*(?P<clock>[\d:]*)"
)
CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")


def read_parquet(path: Path) -> Columns:
    """The columns of a Parquet file, a data frame's index left out."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(
            f"{path}: reading Parquet needs pyarrow: pip install 'rsfm[geo]'. Or save the table as CSV."
        ) from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: not a Parquet table that can be read ({str(error).splitlines()[0]}).") from None
    names = [name for name in table.column_names if not re.fullmatch(r"__index_level_\d+__|Unnamed: \d+|index", name)]
    return {name: _plain(path, name, table.column(name)) for name in names}


def _plain(path: Path, name: str, column: Any) -> list[Any]:
    import pyarrow.types as types

    kind = column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_nested(kind) or types.is_binary(kind):
        raise UserError(f"{path}, column '{name}': expected numbers, words or dates, found {kind}. Leave it out.")
    if types.is_timestamp(kind):  # nanoseconds have no place in a datetime
        return [None if cell is None else str(cell) for cell in column.cast("timestamp[us]", safe=False).to_pylist()]
    if types.is_date(kind):
        return [None if cell is None else cell.isoformat() for cell in column.to_pylist()]
    return column.to_pylist()


def read_netcdf(path: Path) -> Columns:
    """The variables of a NetCDF file (classic or 4) over places and dates as columns, a row a place and date."""
    try:
        with path.open("rb") as file:
            classic = file.read(3) == b"CDF"
        return table_of(path, open_classic_netcdf(path) if classic else _hdf5(path))
    except UserError:
        raise
    except (OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError, AssertionError) as error:
        raise UserError(f"{path}: not a NetCDF file that can be read ({error}).") from None


def read_zarr(path: Path) -> Columns:
    """The same of a Zarr folder."""
    try:
        return table_of(path, open_zarr(path))
    except UserError:
        raise
    except Exception as error:  # the library raises its own classes, bare ones, and those of its codecs
        raise UserError(f"{path}: not a Zarr group that can be read ({error}).") from None


def table_of(path: Path, variables: Variables) -> Columns:
    """Variables over one dimension of places and one of dates as columns of one length, a row a place and date.

    A unit goes behind the name in brackets; scale, offset and fill are applied; dates are written out.
    """
    dimensions = sorted({d for dims, values, _ in variables.values() if values.ndim for d in dims})
    times = [d for d in dimensions if d.lower() in TIMES or _is_time(variables.get(d))]
    places = [d for d in dimensions if d not in times]
    if len(times) != 1 or len(places) > 1:
        raise UserError(
            f"{path}: expected variables over one dimension of places and one of dates, found the dimensions "
            f"{', '.join(dimensions) or 'none'}. Stack the places into one dimension, or open a cube as a scene."
        )
    (time,) = times
    place = places[0] if places else ""
    sizes = {d: n for dims, values, _ in variables.values() for d, n in zip(dims, values.shape, strict=True)}
    shape = (sizes.get(place, 1), sizes[time])
    columns: Columns = {}
    if place and place not in variables:
        columns["id"] = np.repeat(np.arange(shape[0]), shape[1]).tolist()
    elif not place:
        columns["id"] = [path.stem] * shape[1]
    if time not in variables:
        raise UserError(
            f"{path}: the dimension '{time}' has no variable that dates its steps. Write its coordinate, too."
        )
    for name, (dims, values, attributes) in variables.items():
        if values.ndim and not set(dims) <= {place, time}:
            continue
        cells = _decoded(path, name, values, attributes)
        if dims == (time, place):
            cells = cells.T
        elif dims == (place,):
            cells = cells[:, None]
        label = "date" if name == time else "id" if name == place else _with_unit(name, attributes)
        columns[label] = np.broadcast_to(cells, shape).reshape(-1).tolist()
    return columns


def _is_time(variable: tuple[tuple[str, ...], np.ndarray, Mapping[str, Any]] | None) -> bool:
    return variable is not None and bool(_SINCE.match(_text(variable[2].get("units", ""))))


def _with_unit(name: str, attributes: Mapping[str, Any]) -> str:
    unit = _text(attributes.get("units", ""))
    return name if "[" in name or not unit or _SINCE.match(unit) else f"{name} [{unit}]"


def _decoded(path: Path, name: str, values: np.ndarray, attributes: Mapping[str, Any]) -> np.ndarray:
    """Numbers with scale, offset and fill applied, dates and words as text."""
    units = _SINCE.match(_text(attributes.get("units", "")))
    if units:
        return _dates(path, name, values, units, _text(attributes.get("calendar", "")))
    if values.dtype.kind in "SOUT":
        if values.dtype.kind == "S" and values.dtype.itemsize == 1 and values.ndim == 2:
            values = np.array([b"".join(row).rstrip(b"\0 ") for row in values])
        return np.vectorize(_text, otypes=[object])(values)
    if values.dtype.kind not in "iufb":
        return values.astype(str)
    out = values.astype(np.float64) if values.dtype.kind != "b" else values.astype(np.int64)
    fills = [attributes[key] for key in ("_FillValue", "missing_value") if key in attributes]
    for fill in fills:
        out = np.where(values == np.asarray(fill).reshape(-1)[0], np.nan, out)
    scale, offset = (
        float(np.asarray(attributes.get(k, d)).reshape(-1)[0]) for k, d in (("scale_factor", 1), ("add_offset", 0))
    )
    if values.dtype.kind in "iu" and (scale, offset) == (1.0, 0.0) and not fills:
        return values.astype(np.int64)
    return out * scale + offset


def _dates(path: Path, name: str, values: np.ndarray, units: re.Match[str], calendar: str) -> np.ndarray:
    if calendar.lower() not in CALENDARS:
        raise UserError(
            f"{path}, '{name}': the calendar '{calendar}' is not read. Save dates in the standard calendar."
        )
    year, month, day = (int(part) for part in units["start"].split("-"))
    hour, minute, second = ([int(part) for part in units["clock"].split(":") if part] + [0, 0, 0])[:3]
    start = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    step = timedelta(**{units["step"]: 1})
    return np.array([None if not np.isfinite(v) else (start + float(v) * step).isoformat() for v in values], object)


def _text(cell: Any) -> str:
    if isinstance(cell, np.ndarray):
        cell = cell.reshape(-1)[0] if cell.size else ""
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _hdf5(path: Path) -> Variables:
    with open_hdf5(path) as file:
        arrays = {name: each for name, each in file.items() if hasattr(each, "shape")}
        check_fits(path, (sum(each.size * each.dtype.itemsize for each in arrays.values()),), 1)
        return {
            name: (_hdf5_dimensions(file, each), np.asarray(each[()]), dict(each.attrs))
            for name, each in arrays.items()
            if not _text(each.attrs.get("NAME", "")).startswith("This is a netCDF dimension but not")
        }


def _hdf5_dimensions(file: Any, array: Any) -> tuple[str, ...]:
    listed = array.attrs.get("DIMENSION_LIST")
    if listed is None:
        return (array.name.lstrip("/"),) * array.ndim
    return tuple(file[refs[0]].name.lstrip("/") for refs in listed)


READERS: dict[str, Callable[[Path], Columns]] = {
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".nc": read_netcdf,
    ".nc4": read_netcdf,
    ".zarr": read_zarr,
}
