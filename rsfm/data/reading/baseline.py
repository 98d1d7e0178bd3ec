"""Whether the numbers of a product carry the offset that later processing baselines add (Sentinel-2's +1000).

Told by tags, the product's metadata and its name, which must agree with each other and with the numbers; else by the numbers.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from rsfm.errors import UserError
from rsfm.sensors.observe import days_since_2000
from rsfm.types import LaterOffset

_RAISED = 1000.0  # what is added
_TOO_DARK = 700.0  # raised numbers below this are reflectances below -0.03, which no quarter of a scene has
_CIRRUS = "B10"  # its reflectance is next to nothing without cirrus, so 1000 there is the offset


def later_offset(
    rule: LaterOffset,
    where: str,
    unit: str | None,
    product: str,
    tags: Mapping[str, str],
    time_days: float,
    sample: np.ndarray | None,
    names: Sequence[str],
) -> tuple[float, tuple[str, ...]]:
    """The offset of a file and a note; by `unit`, by what is stated, else by date and numbers.

    Args:
        rule: of the instrument.
        where: the file, for errors.
        unit: "dn_offset" or "dn_no_offset" is the user's word.
        product: names of file and folders.
        tags: metadata, keys in lower case.
        time_days: of sensing.
        sample: (n c) stored numbers, NaN where there is nothing.
        names: of the c bands.
    """
    if unit in ("dn_offset", "dn_no_offset"):
        return (rule.offset if unit == "dn_offset" else 0.0), ()
    if sample is not None:
        there = np.isfinite(sample).any(0)
        sample, names = sample[:, there], [name for name, some in zip(names, there, strict=True) if some]
    stated = stated_offset(rule, product, tags, where)
    if stated is not None:
        raised, source = stated
        if sample is not None and sample.size:
            _check_numbers(where, raised, source, sample, names)
        note = f"Sentinel-2 offset of {rule.offset:g} {'applied' if raised else 'not applied'}: {source}"
        return (rule.offset if raised else 0.0), (note,)
    if sample is None or not sample.size:
        return 0.0, ()
    low, since = np.nanpercentile(sample, 1, axis=0), days_since_2000(rule.since)
    cirrus = low[list(names).index(_CIRRUS)] if _CIRRUS in names else None
    raised = cirrus >= 900 if cirrus is not None else bool(low.min() >= _TOO_DARK and time_days >= since)
    if not raised and not (time_days >= since or low.min() >= 900):
        return 0.0, ()
    note = (
        f"Sentinel-2 offset of {rule.offset:g} {'applied' if raised else 'not applied'}, judged by the numbers "
        f'(darkest {low.min():.0f}); unit="{"dn_no_offset" if raised else "dn_offset"}" says otherwise'
    )
    return (rule.offset if raised else 0.0), (note,)


def stated_offset(rule: LaterOffset, product: str, tags: Mapping[str, str], where: str) -> tuple[bool, str] | None:
    """Whether the numbers carry the offset, and what says so: the offset itself before the baseline. None for silence.

    Raises:
        UserError: two statements of one kind contradict each other.
    """
    for statements in (_offsets(product, tags), _baselines(rule, product, tags)):
        for other in statements[1:]:
            if other[0] != statements[0][0]:
                raise UserError(
                    f'{where}: {statements[0][1]}, but {other[1]}: they contradict each other. Set unit="dn_offset" '
                    '(reflectance x 10000 + 1000) or unit="dn_no_offset" (--unit), whichever is true.'
                )
        if statements:
            return statements[0]
    return None


def _offsets(product: str, tags: Mapping[str, str]) -> list[tuple[bool, str]]:
    out = []
    for key, value in tags.items():
        if key.endswith(("boa_add_offset", "radio_add_offset")) and re.fullmatch(r"\s*[-+]?\d+(\.\d*)?\s*", value):
            out.append((float(value) != 0, f"tag {key}={value}"))
        if key.endswith("boa_offset_applied"):
            out.append((value.lower() not in ("true", "1", "yes"), f"tag {key}={value}"))
    if re.search(r"harmoni[sz]ed", product.lower()):
        out.append((False, "the name says harmonized"))
    return out


def _baselines(rule: LaterOffset, product: str, tags: Mapping[str, str]) -> list[tuple[bool, str]]:
    out = []
    for key, value in tags.items():
        if key.endswith("processing_baseline") and re.match(r"N?\d\d\.?\d\d", value):
            out.append((int(re.sub(r"\D", "", value)[:4]) >= rule.baseline, f"tag {key}={value}"))
    named = re.search(r"_N(\d{4})_R\d{3}(_|$)", product)
    if named:
        out.append((int(named[1]) >= rule.baseline, f"processing baseline {named[1]} in the name"))
    return out


def _check_numbers(where: str, raised: bool, source: str, sample: np.ndarray, names: Sequence[str]) -> None:
    """Refuses numbers that cannot be what is stated."""
    if raised:
        dark = float(np.nanpercentile(sample, 25, axis=0).min())
        if dark < _TOO_DARK:
            raise UserError(
                f"{where}: {source}, so its numbers are reflectance x 10000 + {_RAISED:g}, but a quarter of a band lies below "
                f'{dark:.0f}: the offset may be off already. Set unit="dn_no_offset" (--unit) if so, or unit="dn_offset".'
            )
    elif _CIRRUS in names:
        cirrus = float(np.nanpercentile(sample[:, list(names).index(_CIRRUS)], 1))
        if cirrus >= 900:
            raise UserError(
                f"{where}: {source}, so its numbers are reflectance x 10000, but the cirrus band starts at {cirrus:.0f}: they "
                f'carry + {_RAISED:g}. Set unit="dn_offset" (--unit) if so, or unit="dn_no_offset".'
            )
