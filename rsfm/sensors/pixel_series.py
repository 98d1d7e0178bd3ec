"""Columns of a table of one's own: any bands and measurements of a place in one row, told by wavelength or code."""

from rsfm.types import Band, Sensor

# Middle and width of what optical instruments call by these names, in micrometres.
OPTICAL = {
    "coastal": (0.443, 0.02),
    "blue": (0.49, 0.065),
    "green": (0.56, 0.035),
    "yellow": (0.605, 0.04),
    "red": (0.665, 0.03),
    "rededge": (0.705, 0.015),
    "nir": (0.842, 0.115),
    "swir1": (1.61, 0.09),
    "swir2": (2.19, 0.18),
}
C_BAND_UM, L_BAND_UM = 55466.0, 242450.0  # Sentinel-1 at 5.405 GHz, ALOS at 1.2365 GHz

PIXEL_SERIES = Sensor(
    name="pixel_series",
    title="Table of pixel series: bands, radar, weather, terrain",
    family="mixed",
    bands=(
        *(Band(name=name, center_um=um, width_um=width, gsd_m=10.0) for name, (um, width) in OPTICAL.items()),
        *(Band(name=code, center_um=C_BAND_UM, gsd_m=10.0, unit="dB", code=code) for code in ("VV", "VH")),
        *(Band(name=code, center_um=L_BAND_UM, gsd_m=25.0, unit="dB", code=code) for code in ("HH", "HV")),
        Band(name="temperature", gsd_m=10.0, unit="K", code="temperature"),
        Band(name="precipitation", gsd_m=10.0, unit="m", code="precipitation"),
        Band(name="elevation", gsd_m=30.0, unit="m", code="elevation"),
        Band(name="slope", gsd_m=30.0, unit="degree", code="slope"),
        Band(name="ndvi", gsd_m=10.0, unit="1", code="ndvi"),
    ),
    source="common names of optical bands with the middles and widths of Sentinel-2's and WorldView-3's; codes of BAND_CODES",
)
