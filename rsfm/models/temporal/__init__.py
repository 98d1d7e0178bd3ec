"""How the dates of one stream meet, under one interface: `encoder(tokens) -> tokens`. To add one: a file and a line below.

Each takes any number of dates in any order, tells them by their stamps, and leaves masked ones out.
"""

from typing import Any

from rsfm.models.temporal.factorised import FactorisedTime
from rsfm.models.temporal.lightweight import LightweightTime
from rsfm.models.temporal.places import JointTime, MeanTime, TemporalConfig
from rsfm.models.temporal.state_space import StateSpaceTime

__all__ = ["TEMPORAL_ENCODERS", "TemporalConfig"]

TEMPORAL_ENCODERS: dict[str, Any] = {
    "joint": JointTime,
    "mean": MeanTime,
    "factorised": FactorisedTime,
    "ltae": LightweightTime,
    "state_space": StateSpaceTime,
}
