"""Which bands are shown to the eye as red, green and blue, and which instruments' values are picture values already."""

import numpy as np
from jaxtyping import Float

from rsfm.types import Sensor

RED_GREEN_BLUE_UM = (0.665, 0.56, 0.49)
NEAR_UM = 0.04  # a band this close to red, green or blue is shown as it


def colour_bands(wavelength_um: Float[np.ndarray, " c"]) -> list[int] | None:
    """Places of the bands nearest to red, green and blue; None where one of these has no band near.

    Args:
        wavelength_um: centres; infinite for a band that is not to be shown.
    """
    distance = np.abs(np.asarray(wavelength_um)[None] - np.array(RED_GREEN_BLUE_UM)[:, None])
    return [int(i) for i in distance.argmin(1)] if distance.min(1).max() < NEAR_UM else None


def is_picture(sensor: Sensor) -> bool:
    """Whether its values are those of a picture, 0 to 1, that need no stretch."""
    return all(band.unit == "display" for band in sensor.bands)
