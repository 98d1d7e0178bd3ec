"""Lazy windows of georeferenced rasters: GeoTIFF, COG, JPEG 2000, and one-band files stacked on their finest grid.

h w pixels · c bands
"""

import atexit
import contextlib
import dataclasses
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped
from rasterio._err import CPLE_BaseError  # what GDAL raises below RasterioError; it has no public name
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from rsfm.data.reading.clouds import CLOUD_KINDS
from rsfm.data.reading.opening import gdal, open_raster, stored_dtype
from rsfm.data.reading.placement import on_grid, placed
from rsfm.data.reading.raster import IDENTITY, Header, Window, product_name, select_header
from rsfm.data.reading.wavelengths import wavelengths_of_tags
from rsfm.errors import UserError
from rsfm.types import GeoGrid

PLANE = "EPSG:3857"  # stands in where files have no CRS: warping between plain pixel grids needs some plane
_PURE = 0.99  # share of a mask's full value from which a shrunk pixel is all inside
_COARSE_BLOCK = 1 << 18  # pixels of a block above which a small read is a large one


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Bands of one file.

    Attributes:
        path: the file.
        indexes: one-based, empty for all but alpha.
        name: the band the file is named after.
        nodata: a stored number that the file does not declare and its product has for nothing.
        mask: one-based place of a layer that is 0 where there is nothing.
        allow_vrt: the file may be a VRT of files in its own folder.
    """

    path: Path
    indexes: tuple[int, ...] = ()
    name: str | None = None
    nodata: float | None = None
    mask: int | None = None
    allow_vrt: bool = False


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what GDAL says while reading into one line."""
    try:
        with gdal():
            yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        text = str(error.__cause__ or error)
        raise UserError(
            f"{path}: damaged or cut short ({text.strip()[:160]}). Fetch or write the file again."
        ) from error


