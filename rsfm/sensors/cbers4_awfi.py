"""CBERS-4 Wide Field Imager (AWFI): blue, green, red and near infrared at 64 m."""

from rsfm.types import Band, Sensor

CBERS4_AWFI = Sensor(
    name="cbers4_awfi",
    title="CBERS-4 AWFI, surface reflectance",
    family="optical",
    bands=(
        Band(name="BAND13", center_um=0.485, width_um=0.070, gsd_m=64.0),
        Band(name="BAND14", center_um=0.555, width_um=0.070, gsd_m=64.0),
        Band(name="BAND15", center_um=0.660, width_um=0.060, gsd_m=64.0),
        Band(name="BAND16", center_um=0.830, width_um=0.120, gsd_m=64.0),
    ),
    scale=1e-4,
    source="INPE CBERS-4 camera table: AWFI bands 0.45-0.52, 0.52-0.59, 0.63-0.69, 0.77-0.89 um, 64 m",
)
