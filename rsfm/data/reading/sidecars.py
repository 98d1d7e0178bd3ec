"""Georeference in small files beside a raster or picture: world files, GDAL's .aux.xml, .prj.

They are text of a few lines, read by this module and no other: no entity, no address and no path in them is followed.
"""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.parsers import expat

import numpy as np
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import CRSError

from rsfm.data.reading.raster import IDENTITY, Affine6
from rsfm.errors import UserError

MOST_BYTES = 16 << 20  # of an .aux.xml, which may hold histograms and tables
MOST_WORLD_BYTES = 4096
_REGISTERED = re.compile(r"\s*(EPSG|ESRI)\s*:+\s*(\d{1,7})\s*", re.IGNORECASE)
_WKT = re.compile(r"\s*[A-Z][A-Z0-9_]*\s*[\[(]", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """What the files beside a raster tell of its place.

    Attributes:
        crs: "EPSG:n" or WKT, None where none tells it.
        transform: the identity where none tells it.
        points: ground control points, in pixels and map coordinates.
        files: names of the files it comes from.
    """

    crs: str | None = None
    transform: Affine6 = IDENTITY
    points: tuple[GroundControlPoint, ...] = ()
    files: tuple[str, ...] = ()


def beside(path: Path) -> Beside:
    """Reads what lies beside a file; in GDAL's order: .aux.xml before world file, and .prj for a CRS that is still missing.

    Raises:
        UserError: a file there is none of its kind.
    """
    found = _of_aux(path)
    if found.transform == IDENTITY and not found.points:
        world = _first(path, _world_suffixes(path))
        if world is not None:
            found = dataclasses.replace(found, transform=_of_world(world), files=(*found.files, world.name))
    if found.crs is None and (found.transform != IDENTITY or found.points):
        projection = _first(path, (".prj",))
        if projection is not None:
            crs = crs_text(_text(projection, MOST_BYTES), projection)
            found = dataclasses.replace(found, crs=crs, files=(*found.files, projection.name))
    return found


def crs_text(text: str, where: Path) -> str:
    """ "EPSG:n" or WKT of a CRS that is written as its number or as WKT, of ESRI's or any kind."""
    number = _REGISTERED.fullmatch(text)
    try:
        if number:
            crs = CRS.from_authority(number[1].upper(), int(number[2]))
        elif _WKT.match(text):
            crs = CRS.from_wkt(text.strip())
        else:
            raise CRSError("neither a number such as EPSG:2154 nor WKT")
        code = crs.to_epsg()
        return f"EPSG:{code}" if code else crs.to_wkt()
    except (CRSError, ValueError) as error:
        raise UserError(
            f"{where}: no coordinate reference system that is known ({str(error)[:80]}). Write EPSG:n or WKT, or remove it."
        ) from None


def _world_suffixes(path: Path) -> tuple[str, ...]:
    """.jgw and .jpgw for .jpg, and .wld."""
    letters = path.suffix[1:]
    short = (f".{letters[0]}{letters[-1]}w", f".{letters}w") if letters else ()
    return (*dict.fromkeys(short), ".wld")


def _first(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    for suffix in suffixes:
        for spelled in (suffix, suffix.upper()):
            for candidate in (path.with_suffix(spelled), path.with_name(path.name + spelled)):
                if candidate.is_file():
                    return candidate
    return None


def _text(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from None
    if len(data) > most:
        raise UserError(f"{path}: larger than {most} bytes: no georeference. Remove it or give it another name.")
    return data.decode("utf-8-sig", errors="replace")


def _of_world(path: Path) -> Affine6:
    """Six lines: x size, two rotations, y size, and the centre of the first pixel."""
    words = _text(path, MOST_WORLD_BYTES).replace(",", ".").split()
    try:
        a, d, b, e, x, y = (float(word) for word in words)
    except ValueError:
        a = d = b = e = x = y = float("nan")
    if not np.isfinite([a, b, d, e, x, y]).all() or a * e == b * d:
        raise UserError(
            f"{path}: expected the six numbers of a world file, found {' '.join(words)[:60]!r}. Mend or remove it."
        )
    return (a, b, x - (a + b) / 2, d, e, y - (d + e) / 2)


def _of_aux(path: Path) -> Beside:
    """SRS, GeoTransform and GCPList of GDAL's own file; the SRS of ESRI's."""
    aux = next((p for p in (path.with_name(f"{path.name}.aux.xml"), path.with_suffix(".aux.xml")) if p.is_file()), None)
    if aux is None:
        return Beside()
    root = _tree(aux)
    points = root.find("GCPList")
    described = [root.findtext("SRS"), root.findtext(".//GeodataXform/SpatialReference/WKT")]
    described += [
        None if points is None else points.get("Projection"),
        None if points is None else points.findtext("SRS"),
    ]
    text = next((each for each in described if each and each.strip()), None)
    numbers = (root.findtext("GeoTransform") or "").split(",")
    try:
        c, a, b, f, d, e = (float(each) for each in numbers) if len(numbers) == 6 else (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        control = () if points is None else tuple(_point(each) for each in points.findall("GCP"))
    except ValueError:
        raise UserError(f"{aux}: a number of its georeference is none. Mend or remove it.") from None
    if not np.isfinite([a, b, c, d, e, f]).all() or a * e == b * d:
        raise UserError(f"{aux}: the GeoTransform {', '.join(numbers)[:60]} places no pixel. Mend or remove it.")
    crs = None if text is None else crs_text(text, aux)
    told = crs is not None or control or (a, b, c, d, e, f) != IDENTITY
    return Beside(crs=crs, transform=(a, b, c, d, e, f), points=control, files=(aux.name,) if told else ())


def _point(element: ElementTree.Element) -> GroundControlPoint:
    column, row, x, y = (float(element.get(name, "")) for name in ("Pixel", "Line", "X", "Y"))
    return GroundControlPoint(row=row, col=column, x=x, y=y, z=float(element.get("Z", 0.0)))


def _tree(path: Path) -> ElementTree.Element:
    """The elements of an XML file that declares no entities: those can swell a small file beyond any memory."""
    text = _text(path, MOST_BYTES)
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise UserError(f"{path}: holds a document type, which an .aux.xml has no need of. Remove it.")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
        return ElementTree.fromstring(text.encode())
    except (expat.ExpatError, ElementTree.ParseError, RecursionError) as error:
        raise UserError(f"{path}: no XML that can be read ({error}). Mend or remove it.") from None
