"""Results as files on the grid of the input: class masks and images as COG; shapes and pictures from their own modules.

h w pixels · c bands
"""

import contextlib
import errno
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from affine import Affine
from jaxtyping import Float, Int
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from rsfm.data.reading.opening import copy_to_cog, create_raster, gdal, open_raster
from rsfm.data.writing.atomic import write_json, written_whole
from rsfm.data.writing.overlay import write_overlay
from rsfm.data.writing.palette import Colour, class_colours
from rsfm.data.writing.vectors import box_features, mask_features, write_geojson
from rsfm.types import GeoGrid, Mask

__all__ = [
    "MaskWriter",
    "box_features",
    "mask_features",
    "write_geojson",
    "write_image",
    "write_json",
    "write_mask",
    "write_strips",
    "write_overlay",
]

_BLOCK = 512


class MaskWriter:
    """Writes a class mask of any size by blocks at bounded memory; the file appears when the `with` block ends well.

    >>> with MaskWriter("out/mask.tif", scene.grid, ("water", "trees")) as writer:
    ...     writer.write(0, 0, class_index)
    """

    def __init__(
        self,
        path: str | Path,
        grid: GeoGrid,
        legend: Sequence[str],
        colors: Mapping[str, Colour] | None = None,
    ):
        """Args:
        path: the GeoTIFF to write.
        grid: of the whole mask.
        legend: class names; pixel values are indices into it, the largest of the type is "unlabelled".
        colors: red green blue of classes, by name.
        """
        self.path, self.grid, self.legend = Path(path), grid, tuple(legend)
        self.dtype, self.nodata = ("uint8", 255) if len(self.legend) < 255 else ("uint16", 65535)
        self._colours = class_colours(self.legend, colors)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "MaskWriter":
        self._stack = contextlib.ExitStack()
        try:
            self._folder = self._stack.enter_context(written_whole(self.path))
            self._stack.enter_context(gdal(GDAL_PAM_ENABLED=False))
            self._dataset = create_raster(
                self._folder.parent / "blocks.tif",
                count=1,
                dtype=self.dtype,
                nodata=self.nodata,
                tiled=True,
                blockxsize=_BLOCK,
                blockysize=_BLOCK,
                compress="deflate",
                bigtiff="if_safer",
                **_georeference(self.grid),
            )
            self._describe()
        except BaseException as error:
            if self._stack.__exit__(type(error), error, error.__traceback__):
                raise AssertionError("an error while opening is never swallowed") from error
            raise
        return self

    def write(self, row: int, column: int, class_index: Int[np.ndarray, "h w"]) -> None:
        """Puts a block of class indices (-1 = unlabelled) with its top-left pixel at (row, column)."""
        stored = np.where(class_index < 0, self.nodata, class_index).astype(self.dtype)
        height, width = stored.shape
        self._dataset.write(stored, 1, window=Window(column, row, width, height))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._dataset.close()
            if error is None:
                target = self._folder / self.path.name
                _to_cog(self._folder.parent / "blocks.tif", target, overview_resampling="mode")
                sidecar = self._folder / f"{self.path.name}.aux.xml"
                sidecar.write_text(_category_names(self.legend), encoding="utf-8")
        except BaseException as late:
            kind, error, trace = type(late), late, late.__traceback__
        if not self._stack.__exit__(kind, error, trace) and error is not None:
            raise error

    def _describe(self) -> None:
        table = {i: (*colour, 255) for i, colour in enumerate(self._colours)}
        if self.dtype == "uint8":
            self._dataset.write_colormap(1, {**table, self.nodata: (0, 0, 0, 0)})
        self._dataset.set_band_description(1, "class")
        self._dataset.update_tags(classes=json.dumps(list(self.legend)))
        self._dataset.update_tags(1, **{f"CLASS_{i}": name for i, name in enumerate(self.legend)})


def write_mask(path: str | Path, mask: Mask, grid: GeoGrid | None, colors: Mapping[str, Colour] | None = None) -> None:
    """Writes a class mask as compressed COG with class names and colours.

    Args:
        path: the GeoTIFF to write.
        mask: class of each pixel.
        grid: its map grid; None writes it without georeference.
        colors: red green blue of classes, by name.
    """
    with MaskWriter(path, grid or _plain_grid(mask.class_index), mask.legend, colors) as writer:
        writer.write(0, 0, mask.class_index)


