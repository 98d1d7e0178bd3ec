"""Radarsat-2 C-band SAR as an 8-bit picture: brightness in decibels below white, not calibrated."""

from rsfm.types import Band, Sensor

# Carrier 5.405 GHz: c / f. Width: 30 MHz chirp of the fine beam, told as a wavelength.
CARRIER_UM = 299_792_458 / 5.405e9 * 1e6
CHIRP_UM = CARRIER_UM * 30e6 / 5.405e9

RADARSAT2_PICTURE = Sensor(
    name="radarsat2_picture",
    title="Radarsat-2 C-band SAR, 8-bit amplitude picture, dB below white",
    family="sar",
    bands=(
        Band(name="HH", center_um=round(CARRIER_UM, 1), width_um=round(CHIRP_UM, 1), gsd_m=8.0, unit="dB", code="HH"),
    ),
    source="MDA Radarsat-2 product description RN-SP-52-1238: 5.405 GHz, fine beam 8 m, 30 MHz",
)
