"""Which files and folders below a folder are acquisitions: images, cubes, and products whose bands are files of their own."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rsfm.data.reading import cube, hdf, picture
from rsfm.data.reading.files import RASTER_SUFFIXES, band_token
from rsfm.sensors import SHIPPED

PRODUCTS = (".safe",)  # folders that are one acquisition, whatever lies in them
SUFFIXES = (*RASTER_SUFFIXES, *picture.SUFFIXES, *cube.SUFFIXES, *hdf.SUFFIXES)


def acquisitions(folder: Path) -> list[tuple[Path, ...]]:
    """What `open_scene` is to be given for each acquisition below a folder, in the order of their names.

    One-band files whose names differ by their band alone are one. What lies beside a product under its name (clouds, quality), a
    quicklook beside its image, and the data beside an ENVI header are no acquisitions of their own. Links to folders are not
    followed.
    """
    return sorted(_below(folder))


def _below(folder: Path) -> Iterator[tuple[Path, ...]]:
    for place, folders, names in os.walk(folder):
        here = Path(place)
        products = [name for name in folders if name.lower().endswith(PRODUCTS)]
        yield from ((here / name,) for name in products)
        folders[:] = sorted(name for name in folders if name not in products and not name.startswith("."))
        files = [here / name for name in sorted(names) if not name.startswith(".")]
        yield from _of_files([path for path in files if path.suffix.lower() in SUFFIXES and path.is_file()])


def _of_files(files: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """The acquisitions of one folder's files."""
    bands: dict[str, list[Path]] = {}
    for path in files:
        token = band_token(path, SHIPPED) if path.suffix.lower() in RASTER_SUFFIXES else None
        if token and not token.isdigit():  # tile_1.tif and tile_2.tif are two places
            bands.setdefault(path.stem[: -len(token)], []).append(path)
    products = {stem: group for stem, group in bands.items() if len(group) > 1}
    yield from (tuple(group) for group in products.values())
    inside = {path for group in products.values() for path in group}
    rest = [p for p in files if p not in inside and not any(stem and p.stem.startswith(stem) for stem in products)]
    names = {path.name.lower() for path in rest}
    yield from ((path,) for path in rest if not _belongs(path, names))


def _belongs(path: Path, names: set[str]) -> bool:
    """Whether a file is a part or a picture of another one in its folder."""
    stem, suffix = path.stem.lower(), path.suffix.lower()
    if suffix in picture.SUFFIXES:
        return any(f"{stem}{other}" in names for other in RASTER_SUFFIXES)
    spared = (".tif", ".tiff", ".jp2", ".hdr", *cube.SUFFIXES, *hdf.SUFFIXES)
    return suffix not in spared and (f"{stem}.hdr" in names or f"{path.name.lower()}.hdr" in names)
