"""What a file is, by its first bytes: the formats that are read, each with its one driver, and those that are refused."""

import dataclasses
from pathlib import Path

from rsfm.errors import UserError

READ = "GeoTIFF, COG, JPEG 2000, PNG, JPEG, ENVI, Erdas Imagine, NetCDF or HDF5"
_ENVI_DATA = ("", ".img", ".dat", ".bsq", ".bil", ".bip", ".raw")


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that is read: GDAL's driver for it, and the bytes its files begin with."""

    driver: str
    beginnings: tuple[bytes, ...]


HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
FORMATS = (
    Format("GTiff", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    Format("JP2OpenJPEG", (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    Format("PNG", (b"\x89PNG\r\n\x1a\n",)),
    Format("JPEG", (b"\xff\xd8\xff",)),
    Format("HFA", (b"EHFA_HEADER_TAG",)),
    Format("netCDF", (b"CDF\x01", b"CDF\x02", b"CDF\x05", HDF5_SIGNATURE)),
)
# Formats GDAL and Pillow would read whose text names other files, addresses or programs: told by name, never opened.
REFUSED = (
    (b"<MRF_META", "an MRF description"),
    (b"<VRTDataset", "a VRT"),
    (b"<GDAL_WMS", "a map server's description"),
    (b"<GDAL_WMTS", "a map server's description"),
    (b"<WMS_", "a map server's description"),
    (b"<WMT_", "a map server's description"),
    (b"<WCS_GDAL", "a coverage server's description"),
    (b"<GDALTileIndexDataset", "a tile index"),
    (b"<?xml", "XML"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"SQLite format 3", "a database (GeoPackage, MBTiles, Rasterlite)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{", "JSON"),
)


def beginning(path: Path, count: int = 1024) -> bytes:
    """The first bytes of a regular file; those of a device or pipe are never waited for.

    Raises:
        UserError: the path is a device, a pipe or a folder.
        OSError: it cannot be read.
    """
    if not path.is_file():
        if path.exists():
            raise UserError(f"{path}: expected a regular file, found a folder, device or pipe.")
        raise FileNotFoundError(2, "no such file", str(path))
    with path.open("rb") as file:
        return file.read(count)


def driver_of(path: Path) -> str:
    """GDAL's name of the one driver a raster is opened with.

    Raises:
        UserError: the file's bytes are of no format that is read. "VRT" is returned, and is the caller's to refuse.
    """
    head = beginning(path)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<VRTDataset"):
        return "VRT"
    if path.suffix.lower() in _ENVI_DATA and envi_header(path) is not None and not head.startswith(b"EHFA"):
        return "ENVI"
    for each in FORMATS:
        if head.startswith(each.beginnings):
            return each.driver
    for start, name in REFUSED:
        if text.startswith(start):
            raise UserError(
                f"{path}: found {name}, which may reach other files or addresses and is never opened. Expected {READ}."
            )
    raise UserError(f"{path}: not an image that can be read. Expected {READ}.")


def envi_header(path: Path) -> Path | None:
    """The ENVI header beside a file of numbers, None where there is none."""
    for header in (path.with_suffix(".hdr"), path.with_name(path.name + ".hdr")):
        if header.is_file() and beginning(header, 4) == b"ENVI":
            return header
    return None
