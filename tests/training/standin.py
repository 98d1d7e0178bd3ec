"""A tiny model and synthetic batches with the shapes of the real ones, so that the engine is tested in seconds."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rsfm.heads import ValueConfig, ValueHead
from rsfm.types import Observation, Predictions, Sample

VOCABULARY, WIDTH, TEXT, BANDS = 32, 16, 8, 3


class Layer(nnx.Module):
    """x + mlp(norm(x))."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.up = nnx.Linear(WIDTH, 2 * WIDTH, rngs=rngs, kernel_metadata={"out_sharding": ("embed", "mlp")})
        self.down = nnx.Linear(2 * WIDTH, WIDTH, rngs=rngs, kernel_metadata={"out_sharding": ("mlp", "embed")})

    def __call__(self, x: Any) -> Any:
        return x + self.down(nnx.gelu(self.up(self.norm(x))))


class _NumberLoss:
    """The loss of the value head, without a head."""

    config = ValueConfig()
    loss = ValueHead.loss


class StandIn(nnx.Module):
    """Bag of pixels beside each token. Answers in text and one value, as the real model does.

    Args:
        dropout: share of the hidden numbers dropped in training; its random stream is state beside the parameters.
    """

    heads = {"value": _NumberLoss()}

    def __init__(self, *, rngs: nnx.Rngs, dropout: float = 0.0) -> None:
        self.embedding = nnx.Embed(
            VOCABULARY, WIDTH, rngs=rngs, embedding_metadata={"out_sharding": ("vocab", "embed")}
        )
        self.pixels = nnx.Linear(BANDS, WIDTH, rngs=rngs, kernel_metadata={"out_sharding": (None, "embed")})
        self.layers = self._stack(rngs)
        self.value = nnx.Linear(WIDTH, 2, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, sample: Sample) -> Predictions:
        picture = sum(o.values.mean(axis=(1, 2, 3)) for o in sample.observations.values())
        x = self.embedding(sample.text_ids) + self.pixels(picture)[:, None]
        graphdef, params = nnx.split(self.layers)
        for i in range(2):
            x = nnx.merge(graphdef, _layer(params, i))(x)
        x = self.dropout(x)
        mean, scale = jnp.moveaxis(self.value(x[:, :1]), -1, 0)
        logits = x @ self.embedding.embedding[...].T
        aux = {"encoder_balance": jnp.square(x).mean()}
        return Predictions(text_logits=logits, outputs={"value": {"mean": mean, "scale": jnp.exp(scale)}}, aux=aux)

    def _stack(self, rngs: nnx.Rngs) -> Layer:
        @nnx.split_rngs(splits=2)
        @nnx.vmap(in_axes=0, out_axes=0)
        @nnx.transform_metadata(in_axes=0, out_axes=0, partition="layers")
        def make(layer_rngs: nnx.Rngs) -> Layer:
            return Layer(layer_rngs)

        return make(rngs)


def _layer(params: Any, i: int) -> Any:
    return nnx.map_state(lambda path, leaf: leaf.replace(leaf[...][i]), params)


def build(seed: int = 0, dropout: float = 0.0) -> StandIn:
    """The stand-in from a seed."""
    return StandIn(rngs=nnx.Rngs(seed), dropout=dropout)


def make_sample(
    index: int, batch: int = 8, streams: tuple[str, ...] = ("optical",), *, rows: slice = slice(None)
) -> Sample:
    """Batch number `index` of a synthetic task: tokens and a value told by the mean colour. `rows`: a host's part."""
    rng = np.random.default_rng(index)
    colour = rng.uniform(size=(batch, BANDS)).astype(np.float32)
    ids = ((colour.argmax(-1)[:, None] + np.arange(TEXT)) % VOCABULARY).astype(np.int32)
    loss = np.arange(TEXT)[None] >= rng.integers(1, TEXT - 2, size=(batch, 1))
    observation = make_observation(colour)
    full = Sample(
        observations={name: observation for name in streams},
        location_deg=np.zeros((batch, 2), np.float32),
        text_ids=ids,
        text_valid=np.ones_like(ids, bool),
        loss_mask=loss,
        targets={"value": {"value": colour[:, :1], "position": np.where(colour[:, :1] > 0.3, 0, -1).astype(np.int32)}},
    )
    return cut(full, rows)


def make_observation(colour: np.ndarray) -> Observation:
    """4 x 4 pixels of one colour each."""
    batch, bands = colour.shape
    values = np.broadcast_to(colour[:, None, None, None], (batch, 1, 4, 4, bands)).copy()
    zeros = np.zeros((batch, bands), np.float32)
    return Observation(
        values=values,
        valid=np.ones((batch, 1, 4, 4), bool),
        band_valid=np.ones((batch, 1, bands), bool),
        wavelength_um=zeros + 0.6,
        bandwidth_um=zeros + 0.1,
        band_code=zeros.astype(np.int32),
        time_days=np.zeros((batch, 1), np.float32),
        gsd_m=np.ones(batch, np.float32),
    )


def cut(sample: Sample, rows: slice) -> Sample:
    """Some rows of a batch."""
    return jax.tree.map(lambda leaf: leaf[rows], sample)


class Stream:
    """Endless synthetic batches that know their place, as a grain iterator does."""

    def __init__(
        self, host: int = 0, hosts: int = 1, *, batch: int = 8, streams: tuple[tuple[str, ...], ...] = (("optical",),)
    ) -> None:
        share = batch // hosts
        self._rows, self._batch, self._streams, self._next = slice(host * share, (host + 1) * share), batch, streams, 0

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Sample:
        index, self._next = self._next, self._next + 1
        return make_sample(index, self._batch, self._streams[index % len(self._streams)], rows=self._rows)

    def get_state(self) -> dict[str, int]:
        return {"next": self._next}

    def set_state(self, state: dict[str, int]) -> None:
        self._next = state["next"]
