"""NetCDF-4 and HDF5 products: EMIT and PRISMA as distributed, and any file whose variables are bands or spectral cubes.

t acquisitions · h w pixels · c bands
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Shaped

from rsfm.data.reading.memory import check_fits
from rsfm.data.reading.opening import open_hdf5
from rsfm.data.reading.raster import IDENTITY, Affine6, Header, Window, pick, product_name, select_header
from rsfm.data.reading.wavelengths import Spectrum, spectrum
from rsfm.errors import UserError

SUFFIXES = (".nc", ".nc4", ".h5", ".he5", ".hdf5")
_VERTICAL, _HORIZONTAL = (
    ("y", "lat", "latitude", "northing", "row", "rows", "downtrack"),
    (
        "x",
        "lon",
        "longitude",
        "easting",
        "column",
        "columns",
        "crosstrack",
    ),
)
_SPECTRAL = ("wavelength", "wavelengths", "band", "bands", "wl", "wvl", "channel")
_TIMES = ("time", "t", "date", "times")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """Part of the bands: a data set of the file, which of its axes are rows and columns, and what picks of the others.

    Attributes:
        name: of the data set.
        axes: places of the row, column and band axes; -1 where there is no band axis.
        at: the index on each axis that is none of these, by place.
        bands: which of the band axis, in order.
    """

    name: str
    axes: tuple[int, int, int]
    at: tuple[tuple[int, int], ...] = ()
    bands: tuple[int, ...] = (0,)


class HdfRaster:
    """One acquisition in an HDF5 file, read by windows; where the file has a look-up table, on its map grid."""

    def __init__(
        self,
        header: Header,
        layers: Sequence[Layer],
        *,
        fill: float | None = None,
        places: tuple[int, ...] | None = None,
        lookup: tuple[Int[np.ndarray, "h w"], Int[np.ndarray, "h w"]] | None = None,
    ):
        """Takes what is where.

        Args:
            header: of the bands at `places`, on the map grid where there is a look-up table.
            layers: all bands.
            fill: the stored number for nothing.
            places: which of the bands this acquisition has, None for all.
            lookup: row and column of the stored cube for each pixel of the grid, -1 for none.
        """
        self.header, self._layers, self._fill, self._lookup = header, tuple(layers), fill, lookup
        total = sum(len(layer.bands) for layer in layers)
        self._places = tuple(range(total)) if places is None else places

    def select(self, places: Sequence[int]) -> "HdfRaster":
        """The same acquisition with some of its bands, in this order."""
        chosen = tuple(self._places[i] for i in places)
        header = select_header(self.header, places)
        return HdfRaster(header, self._layers, fill=self._fill, places=chosen, lookup=self._lookup)

    def read(
        self, window: Window, shape: tuple[int, int] | None = None
    ) -> tuple[Shaped[np.ndarray, "h w c"], Bool[np.ndarray, "h w c"]]:
        """Numbers and where they are valid; shrinks by taking every n-th pixel."""
        if self._lookup is None:
            rows, columns, there = *_axes(window, shape), None
        else:
            cut = pick(window, shape)
            rows, columns = self._lookup[0][cut], self._lookup[1][cut]
            there = rows >= 0
            if not there.any():
                empty = np.zeros((*rows.shape, len(self._places)), self.header.dtype)
                return empty, np.zeros(empty.shape, bool)
        with open_hdf5(self.header.path) as file:
            parts = [_read_layer(file[layer.name], layer, rows, columns, there) for layer in self._layers]
        values = np.concatenate(parts, -1)[..., list(self._places)]
        valid = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
        if self._fill is not None and not math.isnan(self._fill):
            valid &= values != np.asarray(self._fill).astype(values.dtype)
        return values, valid if there is None else valid & there[..., None]

    def cloudy(self, window: Window, shape: tuple[int, int] | None = None) -> Bool[np.ndarray, "h w"] | None:
        """These come without cloud layers."""
        return None


def open_hdf(path: Path) -> list[HdfRaster]:
    """The acquisitions in a file."""
    with open_hdf5(path) as file:
        for reader in (_emit, _prisma, _variables):
            found = reader(path, file)
            if found:
                return found
        shown = ", ".join(f"{name} {tuple(item.shape)}" for name, item in _datasets(file).items())[:300]
    raise UserError(
        f"{path}: holds no cube (rows, columns, bands) and no bands (rows, columns) that can be told. Found {shown or 'nothing'}. "
        "Export the cube as GeoTIFF or ENVI with wavelengths."
    )


def _read_layer(
    item: Any, layer: Layer, rows: np.ndarray, columns: np.ndarray, there: np.ndarray | None
) -> Shaped[np.ndarray, "h w c"]:
    """The stored numbers at rows and columns: ranges where `there` is None, else one of each for each pixel of a grid."""
    chosen = (rows, columns) if there is None else (rows[there], columns[there])
    top, left = int(chosen[0].min()), int(chosen[1].min())
    index: list[Any] = [slice(None)] * len(item.shape)
    index[layer.axes[0]] = slice(top, int(chosen[0].max()) + 1)
    index[layer.axes[1]] = slice(left, int(chosen[1].max()) + 1)
    for axis, at in layer.at:
        index[axis] = at
    block = item[tuple(index)]
    left_axes = [axis for axis in range(len(item.shape)) if axis not in {a for a, _ in layer.at}]
    order = [left_axes.index(axis) for axis in layer.axes if axis >= 0]
    block = block.transpose(order)
    block = block[..., None] if layer.axes[2] < 0 else block[..., list(layer.bands)]
    if there is None:
        return block[np.ix_(rows - top, columns - left)]
    return block[np.where(there, rows - top, 0), np.where(there, columns - left, 0)]


def _axes(window: Window, shape: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    row, column, height, width = window
    if shape is None or shape == (height, width):
        return np.arange(row, row + height), np.arange(column, column + width)
    rows, columns = pick(window, shape)
    return np.asarray(rows).ravel(), np.asarray(columns).ravel()


def _emit(path: Path, file: Any) -> list[HdfRaster]:
    """EMIT L2A reflectance of LP DAAC: (downtrack crosstrack bands), wavelengths in a group, a look-up table onto the map."""
    item, parameters, place = (file.get(name) for name in ("reflectance", "sensor_band_parameters", "location"))
    if item is None or parameters is None or "wavelengths" not in parameters or len(item.shape) != 3:
        return []
    known = spectrum(_list(parameters["wavelengths"]), _list(parameters.get("fwhm")), "nm")
    good = tuple(bool(flag) for flag in _list(parameters.get("good_wavelengths")))
    height, width, count = item.shape
    transform, crs, lookup = IDENTITY, None, None
    numbers = [float(x) for x in np.ravel(file.attrs.get("geotransform", ()))]
    if place is not None and "glt_x" in place and "glt_y" in place and len(numbers) == 6:
        check_fits(path, place["glt_x"].shape, 16)
        columns, rows = (np.abs(np.asarray(place[name], np.int64)) - 1 for name in ("glt_x", "glt_y"))
        nowhere = (rows < 0) | (columns < 0) | (rows >= height) | (columns >= width)
        lookup = np.where(nowhere, -1, rows), np.where(nowhere, -1, columns)
        x, a, b, y, d, e = numbers  # GDAL's order
        transform, crs = (a, b, x, d, e, y), _text(file.attrs.get("spatial_ref")) or "EPSG:4326"
        height, width = rows.shape
    header = Header(
        path=path,
        height=height,
        width=width,
        count=count,
        dtype=np.dtype(item.dtype),
        crs=crs,
        transform=transform,
        tags={**_texts(file.attrs), **_date_tag(file.attrs, "time_coverage_start")},
        product=f"{product_name(path.parent)}/EMIT {path.name}",
        wavelengths_um=known[0],
        widths_um=known[1],
        usable=good if len(good) == count else (),
        scales=(1.0,) * count,
        offsets=(0.0,) * count,
    )
    layer = Layer(name="reflectance", axes=(0, 1, 2), bands=tuple(range(count)))
    return [HdfRaster(header, [layer], fill=_fill(item, -9999.0), lookup=lookup)]


def _prisma(path: Path, file: Any) -> list[HdfRaster]:
    """PRISMA L2D of ASI: two cubes (row band column) of scaled reflectance; bands without a wavelength are not valid ones."""
    swaths = file.get("HDFEOS/SWATHS")
    name = next((name for name in swaths or () if name.endswith("_HCO") and "Data Fields" in swaths[name]), None)
    if name is None:
        return []
    fields = f"HDFEOS/SWATHS/{name}/Data Fields"
    if "VNIR_Cube" not in file[fields] or "L2ScaleVnirMax" not in file.attrs:
        raise UserError(
            f"{path}: {name}: expected PRISMA Level 2 reflectance, found radiance or no cube. Give the L2D product."
        )
    attributes, layers = file.attrs, []
    centers, widths, scales, offsets = [], [], [], []
    for part in ("Vnir", "Swir"):
        item = file.get(f"{fields}/{part.upper()}_Cube")
        center, width = (_list(attributes.get(f"List_{kind}_{part}")) for kind in ("Cw", "Fwhm"))
        if item is None or len(item.shape) != 3 or item.shape[1] != len(center) or len(width) != len(center):
            raise UserError(f"{path}: {part.upper()}_Cube and its wavelengths do not fit. Fetch the product again.")
        valid = sorted((i for i, um in enumerate(center) if um > 0), key=lambda i: center[i])
        low, high = (float(np.ravel(attributes[f"L2Scale{part}{end}"])[0]) for end in ("Min", "Max"))
        layers.append(Layer(name=f"{fields}/{part.upper()}_Cube", axes=(0, 2, 1), bands=tuple(valid)))
        centers += [center[i] for i in valid]
        widths += [width[i] for i in valid]
        scales += [(high - low) / 65535] * len(valid)
        offsets += [low] * len(valid)
    known = spectrum(centers, widths, "nm")
    height, _, width = file[layers[0].name].shape
    header = Header(
        path=path,
        height=height,
        width=width,
        count=len(centers),
        dtype=np.dtype(file[layers[0].name].dtype),
        crs=f"EPSG:{int(np.ravel(attributes['Epsg_Code'])[0])}" if "Epsg_Code" in attributes else None,
        transform=_prisma_transform(attributes, height, width),
        tags={**_texts(attributes), **_date_tag(attributes, "Product_StartTime")},
        product=f"{product_name(path.parent)}/PRISMA {path.name}",
        wavelengths_um=known[0],
        widths_um=known[1],
        scales=tuple(scales),
        offsets=tuple(offsets),
    )
    return [HdfRaster(header, layers, fill=0.0)]


def _prisma_transform(attributes: Mapping[str, Any], height: int, width: int) -> Affine6:
    """From the centres of the corner pixels."""
    keys = [f"Product_{corner}corner_{axis}" for corner in ("UL", "LR") for axis in ("easting", "northing")]
    if not all(key in attributes for key in keys) or height < 2 or width < 2:
        return IDENTITY
    left, top, right, bottom = (float(np.ravel(attributes[key])[0]) for key in keys)
    a, e = (right - left) / (width - 1), (bottom - top) / (height - 1)
    return (a, 0.0, left - a / 2, 0.0, e, top - e / 2)


def _variables(path: Path, file: Any) -> list[HdfRaster]:
    """A spectral cube with rows and columns, or variables of rows and columns that are a band each; with or without time."""
    items = {
        name: item for name, item in _datasets(file).items() if item.dtype.kind in "iuf" and _grid_axes(file, item)
    }
    cubes = [name for name, item in items.items() if _other(file, item, _SPECTRAL) is not None]
    planes = [name for name in items if name not in cubes]
    if cubes:
        name = max(cubes, key=lambda each: items[each].size)
        return _cube_acquisitions(path, file, name, items[name])
    shapes = {items[name].shape for name in planes}
    if not planes or len(shapes) > 1:
        return []
    first = items[planes[0]]
    rows, columns = _place_axes(file, first)
    header = _header(
        path, file, first, (rows, columns), count=len(planes), descriptions=tuple(n.split("/")[-1] for n in planes)
    )
    scaled = [_scaling(items[name]) for name in planes]
    header = dataclasses.replace(header, scales=tuple(s for s, _ in scaled), offsets=tuple(o for _, o in scaled))
    return _by_time(
        file,
        header,
        first,
        lambda at: [Layer(name=name, axes=(rows, columns, -1), at=at) for name in planes],
        _fill(first, None),
        {rows, columns},
    )


def _cube_acquisitions(path: Path, file: Any, name: str, item: Any) -> list[HdfRaster]:
    rows, columns = _place_axes(file, item)
    bands = _other(file, item, _SPECTRAL)
    assert bands is not None
    count = item.shape[bands]
    known, names = _axis_spectrum(file, item, bands)
    header = _header(path, file, item, (rows, columns), count=count, descriptions=names)
    scale, offset = _scaling(item)
    header = dataclasses.replace(
        header, scales=(scale,) * count, offsets=(offset,) * count, wavelengths_um=known[0], widths_um=known[1]
    )
    layer = Layer(name=name, axes=(rows, columns, bands), bands=tuple(range(count)))
    return _by_time(
        file,
        header,
        item,
        lambda at: [dataclasses.replace(layer, at=at)],
        _fill(item, None),
        {rows, columns, bands},
    )


def _by_time(
    file: Any,
    header: Header,
    item: Any,
    layers: Callable[[tuple[tuple[int, int], ...]], list[Layer]],
    fill: float | None,
    used: set[int],
) -> list[HdfRaster]:
    """One raster a date; axes of length one are picked, a longer one must be time."""
    rest = [axis for axis in range(len(item.shape)) if axis not in used]
    long = [axis for axis in rest if item.shape[axis] > 1]
    if len(long) > 1:
        return []
    fixed = tuple((axis, 0) for axis in rest if axis not in long)
    if not long:
        return [HdfRaster(header, layers(fixed), fill=fill)]
    dates = _dates(file, item, long[0])
    out = []
    for i in range(item.shape[long[0]]):
        tags = {**header.tags, **({"datetime": dates[i]} if dates else {})}
        out.append(HdfRaster(dataclasses.replace(header, tags=tags), layers((*fixed, (long[0], i))), fill=fill))
    return out


def _header(
    path: Path, file: Any, item: Any, axes: tuple[int, int], *, count: int, descriptions: tuple[str | None, ...]
) -> Header:
    height, width = item.shape[axes[0]], item.shape[axes[1]]
    vertical, horizontal = (_coordinate(file, item, axis) for axis in axes)
    crs, transform = None, IDENTITY
    if vertical is not None and horizontal is not None and height > 1 and width > 1:
        a, e = float(horizontal[-1] - horizontal[0]) / (width - 1), float(vertical[-1] - vertical[0]) / (height - 1)
        even = np.allclose(np.diff(horizontal), a, rtol=1e-2) and np.allclose(np.diff(vertical), e, rtol=1e-2)
        if even and a and e:
            transform = (a, 0.0, float(horizontal[0]) - a / 2, 0.0, e, float(vertical[0]) - e / 2)
            crs = _crs(file, item) or ("EPSG:4326" if _names(file, item)[axes[0]].startswith("lat") else None)
    return Header(
        path=path,
        height=height,
        width=width,
        count=count,
        dtype=np.dtype(item.dtype),
        crs=crs,
        transform=transform,
        descriptions=descriptions,
        tags=_texts(file.attrs),
        product=product_name(path),
    )


def _names(file: Any, item: Any) -> list[str]:
    """The names of a data set's axes, lower case, "" where they have none."""
    return [
        next((scale.split("/")[-1].lower() for scale in _scales(file, item, i)), "") for i in range(len(item.shape))
    ]


