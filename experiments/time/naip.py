"""Is the NDVI image of a later year forecast better from all earlier years than from the last one, or from their mean?

Command:  python -m experiments.time.naip                 (one minute of one core)
          python -m experiments.time.naip --validate      (2016 and 2017; settings were chosen so)
Data:     NAIP of one place in North Dakota, ten summers of 2009 to 2020, 5 m, every fourth pixel in both directions. The
          image of a year is forecast from all earlier ones; what is learned is learned on the years before it alone.
Expected: no clear winner: cameras, light and season differ more between the years than the fields do. Mean of 2016 and
          2017: climatology .240, half of each .242, ours .252, persistence .261. Tried there and left: every image less its
          mean by its deviation (.265), least squares on the last images and their mean (.293, standardized; .324).
Result:   MAE, 2018: persistence .120, half of each .153, ours .221, climatology .233. 2020: ours .150, half of each .156,
          persistence .161, climatology .185; ours is .011 [.002, .020] under persistence there, and .101 over it in 2018,
          whose image is nearly that of 2017 again. Learning does not beat persistence reliably. Intervals redraw blocks of
          400 x 400 m, not years: two years are all that is scored. The two baselines of 2018 were seen before the design.

t dates · p pixels
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from flax import nnx
from jaxtyping import Array, Float, Int

from experiments.time.fitting import Batch, fit
from experiments.time.forecast import CENTER, SCALE, observation
from experiments.time.series import ForecastConfig, SeriesForecaster
from rsfm.data.reading.dates import date_text
from rsfm.data.reading.scene import open_scene
from rsfm.data.root import data_root
from rsfm.errors import lookup
from rsfm.metrics import bootstrap_interval
from rsfm.scoring.results import BASELINES, append_rows

OUT = Path(__file__).parents[1] / "results" / "time_naip.jsonl"
FOLDER = "opengeos/naip"
YEARS = {True: ("2016", "2017"), False: ("2018", "2020")}  # validate -> years forecast
FIRST = 3  # images that are behind every forecast
STEP, BLOCK = 4, 20  # pixels between those used, and edge of the units of the interval in used pixels
SEEDS = (0, 1, 2, 3, 4)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Images:
    """NDVI of one place, oldest first."""

    ndvi: Float[np.ndarray, "t p"]
    days: Float[np.ndarray, " t"]
    block: Int[np.ndarray, " p"]

    def before(self, t: int) -> "Images":
        """What is known when image t is forecast."""
        return dataclasses.replace(self, ndvi=self.ndvi[:t], days=self.days[:t])


def read(root: Path, step: int = STEP) -> Images:
    """Every `step`-th pixel of all images, on the grid of the first."""
    record = open_scene(sorted((root / FOLDER).glob("*.tif"))).read()
    (seen,) = record.observations.values()
    values = np.asarray(seen.values)[:, ::step, ::step].astype(np.float64)
    valid = np.asarray(seen.valid)[:, ::step, ::step].all(0)
    red, infrared = values[..., 0], values[..., 3]
    ndvi = (infrared - red) / np.maximum(infrared + red, 1e-6)
    row, column = np.nonzero(valid)
    return Images(ndvi=ndvi[:, valid], days=np.asarray(seen.time_days), block=row // BLOCK * 1000 + column // BLOCK)


Forecast = Callable[[Images, float, int], Float[np.ndarray, " p"]]  # of (past, day asked for, seed)


def persistence(past: Images, day: float, seed: int) -> Float[np.ndarray, " p"]:
    """The last image."""
    return past.ndvi[-1]


def climatology(past: Images, day: float, seed: int) -> Float[np.ndarray, " p"]:
    """The mean of all images."""
    return past.ndvi.mean(0)


def between(past: Images, day: float, seed: int) -> Float[np.ndarray, " p"]:
    """The middle of the two."""
    return (persistence(past, day, seed) + climatology(past, day, seed)) / 2


def attention(past: Images, day: float, seed: int, steps: int = 300) -> Float[np.ndarray, " p"]:
    """The forecaster of experiments.time.forecast: seasonal mean of other years and attention to departures from it."""
    parts = [batch(past.before(t), float(past.days[t]), len(past.days)) for t in range(FIRST, len(past.days))]
    wanted = np.concatenate([past.ndvi[t] for t in range(FIRST, len(past.days))])
    known = {name: jnp.concatenate([part[name] for part in parts]) for name in parts[0]}
    known |= {"wanted": jnp.asarray(wanted, jnp.float32)}
    model = fit(SeriesForecaster(ForecastConfig(), rngs=nnx.Rngs(seed)), known, loss, steps=steps, seed=seed)
    return np.asarray(forward(model, batch(past, day, len(past.days))), np.float64)


def batch(past: Images, day: float, length: int) -> Batch:
    """Every pixel's past, filled up to `length` dates, and the day asked for."""
    t, p = past.ndvi.shape
    fill = ((0, 0), (0, length - t))
    days = np.pad(np.tile(past.days, (p, 1)), fill)
    return {
        "ndvi": jnp.asarray(np.pad(past.ndvi.T, fill), jnp.float32),
        "known": jnp.asarray(np.pad(np.ones((p, t), bool), fill)),
        "days": jnp.asarray(days, jnp.float32),
        "ahead": jnp.full((p, 1), day, jnp.float32),
    }


