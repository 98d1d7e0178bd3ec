"""The samples of fuel_moisture as Presto's inputs and as plain features, with the sites that no split may share.

n samples · t months · f features
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from rsfm.data.datasets.fuel_moisture import OPTICAL, WINDOW_DAYS, FuelMoisture
from rsfm.models.published.presto import PrestoInputs, normalize
from rsfm.tokenizers.positions import DAYS_PER_YEAR
from rsfm.types import Record

B9 = 10  # the column of water vapour, which Presto does not read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """One split. `site` numbers the sites by name over all splits; `label_days` is the day of the measurement."""

    inputs: PrestoInputs
    label_days: Float[np.ndarray, " n"]
    target: Float[np.ndarray, " n"]
    site: Int[np.ndarray, " n"]
    plain: dict[str, Float[np.ndarray, "n _"]]
    records: tuple[Record, ...]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Int[np.ndarray, " m"]) -> "Examples":
        """Some of them."""
        return Examples(
            inputs=jax.tree.map(lambda x: x[rows], self.inputs),
            label_days=self.label_days[rows],
            target=self.target[rows],
            site=self.site[rows],
            plain={name: value[rows] for name, value in self.plain.items()},
            records=tuple(self.records[i] for i in rows),
        )


def read(root: Path, split: str) -> Examples:
    """The examples of a split of FuelMoisture."""
    data = FuelMoisture(root, split)
    rows, table = data.rows, data.table[data.rows].astype(np.float32)
    physical = table.copy()
    physical[..., OPTICAL] *= np.float32(1e-4)
    inputs = PrestoInputs(
        values=jnp.asarray(normalize(np.delete(physical, B9, axis=-1)), jnp.float32),
        valid=jnp.ones((len(rows), table.shape[1], 9), bool),
        land_cover=jnp.asarray(data.land_cover[rows], jnp.int32),
        location_deg=jnp.asarray(data.latlon[rows][:, ::-1], jnp.float32),
        month=jnp.asarray(data.month[rows], jnp.int32),
    )
    label_days = (data.days[rows, -1] + WINDOW_DAYS / 2).astype(np.float32)
    return Examples(
        inputs=inputs,
        label_days=label_days,
        target=data.target[rows].astype(np.float32),
        site=np.unique(data.site, return_inverse=True)[1][rows],
        plain=plain_features(table, data.latlon[rows], data.month[rows], label_days),
        records=tuple(data),
    )


def plain_features(
    table: Float[np.ndarray, "n t c"],
    latlon: Float[np.ndarray, "n 2"],
    month: Int[np.ndarray, "n t"],
    label_days: Float[np.ndarray, " n"],
) -> dict[str, Float[np.ndarray, "n _"]]:
    """All columns of all months; with the place as a unit vector; the first month as an angle; and the date in years."""
    latitude, longitude = np.deg2rad(latlon).T
    level, turn = np.cos(latitude), 2 * np.pi * month[:, 0] / 12
    place = np.stack([level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], axis=1)
    season = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    bands = table.reshape(len(table), -1)
    return {
        "bands": bands,
        "bands + month": np.concatenate([bands, season], axis=1),
        "bands + place": np.concatenate([bands, place], axis=1),
        "bands + place + month": np.concatenate([bands, place, season], axis=1),
        "bands + place + month + date": np.concatenate(
            [bands, place, season, label_days[:, None] / DAYS_PER_YEAR], axis=1
        ),
    }
