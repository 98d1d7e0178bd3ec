"""Sentinel-1 C-band SAR, ground range detected (GRD) and radiometrically terrain corrected (RTC)."""

from rsfm.types import Band, Sensor

# Carrier 5.405 GHz: c / f. Width: chirp bandwidth of IW2, 48.3 MHz, told as a wavelength.
CARRIER_UM = 299_792_458 / 5.405e9 * 1e6
CHIRP_UM = CARRIER_UM * 48.3e6 / 5.405e9

_BANDS = tuple(
    Band(name=name, center_um=round(CARRIER_UM, 1), width_um=round(CHIRP_UM, 1), gsd_m=10.0, unit="dB", code=name)
    for name in ("VV", "VH")
)
_SOURCE = "ESA Sentinel-1 Product Definition S1-RS-MDA-52-7440, instrument parameters of the IW mode (10 m GRDH pixels)"

SENTINEL1_GRD = Sensor(
    name="sentinel1_grd",
    title="Sentinel-1 C-SAR, IW GRD, sigma nought in dB",
    family="sar",
    bands=_BANDS,
    source=_SOURCE,
    products=(r"S1GRD", r"S1[A-D][-_]IW[-_]GRD(?![^/]*RTC)", r"(S1|SENTINEL[-_ ]?1)[^/]*GRD(?![^/]*RTC)"),
)
SENTINEL1_RTC = Sensor(
    name="sentinel1_rtc",
    title="Sentinel-1 C-SAR, IW radiometrically terrain corrected, gamma nought in dB",
    family="sar",
    bands=_BANDS,
    source=_SOURCE,
    products=(r"S1RTC", r"(S1|SENTINEL[-_ ]?1)[^/]*RTC"),
)
