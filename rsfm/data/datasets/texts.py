"""What picture sets with sentences, questions and conversations share: checked JSON, and an RGB picture as a record.

t acquisitions · h w pixels
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.data.datasets.base import read_error
from rsfm.data.datasets.reading import read_picture
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Observation

SENSOR = "aerial_rgb"


def read_json(name: str, path: Path) -> Any:
    """The content of a JSON file; lines of objects (.jsonl) come as a list."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except FileNotFoundError:
        raise UserError(f"{name}: expected {path}, found nothing. Fetch the dataset again.") from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise read_error(name, path, error) from error
    except json.JSONDecodeError as error:
        raise read_error(name, path, f"not JSON ({error.msg} at line {error.lineno} column {error.colno})") from None


def read_rows(name: str, path: Path, key: str | None = None) -> list[dict[str, Any]]:
    """The objects a JSON file lists, at the top or under `key`."""
    data = read_json(name, path)
    rows = data.get(key) if key and isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        under = f" under '{key}'" if key else ""
        raise UserError(f"{name}: {path} should hold a list of objects{under}. Fetch the file again.")
    return rows


def take(row: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """The entry of a row, checked for its type."""
    value = row.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(
            {"str": "text", "list": "a list", "dict": "an object"}.get(k.__name__, k.__name__) for k in kinds
        )
        found = json.dumps(value)[:40] if key in row else f"no such key among {', '.join(map(str, row)) or 'none'}"
        raise UserError(f"{where}: expected {wanted} as '{key}', found {found}.")
    return value


def first_of(folder: Path, names: Sequence[str]) -> Path:
    """The first of the paths below a folder that exists, else the first."""
    return next((folder / name for name in names if (folder / name).exists()), folder / names[0])


def observe_pictures(name: str, paths: Iterable[Path], gsd_m: float) -> dict[str, Observation]:
    """Pictures of one size as the acquisitions of one observation, dates unknown.

    Args:
        name: the dataset, for messages.
        paths: of the pictures, in order of time.
        gsd_m: ground sampling distance in metres, nominal where the set does not tell.
    """
    listed = list(paths)
    pictures = [read_picture(name, path) for path in listed]
    if len({picture.shape for picture in pictures}) > 1:
        sizes = ", ".join(f"{path.name} {picture.shape[:2]}" for path, picture in zip(listed, pictures, strict=True))
        raise UserError(f"{name}: pictures of one record have one size, found {sizes}. Resize them to match.")
    sensor = SENSORS[SENSOR]
    values = np.stack(pictures).astype(np.float32) * np.float32(sensor.scale)
    return {SENSOR: observe(sensor, values, time_days=[float("nan")] * len(pictures), gsd_m=gsd_m)}
