"""ALOS-2 PALSAR-2 L-band SAR, dual polarization."""

from rsfm.types import Band, Sensor

# Carrier 1.2575 GHz: c / f. Width: 28 MHz chirp of the fine beam dual mode, told as a wavelength.
CARRIER_UM = 299_792_458 / 1.2575e9 * 1e6
CHIRP_UM = CARRIER_UM * 28e6 / 1.2575e9

PALSAR2 = Sensor(
    name="palsar2",
    title="ALOS-2 PALSAR-2 L-band SAR, gamma nought in dB",
    family="sar",
    bands=tuple(
        Band(name=name, center_um=round(CARRIER_UM, 1), width_um=round(CHIRP_UM, 1), gsd_m=25.0, unit="dB", code=name)
        for name in ("HH", "HV")
    ),
    offset=-83.0,  # integers are amplitudes: dB = 20 log10(number) + offset
    source="JAXA PALSAR-2 instrument page (1257.5 MHz, 28 MHz) and calibration (CF1 = -83 dB); 25 m: the yearly mosaic",
    products=(r"ALOS-?2", r"PALSAR-?2"),
    fill=(0,),
)