def _scales(file: Any, item: Any, axis: int) -> list[str]:
    try:
        return [str(scale.name) for scale in item.dims[axis].values()] or (
            [str(item.dims[axis].label)] if item.dims[axis].label else []
        )
    except (RuntimeError, ValueError, KeyError, TypeError):
        return []


def _grid_axes(file: Any, item: Any) -> tuple[int, int] | None:
    """The row and column axes by their names; None where they have none."""
    names = _names(file, item) if hasattr(item, "dims") else []
    rows = [i for i, name in enumerate(names) if name in _VERTICAL]
    columns = [i for i, name in enumerate(names) if name in _HORIZONTAL]
    return (rows[0], columns[0]) if rows and columns else None


def _place_axes(file: Any, item: Any) -> tuple[int, int]:
    axes = _grid_axes(file, item)
    assert axes is not None
    return axes


def _other(file: Any, item: Any, words: Sequence[str]) -> int | None:
    return next((i for i, name in enumerate(_names(file, item)) if name in words), None)


def _coordinate(file: Any, item: Any, axis: int) -> np.ndarray | None:
    for scale in item.dims[axis].values():
        values = np.asarray(scale)
        if values.dtype.kind in "iuf" and values.shape == (item.shape[axis],):
            return values.astype(np.float64)
    return None


