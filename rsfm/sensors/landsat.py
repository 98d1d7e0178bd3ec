"""What the Landsat instruments share: the scales of their numbers other than Collection 2 Level 2."""

from rsfm.types import Processing

# USGS: Collection 1 surface reflectance guide (LSDS-1368, LSDS-1370) and the Level 1 rescaling factors of the MTL files.
LANDSAT_PROCESSINGS = (
    Processing(
        pattern=r"_L1(TP|GT|GS)_.*_0[12]_(T1|T2|RT)",
        scale=2e-5,
        offset=-0.1,
        title="Level 1, top of atmosphere without correction for the sun's height",
    ),
    Processing(pattern=r"_01_(T1|T2|RT)|_SR_BAND\d|L[CET]0?[4-8]\d{13}", scale=1e-4, offset=0.0, title="Collection 1"),
)
