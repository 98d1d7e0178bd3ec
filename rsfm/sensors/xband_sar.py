"""X-band SAR magnitude chips as 8-bit pictures (MSTAR): brightness in decibels below white, not calibrated."""

from rsfm.types import Band, Sensor

# Carrier 9.6 GHz: c / f. Width: 591 MHz bandwidth, told as a wavelength.
CARRIER_UM = 299_792_458 / 9.6e9 * 1e6
CHIRP_UM = CARRIER_UM * 0.591e9 / 9.6e9

XBAND_SAR = Sensor(
    name="xband_sar",
    title="X-band spotlight SAR, 8-bit magnitude, dB below white",
    family="sar",
    bands=(
        Band(name="HH", center_um=round(CARRIER_UM, 1), width_um=round(CHIRP_UM, 1), gsd_m=0.3, unit="dB", code="HH"),
    ),
    source="Sandia MSTAR public targets: 9.6 GHz, 0.591 GHz bandwidth, HH, 1 foot resolution",
)