class GeoRaster:
    """One acquisition from one multi-band file or from several files on one grid. Files open at the first read."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        target: GeoGrid | None = None,
        folder: Path | None = None,
        cloud: tuple[Path, str] | None = None,
    ):
        """Opens the files once to read what they say.

        Args:
            sources: files in band order.
            target: grid to warp to (bilinear); None takes the finest of the files.
            folder: what the sources are together, for messages.
            cloud: file of clouds and its kind, a key of CLOUD_KINDS.
        """
        self.cloud = cloud
        self._handles: dict[str, Any] | None = None
        self._lock = threading.Lock()
        headers, self.sources = zip(*(_header(source) for source in sources), strict=True)
        finest = min(
            headers, key=lambda header: abs(header.transform[0] * header.transform[4] - header.transform[1] ** 2)
        )
        if all(header.transform == IDENTITY for header in headers):
            finest = max(headers, key=lambda header: header.height * header.width)
        self.own = GeoGrid(crs=finest.crs, transform=finest.transform, height=finest.height, width=finest.width)
        self.grid = target or self.own
        self._check_places(headers)
        self.header = dataclasses.replace(
            finest,
            path=folder or finest.path,
            height=self.grid.height,
            width=self.grid.width,
            count=sum(header.count for header in headers),
            dtype=np.result_type(*(header.dtype for header in headers)),
            crs=self.grid.crs,
            transform=self.grid.transform,
            descriptions=tuple(name for header in headers for name in header.descriptions),
            scales=tuple(x for header in headers for x in header.scales),
            offsets=tuple(x for header in headers for x in header.offsets),
            wavelengths_um=tuple(x for header in headers for x in header.wavelengths_um),
            widths_um=tuple(x for header in headers for x in header.widths_um),
            coarse_blocks=any(header.coarse_blocks for header in headers),
        )

    def warped(self, grid: GeoGrid) -> "GeoRaster":
        """The same pixels on another grid."""
        return self._derived(self.sources, grid=grid)

    def select(self, places: Sequence[int]) -> "GeoRaster":
        """The same acquisition with some of its bands, in this order."""
        if list(places) == list(range(self.header.count)):
            return self
        each = [dataclasses.replace(source, indexes=(i,)) for source in self.sources for i in source.indexes]
        chosen = [each[i] for i in places]
        if len(self.sources) == 1:  # all at one read
            indexes = tuple(self.sources[0].indexes[i] for i in places)
            chosen = [dataclasses.replace(self.sources[0], indexes=indexes)]
        return self._derived(chosen, places)

    def masked_by(self, place: int) -> "GeoRaster":
        """The same acquisition without one of its layers, which is 0 where there is nothing."""
        (source,) = self.sources
        rest = [i for i in range(self.header.count) if i != place]
        indexes = tuple(source.indexes[i] for i in rest)
        return self._derived([dataclasses.replace(source, indexes=indexes, mask=source.indexes[place])], rest)

    def with_nodata(self, nodata: float) -> "GeoRaster":
        """The same acquisition with a number for nothing, which averages and warps then leave out."""
        return self._derived([dataclasses.replace(source, nodata=nodata) for source in self.sources])

    def _derived(
        self, sources: Sequence[Source], places: Sequence[int] | None = None, grid: GeoGrid | None = None
    ) -> "GeoRaster":
        """Other sources or another grid, with what is known of this one: tags of the product, wavelengths, names."""
        raster = GeoRaster(sources, target=grid or self.grid, folder=self.header.path, cloud=self.cloud)
        header, where = self.header if places is None else select_header(self.header, places), raster.grid
        place = {"height": where.height, "width": where.width, "crs": where.crs, "transform": where.transform}
        raster.header = dataclasses.replace(header, **place)
        return raster

    def read(
        self, window: Window, shape: tuple[int, int] | None = None
    ) -> tuple[Shaped[np.ndarray, "h w c"], Bool[np.ndarray, "h w c"]]:
        """Stored numbers and where each band is valid. Shrinking to `shape` averages, enlarging is bilinear."""
        values, valid = [], []
        for source in self.sources:
            with reading(source.path), self._lock:
                part = self._read_source(source, window, shape)
            values.append(part[0])
            valid.append(part[1])
        return np.concatenate(values, -1), np.concatenate(valid, -1)

    def cloudy(self, window: Window, shape: tuple[int, int] | None = None) -> Bool[np.ndarray, "h w"] | None:
        """Where the cloud layer says cloud, shadow or nothing seen; None without such a layer."""
        if self.cloud is None:
            return None
        path, kind = self.cloud
        with reading(path), self._lock:
            layer = self._open("cloud", Source(path=path), Resampling.nearest).read(
                1, window=_rasterio_window(window), out_shape=shape, resampling=Resampling.nearest
            )
        return CLOUD_KINDS[kind](layer)

    def with_alpha_as_band(self) -> "GeoRaster":
        """The same file with what it calls alpha as one more band: many writers call the fourth of four bands so."""
        source = self.sources[0]
        with reading(source.path), open_raster(source.path, allow_vrt=source.allow_vrt) as dataset:
            return GeoRaster([dataclasses.replace(source, indexes=tuple(dataset.indexes))])

    def close(self) -> None:
        """Closes the files; the next read opens them again."""
        for handle in reversed(list((self._handles or {}).values())):
            handle.close()
        self._handles = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handles": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def _read_source(
        self, source: Source, window: Window, shape: tuple[int, int] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        mixing = _mixing(window, shape)
        averaged = mixing == Resampling.average
        dataset = self._open(f"{source.path} {averaged}", source, Resampling.bilinear, averaged=averaged)
        indexes = list(source.indexes or _data_indexes(dataset))
        area = _rasterio_window(window)
        out = (len(indexes), *(shape or (window[2], window[3])))
        values = np.moveaxis(dataset.read(indexes, window=area, out_shape=out, resampling=mixing), 0, -1)
        if any(dataset.colorinterp[i - 1] == ColorInterp.alpha for i in indexes):  # asked for as a band like others
            valid = np.ones(values.shape, bool) if dataset.nodata is None else values != dataset.nodata
            if isinstance(dataset, WarpedVRT):  # outside of the file all is zero, and no mask tells it
                valid &= values.any(-1, keepdims=True)
        elif all(MaskFlags.all_valid in dataset.mask_flag_enums[i - 1] for i in indexes):
            valid = np.ones(values.shape, bool)
        else:
            valid = np.moveaxis(dataset.read_masks(indexes, window=area, out_shape=out), 0, -1) > 0
        if source.mask is not None:
            layer = dataset.read(source.mask, window=area, out_shape=out[1:], resampling=mixing).astype(np.float32)
            valid = valid & (layer >= np.ceil(layer.max() * _PURE))[..., None] & (layer > 0)[..., None]
        if _zero_is_plausible(dataset, values.dtype):
            valid = np.broadcast_to(valid.any(-1, keepdims=True), valid.shape)
        return values, valid & np.isfinite(values) if values.dtype.kind == "f" else valid

    def _open(self, key: str, source: Source, resampling: Resampling, *, averaged: bool = False) -> Any:
        if self._handles is None:
            self._handles = {}
            _OPEN.add(self)
        if key not in self._handles:
            dataset = open_raster(source.path, allow_vrt=source.allow_vrt)
            self._handles[f"file {key}"] = dataset
            self._handles[key] = _on_grid(dataset, source, self.grid, resampling, averaged)
        return self._handles[key]

    def _check_places(self, headers: Sequence[Header]) -> None:
        for header in headers:
            if (header.crs is None) != (self.grid.crs is None):
                with_crs, without = (
                    (header.path, self.sources[0].path) if header.crs else (self.sources[0].path, header.path)
                )
                raise UserError(
                    f"{without}: no CRS, but {with_crs.name} has one: they cannot be put on one grid. Assign a CRS."
                )


_OPEN: weakref.WeakSet[GeoRaster] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Warped datasets complain when the interpreter takes them down after the modules they need."""
    for raster in list(_OPEN):
        raster.close()


