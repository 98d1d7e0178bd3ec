"""Which instrument took a file: from what its name and bands say, never by a guess that could be two things."""

import re
from collections.abc import Sequence

import numpy as np

from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.types import Sensor

# What product names hold, most telling first.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"HLS[._-]?[LS]30|(^|[^A-Z])HLS([^A-Z]|$)", "hls"),
    (r"MSIL2A|S2L2A|(S2|SENTINEL[-_ ]?2)[^/]*L2A", "sentinel2_l2a"),
    (r"MSIL1C|S2L1C|(S2|SENTINEL[-_ ]?2)[^/]*L1C", "sentinel2_l1c"),
    (r"S1RTC|(S1|SENTINEL[-_ ]?1)[^/]*RTC", "sentinel1_rtc"),
    (r"S1GRD|S1[ABC]_IW_GRD|(S1|SENTINEL[-_ ]?1)[^/]*GRD", "sentinel1_grd"),
    (r"L[CO]0[89]_", "landsat8_oli"),
    (r"LE07_|L7_?ETM|LANDSAT[-_ ]?7", "landsat7_etm"),
    (r"LT0[45]_|LANDSAT[-_ ]?5", "landsat5_tm"),
    (r"ENMAP", "enmap"),
    (r"PRS_L2|PRISMA", "prisma"),
    (r"EMIT_L2A|EMIT", "emit"),
    (r"INDIAN[-_ ]?PINES|92AV3C", "aviris_indian_pines"),
    (r"PSSCENE|_PSB|PLANETSCOPE|_8B_ANALYTICMS|ANALYTICMS_SR_8B", "planetscope"),
    (r"M[OY]D09", "modis"),
    (r"ALOS-?2|PALSAR-?2", "palsar2"),
    (r"M_\d{7}_[NS][EW]_|NAIP", "naip"),
    (r"(^|[^A-Z])(C?DEM|DTM|SRTM|GLO-?30|ELEVATION)([^A-Z]|$)", "elevation"),
)

# (bands, kind of number) that only one instrument of the table is distributed as.
_COUNTS: dict[tuple[int, str], str] = {
    (3, "picture"): "aerial_rgb",
    (4, "picture"): "naip",
    (12, "integer"): "sentinel2_l2a",
    (13, "integer"): "sentinel2_l1c",
    (13, "float"): "sentinel2_l1c",
    (12, "float"): "sentinel2_l2a",
    (200, "integer"): "aviris_indian_pines",
    (200, "float"): "aviris_indian_pines",
    (224, "integer"): "enmap",
    (224, "float"): "enmap",
    (234, "integer"): "prisma",
    (234, "float"): "prisma",
    (285, "float"): "emit",
}

_COMMON = {"NIRNARROW": "nir_narrow", "SWIR1": "swir_1", "SWIR2": "swir_2"}
_HLS_L30 = {"B02": "blue", "B03": "green", "B04": "red", "B05": "nir_narrow", "B06": "swir_1", "B07": "swir_2"}
_HLS_S30 = {"B02": "blue", "B03": "green", "B04": "red", "B8A": "nir_narrow", "B11": "swir_1", "B12": "swir_2"}


def band_name(sensor: Sensor, told: str, product: str = "") -> str | None:
    """The sensor's own name of a band that a file calls `told`, or None: "B1", "b01" and "SR_B1" are the same.

    Args:
        sensor: whose table to look in.
        told: a name from a file, such as "SR_B4", "b08", "B8A", "VV".
        product: the product's name, which tells HLS L30 from S30.
    """
    plain = re.sub(r"^(SR|ST|BOA|TOA|REFL?|BAND)[_ ]?", "", told.strip().upper())
    plain = f"B{plain}" if re.fullmatch(r"\d{1,3}A?", plain) else plain
    if sensor.name == "hls":
        table = _HLS_L30 if "L30" in product.upper() else _HLS_S30
        renamed = {**table, **_COMMON}.get(re.sub(r"^B(\d)$", r"B0\1", plain.replace("_", "")))
        plain = (renamed or plain).upper()
    wanted = re.sub(r"^B0*(?=\d)", "B", plain)
    for band in sensor.bands:
        if re.sub(r"^B0*(?=\d)", "B", band.name.upper()) == wanted:
            return band.name
    return None


def infer_sensor(
    where: str, *, count: int, dtype: np.dtype, descriptions: Sequence[str | None] = (), product: str = ""
) -> tuple[Sensor, str]:
    """The instrument a file is from and a note that says how it was told.

    Args:
        where: the file, for the error.
        count: number of bands, alpha not counted.
        dtype: of the stored numbers.
        descriptions: the file's names of its bands.
        product: names of the file and the folders it is in.

    Raises:
        UserError: two instruments are possible, or none; lists the choices.
    """
    named = [sensor for sensor in SENSORS.values() if _describes(sensor, descriptions, product)]
    if len(named) == 1:
        return named[0], f"sensor {named[0].name}: told by the names of the bands"
    for pattern, name in _NAMES:
        fits = len(SENSORS[name].bands) == count or (name == "elevation" and count == 1)
        found = re.search(pattern, product.upper()) if fits else None
        if found:
            return SENSORS[name], f"sensor {name}: told by '{found[0].strip('/._- ')}' in the path"
    kind = "picture" if dtype == np.uint8 else "integer" if dtype.kind in "iu" else "float"
    if named:
        return named[0], f"sensor {named[0].name}: assumed from the bands' names; {named[1].name} has the same"
    usual = _COUNTS.get((count, kind))
    if usual:
        return SENSORS[
            usual
        ], f"sensor {usual}: assumed from {count} bands of {dtype}; name the sensor if it is another"
    same = sorted(name for name, sensor in SENSORS.items() if len(sensor.bands) == count)
    choices = f"With {count} bands there are {', '.join(same)}. " if same else ""
    raise UserError(
        f"{where}: the sensor cannot be told from {count} band{'s' * (count != 1)} of {dtype}. Name it with sensor. "
        f"{choices}Known: {', '.join(sorted(SENSORS))}."
    )


def _describes(sensor: Sensor, descriptions: Sequence[str | None], product: str) -> bool:
    told = [band_name(sensor, text, product) if text else None for text in descriptions]
    return bool(told) and told == [band.name for band in sensor.bands]
