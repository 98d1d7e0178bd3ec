"""NAIP aerial photography of the United States: red, green, blue, near infrared as 8-bit picture values."""

from rsfm.types import Band, Sensor

NAIP = Sensor(
    name="naip",
    title="NAIP aerial photography, RGB + NIR",
    family="optical",
    bands=(
        Band(name="red", center_um=0.635, width_um=0.032, gsd_m=1.0, unit="display", aliases=("R",)),
        Band(name="green", center_um=0.555, width_um=0.060, gsd_m=1.0, unit="display", aliases=("G",)),
        Band(name="blue", center_um=0.465, width_um=0.060, gsd_m=1.0, unit="display", aliases=("B",)),
        Band(
            name="nir",
            center_um=0.845,
            width_um=0.074,
            gsd_m=1.0,
            unit="display",
            aliases=("NIR1", "near_infrared", "N"),
        ),
    ),
    scale=1 / 255,
    source="Leica ADS100 filter edges (435-495, 525-585, 619-651, 808-882 nm); other NAIP cameras differ a little",
    products=(r"(^|[^A-Z])M_\d{7}_[NS][EW]_", r"NAIP"),
    assumed=("picture",),
)