@nnx.jit
def forward(model: SeriesForecaster, asked: Batch) -> Float[Array, " p"]:
    """The median."""
    mean, _ = model(observation(asked["ndvi"], asked["known"], asked["days"]), asked["ahead"])
    return mean[:, 0] * SCALE + CENTER


def loss(model: SeriesForecaster, asked: Batch, key: Array) -> Float[Array, ""]:
    """Absolute error, with some of the earlier dates left out."""
    b, t = asked["ndvi"].shape
    last = asked["known"].sum(1, keepdims=True) - 1
    keep = (jax.random.uniform(key, (b, t)) > 0.2) | (jnp.arange(t) == last)
    return jnp.abs(forward(model, asked | {"known": asked["known"] & keep}) - asked["wanted"]).mean()


MODELS: Mapping[str, tuple[Forecast, int]] = {
    "persistence": (persistence, 1),
    "climatology": (climatology, 1),
    "half of each": (between, 1),
    "attention to departures": (attention, 5),
}


def rows(
    truth: Images, model: str, named: Mapping[str, Any], runs: list[np.ndarray], last: np.ndarray
) -> Iterator[dict]:
    """MAE, and by how much it is under persistence's; intervals by redrawing blocks of 400 x 400 m."""
    _, block = np.unique(truth.block, return_inverse=True)
    wanted = truth.ndvi[-1]
    error = np.mean([np.abs(run - wanted) for run in runs], axis=0)
    for metric, each in (("mae", error), ("gain_on_persistence", np.abs(last - wanted) - error)):
        table = np.stack([np.bincount(block, each), np.bincount(block)], 1)

        def score(some: np.ndarray) -> float:
            return float(some[:, 0].sum() / some[:, 1].sum())

        low, high = bootstrap_interval(table, score)
        row = {"model": model, "metric": metric, "value": score(table), "low": low, "high": high, "n": len(each)}
        yield {**named, **row, "seeds": list(range(len(runs)))}


def main(
    models: tuple[str, ...] = tuple(MODELS),
    data: Path | None = None,
    out: Path | None = OUT,
    validate: bool = False,
) -> None:
    """Forecasts the images of two years and appends the scores.

    Args:
        models: keys of MODELS.
        data: data folder; default RSFM_DATA, else ../shared/data.
        out: JSON lines.
        validate: forecast earlier years, print, and write nothing.
    """
    images = read(data or data_root())
    dates = [date_text(float(day))[:10] for day in images.days]
    for t, date in enumerate(dates):
        if date[:4] not in YEARS[validate]:
            continue
        past, truth = images.before(t), images.before(t + 1)
        last = persistence(past, 0.0, 0)
        for model in models:
            forecast, seeds = lookup(MODELS, "forecast", model)
            runs = [forecast(past, float(images.days[t]), seed) for seed in SEEDS[:seeds]]
            named = {"config": "time_naip" if forecast is attention else BASELINES, "dataset": "naip", "split": date}
            named |= {"command": "python -m experiments.time.naip", "protocol": "earlier-images"}
            made = list(rows(truth, model, named, runs, last))
            for row in made:
                print(
                    f"{date} {model}: {row['metric']} {row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]",
                    flush=True,
                )
            if out is not None and not validate:
                append_rows(out, made)


if __name__ == "__main__":
    tyro.cli(main)
