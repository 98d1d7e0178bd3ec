"""When files were taken: from the user, their tags, or their names; and what a series of dates must be.   t acquisitions"""

import datetime
import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from rsfm.errors import UserError
from rsfm.sensors.observe import days_since_2000

# Tags that name the acquisition, lower case. TIFF's own DateTime is the day the file was written and comes last.
_TAGS = (
    "acquisitiondatetime",
    "acquisition_datetime",
    "acquisition_date",
    "date_acquired",
    "sensing_time",
    "product_start_time",
    "datetime",
    "date",
)
_WRITTEN = "tifftag_datetime"
_NAME = re.compile(
    r"(?<!\d)(?P<y>19[7-9]\d|20[0-4]\d)(?P<s>[-_.]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])"
    r"(?:T(?P<t>\d{4,6})|(?P<u>\d{6}))?(?!\d)"
)
_SCENE_ID = re.compile(
    r"L[COTEM][4-9]\d{6}(?P<y>19[7-9]\d|20[0-4]\d)(?P<j>[0-3]\d\d)[A-Z]{3}\d\d"
)  # Landsat before collections
_DAY_OF_YEAR = re.compile(r"(?<!\d)(?P<y>19[7-9]\d|20[0-4]\d)(?P<j>[0-3]\d\d)(?:T\d{6})?(?!\d)")


def date_of(product: str, tags: Mapping[str, str]) -> tuple[float, str | None]:
    """Days since 2000 and a note where the date is a doubtful one; NaN where nothing tells it.

    Args:
        product: names of the folders and of the file, divided by "/", the file last.
        tags: the file's metadata.
    """
    lowered = {key.lower(): str(value) for key, value in tags.items()}
    for key in _TAGS:
        if key in lowered and (days := _readable(lowered[key])) is not None:
            return days, None
    for part in reversed(product.split("/")):
        if (days := date_in_name(part)) is not None:
            return days, None
    if (days := _readable(lowered.get(_WRITTEN, ""))) is not None:
        return days, f"{product.split('/')[-1]}: the date is the one the file was written on (TIFF DateTime)"
    return float("nan"), None


def date_in_name(name: str) -> float | None:
    """The first date in a file name, days since 2000: 20170613, 2017-06-13, 20170613T101031, or 2017164 (day)."""
    for found in _NAME.finditer(name):
        clock = found["t"] or found["u"] or ""
        clock = clock if len(clock) in (0, 4) else clock.zfill(6)  # BigEarthNet drops the hour's leading zero
        text = f"{found['y']}-{found['m']}-{found['d']}" + (
            f"T{clock}" if clock.strip("0") or found["t"] or found["u"] else ""
        )
        if (days := _readable(text)) is not None:
            return days
    for found in (*_SCENE_ID.finditer(name), *_DAY_OF_YEAR.finditer(name)):
        if 1 <= int(found["j"]) <= 366:
            return days_since_2000(f"{found['y']}-01-01") + int(found["j"]) - 1
    return None


def series_order(names: Sequence[str], time_days: Float[np.ndarray, " t"]) -> tuple[Int[np.ndarray, " t"], str | None]:
    """The order in time of dated files, and a note where that is not the order they came in. Unknown dates stay last.

    Raises:
        UserError: two files of one date: which of them to believe is the user's to say.
    """
    order = np.argsort(time_days, kind="stable")  # NaN goes last
    for one, other in zip(order, order[1:], strict=False):
        if time_days[one] == time_days[other]:
            raise UserError(
                f"{names[one]} and {names[other]}: both dated {date_text(time_days[one])}. Expected one image a date: leave "
                "one out, merge them, or give each its time, e.g. --date 2024-06-30T10:10 2024-06-30T10:50."
            )
    if (np.diff(order) > 0).all():
        return order, None
    return order, f"dates out of order: sorted, from {date_text(time_days[order[0]])} on ({names[order[0]]} first)"


def date_text(time_days: float) -> str:
    """Days since 2000 as YYYY-MM-DD, with hour and minute where it is not midnight."""
    when = datetime.datetime(2000, 1, 1) + datetime.timedelta(days=float(time_days))
    return when.strftime("%Y-%m-%d" if when.time() == datetime.time(0) else "%Y-%m-%dT%H:%M")


def _readable(text: str) -> float | None:
    try:
        return days_since_2000(text)
    except UserError:
        return None