def write_image(
    path: str | Path, image: Float[np.ndarray, "h w c"], grid: GeoGrid | None, band_names: Sequence[str]
) -> None:
    """Writes an image as float32 COG, NaN where there is no value.

    Args:
        path: the GeoTIFF to write.
        image: values.
        grid: its map grid; None writes it without georeference.
        band_names: one a band.
    """
    path, grid = Path(path), grid or _plain_grid(image[..., 0])
    with written_whole(path) as folder, gdal(GDAL_PAM_ENABLED=False):
        plain = folder.parent / "plain.tif"
        with create_raster(
            plain,
            count=image.shape[-1],
            dtype="float32",
            nodata=float("nan"),
            tiled=True,
            bigtiff="if_safer",
            **_georeference(grid),
        ) as dataset:
            dataset.write(np.moveaxis(image, -1, 0).astype(np.float32))
            for i, name in enumerate(band_names, start=1):
                dataset.set_band_description(i, name)
            dataset.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * (image.shape[-1] - 1)
        _to_cog(plain, folder / path.name, overview_resampling="average", predictor="yes")


def write_strips(
    path: str | Path,
    size: tuple[int, int],
    grid: GeoGrid | None,
    band_names: Sequence[str],
    strips: Iterable[tuple[int, Float[np.ndarray, "c r w"]]],
) -> None:
    """Writes an image as float32 COG some rows at a time, at bounded memory, NaN where there is no value.

    Args:
        path: the GeoTIFF to write.
        size: height and width.
        grid: its map grid; None writes it without georeference.
        band_names: one a band.
        strips: first row and values of some rows; together all rows.
    """
    path, grid = Path(path), grid or _plain_grid(np.empty(size))
    with written_whole(path) as folder, gdal(GDAL_PAM_ENABLED=False):
        plain = folder.parent / "plain.tif"
        place = {**_georeference(grid), "tiled": True, "bigtiff": "if_safer", "nodata": float("nan")}
        with create_raster(plain, count=len(band_names), dtype="float32", **place) as dataset:
            for first, values in strips:
                window = Window(0, first, values.shape[2], values.shape[1])
                dataset.write(values.astype(np.float32), window=window)
            for i, name in enumerate(band_names, start=1):
                dataset.set_band_description(i, name)
            dataset.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * (len(band_names) - 1)
        _to_cog(plain, folder / path.name, overview_resampling="average", predictor="yes")


def _to_cog(source: Path, target: Path, **options: str) -> None:
    _check_blocks(source)
    copy_to_cog(source, target, compress="DEFLATE", blocksize=str(_BLOCK), **options)
    _check_blocks(target)


def _check_blocks(path: Path) -> None:
    """Whether every block lies inside the file: GDAL writes late, and a full disk then raises nothing."""
    size = path.stat().st_size
    with open_raster(path) as dataset:
        bands = dataset.indexes if dataset.interleaving.name == "band" else (1,)
        for band in bands:
            for (row, column), _ in dataset.block_windows(band):
                place = [
                    dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band)
                    for what in ("OFFSET", "SIZE")
                ]
                if None in place or int(place[0]) + int(place[1]) > size:
                    raise OSError(errno.ENOSPC, "blocks are missing: the disk is full")


def _georeference(grid: GeoGrid) -> dict[str, Any]:
    place = {"crs": grid.crs} if grid.crs else {}
    return {"height": grid.height, "width": grid.width, "transform": Affine(*grid.transform), **place}


def _plain_grid(pixels: np.ndarray) -> GeoGrid:
    return GeoGrid(crs=None, transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), height=pixels.shape[0], width=pixels.shape[1])


def _category_names(legend: Sequence[str]) -> str:
    rows = "".join(f"      <Category>{escape(name)}</Category>\n" for name in legend)
    return (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n'
        f"{rows}    </CategoryNames>\n  </PAMRasterBand>\n</PAMDataset>\n"
    )
