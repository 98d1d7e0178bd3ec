"""Which files make one acquisition: a path, a folder of one-band files, or several one-band files named one by one."""

import dataclasses
import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from rsfm.data.addresses import check_local
from rsfm.data.reading import cube, hdf, picture
from rsfm.data.reading.clouds import cloud_kind
from rsfm.data.reading.formats import HDF5_SIGNATURE, beginning
from rsfm.data.reading.geotiff import GeoRaster, Source, reading
from rsfm.data.reading.metadata import enmap_spectrum, product_metadata
from rsfm.data.reading.raster import Raster, product_name
from rsfm.data.reading.wavelengths import spectrum
from rsfm.errors import UserError
from rsfm.sensors import SHIPPED
from rsfm.sensors.infer import product_match
from rsfm.sensors.names import band_name
from rsfm.types import Sensor

RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img", ".dat", ".bsq", ".bil", ".bip")
_RESOLUTION = re.compile(r"[_-](?:[126]0m|[126]0)$", re.IGNORECASE)


def open_rasters(
    paths: Sequence[Path], sensor: Sensor | None, times: int | None = None, *, allow_vrt: bool = False
) -> list[Raster]:
    """The files in these paths, in their order.

    Args:
        paths: files and folders.
        sensor: the instrument, None where it is not known yet.
        times: how many dates the user names, where there is one path.
        allow_vrt: read a VRT, too.
    """
    for path in paths:
        check_exists(path)
    groups = _grouped(paths, sensor)
    rasters: list[Raster] = []
    for group in groups:
        rasters.extend(_open_group(group, sensor, times, allow_vrt))
    return rasters


def check_exists(path: Path) -> None:
    """Raises UserError for a missing, empty or unreadable path."""
    check_local(path)
    if not os.path.exists(path):  # False, too, for a name that is none: too long, or with a zero in it
        near: list[str] = []
        if path.parent.is_dir():
            near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1, cutoff=0.6)
        hint = f" Did you mean '{near[0]}'?" if near else " Check the path."
        raise UserError(f"{path}: no such file.{hint}")
    if path.is_file() and path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty (0 bytes). Fetch or write it again.")


def _grouped(paths: Sequence[Path], sensor: Sensor | None) -> list[list[Path]]:
    """Several one-band files of one product (names alike but for the band) are one acquisition; else a path is one."""
    if len(paths) < 2 or any(path.is_dir() for path in paths):
        return [[path] for path in paths]
    groups: dict[str, dict[str, Path]] = {}
    for path in paths:
        token = band_token(path, [sensor] if sensor else list(SHIPPED))
        stem = f"{path.parent}/{_RESOLUTION.sub('', path.stem)}"
        if token is None or path.suffix.lower() not in RASTER_SUFFIXES:
            return [[path] for path in paths]
        groups.setdefault(stem[: -len(token)], {})[token.upper()] = path
    together = sum(len(group) for group in groups.values()) == len(paths) and all(
        len(group) > 1 for group in groups.values()
    )
    return [list(group.values()) for group in groups.values()] if together else [[path] for path in paths]


def _open_group(group: list[Path], sensor: Sensor | None, times: int | None, allow_vrt: bool) -> list[Raster]:
    path = group[0]
    if len(group) > 1:
        return [stack_bands(group, sensor, folder=path.parent, allow_vrt=allow_vrt)]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in RASTER_SUFFIXES and p.is_file())
        if not files:
            raise UserError(
                f"{path}: the folder holds no raster. Expected one-band files such as *_B02.tif or *_B02_10m.jp2."
            )
        return [stack_bands(files, sensor, folder=path, allow_vrt=allow_vrt)]
    suffix = path.suffix.lower()
    if suffix in picture.SUFFIXES:
        return [picture.open_picture(path)]
    if suffix in hdf.SUFFIXES and beginning(path, 8) == HDF5_SIGNATURE:
        return list(hdf.open_hdf(path))
    if suffix in cube.SUFFIXES:
        return list(cube.open_cube(path, len(sensor.bands) if sensor else None, times))
    header = path.with_suffix(".hdr") if path.with_suffix(".hdr").exists() else path.with_name(path.name + ".hdr")
    if header.exists() and suffix not in (".tif", ".tiff", ".jp2"):
        return list(cube.open_cube(header))
    raster = with_metadata(GeoRaster([Source(path=path, allow_vrt=allow_vrt)]), path)
    if raster.header.count == 1 and not any(raster.header.descriptions):
        token = band_token(path, [sensor] if sensor else list(SHIPPED))
        if token and (sensor or not any(character.isdigit() for character in token)):
            raster.header = dataclasses.replace(raster.header, descriptions=(token,))
    if sensor and len(sensor.bands) == raster.header.count + 1:
        whole = raster.with_alpha_as_band()
        raster = whole if whole.header.count == len(sensor.bands) else raster
    return [raster]