def _axis_spectrum(file: Any, item: Any, axis: int) -> tuple[Spectrum, tuple[str | None, ...]]:
    """Wavelengths and names along a band axis: the axis's own numbers or words, or a vector of that length beside it."""
    count, names = item.shape[axis], tuple[str | None, ...]()
    widths = next((_list(v) for k, v in _datasets(file).items() if "fwhm" in k.lower() and v.shape == (count,)), [])
    named = dict(_datasets(file))
    for scale in item.dims[axis].values():
        values = np.asarray(scale)
        if values.shape == (count,) and values.dtype.kind in "OSU":
            names = tuple(_text(value) for value in values)
        elif (
            values.shape == (count,)
            and "wavelength" in str(scale.name).lower()
            or "wavelength" in _text(scale.attrs.get("long_name", scale.attrs.get("standard_name")))
        ):
            return spectrum([float(x) for x in values], widths, _text(scale.attrs.get("units"))), names
    for name, vector in named.items():
        if re.search(r"wavelength|wvl", name.lower()) and vector.shape == (count,) and vector.dtype.kind in "iuf":
            return spectrum(_list(vector), widths, _text(vector.attrs.get("units"))), names
    return ((), ()), names


def _dates(file: Any, item: Any, axis: int) -> list[str]:
    """ISO dates along a time axis, by its units "days since ..."; empty where they cannot be read."""
    for scale in item.dims[axis].values():
        found = re.match(
            r"(day|hour|minute|second)s? since (\d{4}-\d\d?-\d\d?[T \d:.]*)", _text(scale.attrs.get("units"))
        )
        values = np.asarray(scale)
        if found and values.shape == (item.shape[axis],):
            unit = {"day": "D", "hour": "h", "minute": "m", "second": "s"}[found[1]]
            seconds = np.round(values.astype(np.float64) * {"D": 86400, "h": 3600, "m": 60, "s": 1}[unit]).astype(
                "int64"
            )
            start = np.datetime64(found[2].strip().replace(" ", "T"), "s")
            return [str(start + np.timedelta64(int(s), "s")) for s in seconds]
    return []


