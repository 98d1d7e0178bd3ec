"""What a GDAL virtual raster (VRT) names: its sources must be plain rasters in its own folder."""

from pathlib import Path
from xml.etree import ElementTree

from rsfm.data.reading.formats import driver_of
from rsfm.errors import UserError

MAX_BYTES = 16 << 20
# Elements of a mosaic or stack of files. Warped, pansharpened, derived and raw rasters, options of drivers and pixel
# functions are not among them: they name files in other ways, or run code.
_ELEMENTS = frozenset(
    """VRTDataset VRTRasterBand SRS GeoTransform GCPList GCP Metadata MDI SimpleSource ComplexSource AveragedSource
    SourceFilename SourceBand SourceProperties SrcRect DstRect NoDataValue NODATA ColorInterp ColorTable Entry Description
    UnitType Offset Scale CategoryNames Category ScaleOffset ScaleRatio Exponent SrcMin SrcMax DstMin DstMax LUT
    ColorTableComponent MaskBand UseMaskBand HideNoDataValue Histograms HistItem HistMin HistMax BucketCount HistCounts
    IncludeOutOfRange Approximate OverviewList Resampling NoDataFromMaskSource""".split()
)


def resolved(path: Path) -> tuple[str, list[Path]]:
    """A VRT as text with the full names of its sources, and these.

    GDAL is given this text and not the file: what was checked is then what is opened.

    Raises:
        UserError: it is no plain mosaic or stack, or a source lies outside its folder or is no plain raster.
    """
    folder, tree, found = path.resolve().parent, _tree(path), []
    for element in tree.iter():
        attributes = {name.casefold(): value.casefold() for name, value in element.attrib.items()}
        if element.tag not in _ELEMENTS or "subclass" in attributes:
            raise _refused(path, f"its <{element.tag}> is more than a mosaic or stack of files")
        if element.tag == "Metadata" and attributes.get("domain") == "overviews":
            raise _refused(path, "it names a file of overviews")
        if element.tag == "SourceFilename":
            source = _source(path, folder, element.text or "", relative=attributes.get("relativetovrt") == "1")
            element.text, element.attrib = str(source), {"relativeToVRT": "0"}
            found.append(source)
    return ElementTree.tostring(tree, encoding="unicode"), list(dict.fromkeys(found))


def _source(path: Path, folder: Path, name: str, *, relative: bool) -> Path:
    source = ((folder if relative else Path.cwd()) / name.strip()).resolve()
    if not source.is_relative_to(folder) or not source.is_file():
        raise _refused(path, f"its source '{name[:120]}' is no file in the VRT's own folder")
    if driver_of(source) == "VRT":
        raise _refused(path, f"its source '{name[:120]}' is a VRT again")
    return source


def _tree(path: Path) -> ElementTree.Element:
    if path.stat().st_size > MAX_BYTES:
        raise _refused(path, f"it is larger than {MAX_BYTES >> 20} MB")
    content = path.read_bytes()
    if b"<!" in content:  # declared entities: XML's way to name files and to grow without bound
        raise _refused(path, "it declares entities")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected a VRT, found broken XML ({error}). Build it again.") from error


def _refused(path: Path, why: str) -> UserError:
    return UserError(f"{path}: this VRT is refused: {why}. Convert it to a GeoTIFF: gdal_translate -of COG.")
