"""The instrument behind a name of a record's observations: two orbits of one radar are "sentinel1_rtc" and "sentinel1_rtc/descending"."""

from rsfm.errors import lookup
from rsfm.sensors import SENSORS
from rsfm.types import Sensor, base_name


def sensor_of(name: str) -> Sensor:
    """The sensor of an observation by its name in a Record; UserError where there is none."""
    return lookup(SENSORS, "sensor", base_name(name))
