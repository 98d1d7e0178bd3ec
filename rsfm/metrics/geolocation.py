"""Scores of guessed places: great-circle distance, and the share within a street, city, region, country and continent.

n places
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG
# Street, city, region, country, continent: the levels of Im2GPS (Hays & Efros 2008) and its kin.
LEVELS_KM = (1.0, 25.0, 200.0, 750.0, 2500.0)


def distance_km(left_deg: Float[np.ndarray, "*n 2"], right_deg: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n"]:
    """Great-circle distance on a sphere by the haversine formula.

    Args:
        left_deg: longitude, latitude in degrees.
        right_deg: like `left_deg`.
    """
    (east, north), (other_east, other_north) = (
        np.moveaxis(np.deg2rad(np.asarray(place, np.float64)), -1, 0) for place in (left_deg, right_deg)
    )
    half = np.sin((other_north - north) / 2) ** 2
    half = half + np.cos(north) * np.cos(other_north) * np.sin((other_east - east) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def within(error_km: Float[np.ndarray, " n"], levels_km: Sequence[float] = LEVELS_KM) -> dict[str, float]:
    """Share of places guessed within each distance, and the median error; NaN without any place.

    >>> within(np.array([0.4, 30.0]))["within_25_km"]
    0.5
    """
    shares = {
        f"within_{level:g}_km": float(np.mean(error_km <= level)) if len(error_km) else np.nan for level in levels_km
    }
    return shares | {"median_km": float(np.median(error_km)) if len(error_km) else np.nan}