def stack_bands(files: Sequence[Path], sensor: Sensor | None, *, folder: Path, allow_vrt: bool = False) -> GeoRaster:
    """One-band files as one raster on the finest grid, bands in the sensor's order, with the cloud layer if any.

    Args:
        files: rasters; those that are no band of the sensor are left out (true colour, aerosol, ...).
        sensor: None to tell it from the bands that are there.
        folder: what they are together, for messages.
        allow_vrt: the files may be VRTs of files in their own folder.
    """
    clouds = [(path, kind) for path in files if (kind := cloud_kind(path))]
    chosen = sensor or _sensor_of(files, folder)
    found: dict[str, Path] = {}
    for path in files:
        token = band_token(path, [chosen])
        name = band_name(chosen, token, path.name) if token else None
        if name and (name not in found or _pixels(path, allow_vrt) > _pixels(found[name], allow_vrt)):
            found[name] = path
    if not found:
        names = ", ".join(band.name for band in chosen.bands[:6])
        raise UserError(
            f"{folder}: no file is named after a band of {chosen.name} ({names} ...). Found {files[0].name}, ..."
        )
    sources = [
        Source(path=found[band.name], indexes=(1,), name=band.name, allow_vrt=allow_vrt)
        for band in chosen.bands
        if band.name in found
    ]
    return with_metadata(GeoRaster(sources, folder=folder, cloud=clouds[0] if clouds else None), sources[0].path)


def with_metadata(raster: GeoRaster, path: Path) -> GeoRaster:
    """The raster with what the product's metadata files beside it say among its tags."""
    found = product_metadata(path)
    if found:
        raster.header = dataclasses.replace(raster.header, tags={**raster.header.tags, **found})
    centers, widths = spectrum(*enmap_spectrum(path), "nm")
    if len(centers) == raster.header.count:
        raster.header = dataclasses.replace(raster.header, wavelengths_um=centers, widths_um=widths)
    return raster


def band_token(path: Path, sensors: Sequence[Sensor]) -> str | None:
    """The end of a file's name that is a band of one of the sensors; None where it is none."""
    stem = _RESOLUTION.sub("", path.stem)
    for parts in (2, 1):  # "SR_B4" before "B4"
        found = re.search(rf"(?:^|[_.-])((?:[A-Za-z0-9]+_){{{parts - 1}}}[A-Za-z0-9]+)$", stem)
        if found and any(band_name(sensor, found[1], path.name) for sensor in sensors):
            return found[1]
    return None


def _sensor_of(files: Sequence[Path], folder: Path) -> Sensor:
    """The sensor whose bands are all there; among several, the one whose name the product carries, else the first."""
    fits = []
    for sensor in SHIPPED:
        names = {
            band_name(sensor, token, path.name, own=not product_match(sensor, path.name))
            for path in files
            if (token := band_token(path, [sensor]))
        }
        if len(sensor.bands) > 1 and names == {band.name for band in sensor.bands}:
            fits.append(sensor)
    product = product_name(files[0]).split("/")
    telling = [sensor for sensor in fits if any(product_match(sensor, part) for part in (*product, folder.name))]
    most = max((len(sensor.bands) for sensor in fits), default=0)
    largest = telling or [sensor for sensor in fits if len(sensor.bands) == most]
    if largest:
        return largest[0]
    shown = ", ".join(path.name for path in files[:3])
    raise UserError(
        f"{folder}: the sensor cannot be told from the file names ({shown} ...). Name it with sensor. "
        f"Known: {', '.join(sorted(s.name for s in SHIPPED))}."
    )


def _pixels(path: Path, allow_vrt: bool) -> int:
    with reading(path):
        header = GeoRaster([Source(path=path, allow_vrt=allow_vrt)]).header
    return header.height * header.width
