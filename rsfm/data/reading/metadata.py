"""What a product's own metadata files say: Sentinel-2's MTD_MSIL*.xml and Landsat's *_MTL.txt, found beside the images."""

import glob
import re
from pathlib import Path

MOST_BYTES = 16 << 20  # such files are well under a megabyte
_SENTINEL = (
    "PROCESSING_BASELINE",
    "PRODUCT_START_TIME",
    "BOA_ADD_OFFSET",
    "RADIO_ADD_OFFSET",
    "BOA_QUANTIFICATION_VALUE",
    "QUANTIFICATION_VALUE",
)
_LINE = re.compile(r'^\s*([A-Z][A-Z0-9_]*)\s*=\s*"?([^"\n]*?)"?\s*$', re.MULTILINE)


def product_metadata(image: Path) -> dict[str, str]:
    """Keys with the prefix "MTD:" or "MTL:" of the product that an image belongs to; empty where there is no such file."""
    image = image.absolute()
    safe = [parent for parent in image.parents if parent.name.upper().endswith(".SAFE")]
    for folder in dict.fromkeys((image.parent, *safe[:1])):
        for path in sorted(folder.glob("MTD_MSIL*.xml")):
            return _sentinel2(_text(path))
    for path in sorted(image.parent.glob("*_MTL.txt")):
        if image.name.startswith(path.name.removesuffix("MTL.txt")):
            return _landsat(_text(path))
    return {}


def enmap_spectrum(image: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Centres and widths in nanometres from the METADATA.XML beside an EnMAP image; empty where there is none."""
    name = image.name.upper()
    if "-SPECTRAL_IMAGE" not in name:
        return (), ()
    stem = image.name[: name.index("-SPECTRAL_IMAGE")]
    for path in image.absolute().parent.glob(f"{glob.escape(stem)}-METADATA.[xX][mM][lL]"):
        text = _text(path)
        found = [
            re.findall(rf"<{key}>\s*([0-9.]+)\s*</{key}>", text) for key in ("wavelengthCenterOfBand", "FWHMOfBand")
        ]
        if found[0] and len(found[0]) == len(found[1]):
            return tuple(map(float, found[0])), tuple(map(float, found[1]))
    return (), ()


def _sentinel2(text: str) -> dict[str, str]:
    found = {}
    for key in _SENTINEL:
        match = re.search(rf"<{key}\b[^>]*>\s*([^<]*?)\s*</{key}>", text)
        if match:
            found[f"MTD:{key}"] = match[1]
    return found


def _landsat(text: str) -> dict[str, str]:
    """The first value of each key: in a Level 2 product those of surface reflectance stand before those of Level 1."""
    found: dict[str, str] = {}
    for key, value in _LINE.findall(text):
        found.setdefault(f"MTL:{key}", value)
    return found


def _text(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
