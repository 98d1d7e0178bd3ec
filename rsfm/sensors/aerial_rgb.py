"""Aerial and very-high-resolution pictures in red, green, blue: 8-bit picture values."""

from rsfm.types import Band, Sensor

AERIAL_RGB = Sensor(
    name="aerial_rgb",
    title="Aerial or satellite picture, RGB",
    family="optical",
    bands=(
        Band(name="red", center_um=0.640, width_um=0.090, gsd_m=0.5, unit="display", aliases=("R",)),
        Band(name="green", center_um=0.550, width_um=0.090, gsd_m=0.5, unit="display", aliases=("G",)),
        Band(name="blue", center_um=0.460, width_um=0.090, gsd_m=0.5, unit="display", aliases=("B",)),
    ),
    scale=1 / 255,
    source="typical mosaic-filter colour camera, rounded: pictures of mixed origin do not name their camera",
    assumed=("picture",),
)
