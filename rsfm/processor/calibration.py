"""How far answers are to be trusted, as measured on labelled places that were not trained on; kept in processor.json.

n places
"""

import dataclasses
import math

SMALLEST = 0.002  # share of the scene below which a class's odds are not told apart
WIDEST = 0.9  # of the scene: an interval from almost nothing to almost all says nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShareBand:
    """The interval about a share that the map gives a class, in log odds.

    Attributes:
        up_to: largest share of the map that this band is for.
        below, above: from the map's log odds to the ends of the interval.
        n: pairs of place and class it was measured on.
    """

    up_to: float
    below: float
    above: float
    n: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapCalibration:
    """Of one legend.

    Attributes:
        places: how many it was measured on.
        bands: by rising share; () = too few places, so areas and shares come without interval.
        present: share of the scene from which "Is there any ...?" is answered with yes.
        source: the data.
    """

    places: int
    bands: tuple[ShareBand, ...] = ()
    present: float = 0.005
    source: str = ""

    def interval(self, share: float) -> tuple[float, float] | None:
        """Both ends of the 90 % interval about a share of the pixels with data; None where it would say nothing."""
        band = next((band for band in self.bands if share <= band.up_to), None)
        if band is None:
            return None
        low, high = expit(logit(share) - band.below), expit(logit(share) + band.above)
        low, high = (0.0 if low <= SMALLEST else min(low, share)), (1.0 if high >= 1 - SMALLEST else max(high, share))
        return None if high - low > WIDEST else (low, high)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """Of the answers of one task among a closed list of names.

    Attributes:
        temperature: the log likelihoods of the names are divided by it before they are compared.
        least: probability of the answer below which it is not given.
        present: probability of a name from which "Is this ...?" is answered with yes.
        n: records it was measured on.
        source: the data.
    """

    temperature: float = 1.0
    least: float = 0.5
    present: float = 0.5
    n: int = 0
    source: str = ""


def logit(share: float) -> float:
    """Log odds of a share, which is kept off 0 and 1."""
    share = min(max(share, SMALLEST), 1 - SMALLEST)
    return math.log(share / (1 - share))


def expit(odds: float) -> float:
    """The share of log odds."""
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