def _header(source: Source) -> tuple[Header, Source]:
    """What a file says of the source's bands, and the source with the places of its bands written out."""
    path = source.path
    with reading(path):
        dataset = open_raster(path, allow_vrt=source.allow_vrt)
        with dataset:
            if not dataset.count:
                inner = ", ".join(name.split(":")[-1] for name in dataset.subdatasets[:6]) or "none"
                raise UserError(f"{path}: holds no raster itself but the data sets {inner}. Export one as GeoTIFF.")
            indexes = source.indexes or _data_indexes(dataset)
            kinds = [stored_dtype(dataset.dtypes[i - 1]) for i in indexes]
            dtype = kinds[0]
            if any(each.kind == "c" for each in kinds):
                raise UserError(
                    f"{path}: complex numbers. Expected intensities: detect and calibrate the product first."
                )
            block, place = dataset.block_shapes[0], placed(dataset, path)
            names = tuple(dataset.descriptions[i - 1] for i in indexes)
            tags = [{**dataset.tags(i), **dataset.tags(i, ns="IMAGERY")} for i in indexes]
            wavelengths_um, widths_um = wavelengths_of_tags(tags)
            header = Header(
                path=path,
                height=place.grid.height,
                width=place.grid.width,
                count=len(indexes),
                dtype=dtype,
                crs=place.grid.crs,
                transform=place.grid.transform,
                descriptions=(source.name,) if source.name else names,
                scales=tuple(dataset.scales[i - 1] for i in indexes),
                offsets=tuple(dataset.offsets[i - 1] for i in indexes),
                tags={**dataset.tags(1), **dataset.tags(ns="IMAGERY"), **dataset.tags()},
                product=product_name(path),
                coarse_blocks=block[0] * block[1] > _COARSE_BLOCK,
                notes=place.notes,
                wavelengths_um=wavelengths_um,
                widths_um=widths_um,
            )
            return header, dataclasses.replace(source, indexes=tuple(indexes))


def _data_indexes(dataset: Any) -> tuple[int, ...]:
    return tuple(i for i, kind in zip(dataset.indexes, dataset.colorinterp, strict=True) if kind != ColorInterp.alpha)


def _rasterio_window(window: Window) -> RasterioWindow:
    row, column, height, width = window
    return RasterioWindow(column, row, width, height)


def _mixing(window: Window, shape: tuple[int, int] | None) -> Resampling:
    """How the pixels of a window become those of a shape."""
    if shape is None:
        return Resampling.nearest
    return Resampling.bilinear if shape[0] > window[2] or shape[1] > window[3] else Resampling.average


def _zero_is_plausible(dataset: Any, dtype: np.dtype) -> bool:
    """Whether nodata is a number that single bands may well have: then a pixel is empty only where all bands are."""
    return dtype.kind in "iu" and (dataset.nodata == 0 or (dtype == np.uint8 and dataset.nodata == 255))


def _on_grid(dataset: Any, source: Source, grid: GeoGrid, resampling: Resampling, averaged: bool) -> Any:
    """The dataset as it is where it lies on the grid, else warped onto it as it is read.

    A number for nothing that the file does not declare is known to GDAL through a warp only: it is made where pixels are mixed.
    """
    nodata = source.nodata
    if dataset.nodata is not None or ColorInterp.alpha in dataset.colorinterp:
        nodata = None
    outside: dict[str, Any] = {"add_alpha": True} if dataset.nodata is None else {}
    if nodata is not None:
        outside = {"src_nodata": nodata, "nodata": nodata}
    if ColorInterp.alpha in dataset.colorinterp:
        outside = {}
    warp = averaged and nodata is not None
    return on_grid(dataset, source.path, grid, PLANE, always=warp, resampling=resampling, **outside)