def _scaling(item: Any) -> tuple[float, float]:
    scale, offset = (
        float(np.ravel(item.attrs.get(key, default))[0]) for key, default in (("scale_factor", 1), ("add_offset", 0))
    )
    return scale, offset


def _crs(file: Any, item: Any) -> str | None:
    mapping = file.get(_text(item.attrs.get("grid_mapping")) or "spatial_ref")
    if mapping is None:
        return None
    return _text(mapping.attrs.get("crs_wkt", mapping.attrs.get("spatial_ref"))) or None


def _fill(item: Any, default: float | None) -> float | None:
    value = item.attrs.get("_FillValue", item.attrs.get("missing_value"))
    return default if value is None else float(np.ravel(value)[0])


def _datasets(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    file.visititems(lambda name, item: found.__setitem__(name, item) if hasattr(item, "shape") else None)
    return found


def _list(values: Any) -> list[float]:
    return [] if values is None else [float(x) for x in np.ravel(np.asarray(values))]


def _text(value: Any) -> str:
    if value is None:
        return ""
    value = np.ravel(np.asarray(value))[0] if np.ndim(value) else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {str(k): _text(v) for k, v in attributes.items() if isinstance(v, (str, bytes)) or np.ndim(v) == 0}


def _date_tag(attributes: Mapping[str, Any], key: str) -> dict[str, str]:
    text = _text(attributes.get(key))
    return {"acquisition_date": re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text)} if text else {}
