"""MODIS land bands 1-7 of the surface reflectance product MOD09/MYD09."""

from rsfm.types import Band, Sensor

MODIS = Sensor(
    name="modis",
    title="MODIS Terra and Aqua, surface reflectance bands 1-7",
    family="optical",
    bands=(
        Band(name="B01", center_um=0.645, width_um=0.050, gsd_m=250.0, aliases=("red", "sur_refl_b01")),
        Band(name="B02", center_um=0.8585, width_um=0.035, gsd_m=250.0, aliases=("nir", "sur_refl_b02")),
        Band(name="B03", center_um=0.469, width_um=0.020, gsd_m=500.0, aliases=("blue", "sur_refl_b03")),
        Band(name="B04", center_um=0.555, width_um=0.020, gsd_m=500.0, aliases=("green", "sur_refl_b04")),
        Band(name="B05", center_um=1.240, width_um=0.020, gsd_m=500.0, aliases=("sur_refl_b05",)),
        Band(name="B06", center_um=1.640, width_um=0.024, gsd_m=500.0, aliases=("swir16", "swir1", "sur_refl_b06")),
        Band(name="B07", center_um=2.130, width_um=0.050, gsd_m=500.0, aliases=("swir22", "swir2", "sur_refl_b07")),
    ),
    scale=1e-4,
    source="NASA MODIS specifications: 620-670, 841-876, 459-479, 545-565, 1230-1250, 1628-1652, 2105-2155 nm",
    products=(r"M[OY]D09",),
    fill=(-28672,),
)
