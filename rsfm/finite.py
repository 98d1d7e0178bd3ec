"""JSON that any parser reads: NaN and infinity, which JSON lacks, become null."""

import json
import math
from typing import Any


def finite(data: Any) -> Any:
    """Plain values with null in place of numbers that are not finite; tuples become lists."""
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    return [finite(value) for value in data] if isinstance(data, (list, tuple)) else data


def to_text(data: Any) -> str:
    """Indented JSON.

    >>> to_text({"low": float("nan")})
    '{\\n  "low": null\\n}'
    """
    return json.dumps(finite(data), indent=2, ensure_ascii=False, allow_nan=False)
