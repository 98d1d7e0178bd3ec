"""Images that stand in the text: each by itself, causal like the words around it, at the place that it is given."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rsfm import pretrained
from rsfm.errors import UserError
from rsfm.heads import ContrastiveConfig, HeadConfig
from rsfm.models.connector import CONNECTORS, ConnectorConfig, TappedConnector, image_by_image, images_of
from rsfm.models.decoder import PlacedTokens
from rsfm.models.encoder import TappedTokens
from rsfm.models.foundation import FoundationModel, StreamConfig
from rsfm.models.generate import generate
from rsfm.models.interleave import image_layout
from rsfm.models.temporal import TemporalConfig
from rsfm.nn.transformer import TransformerConfig
from rsfm.nn.weights import named_parameters
from rsfm.pytree import replace
from rsfm.types import Sample, StreamSpec, Tokens
from tests.models.conftest import sample_of, small_config
from tests.observations import make
from tests.small_checkpoint import interleaved_config, make_checkpoint

STACK = TransformerConfig(width=16, depth=1, heads=2, mlp_width=32)
K = 2  # tokens of an image
FIRST, SECOND, LENGTH = 3, 7, 14  # places of two images in a text


def config_of(connector: ConnectorConfig, *, temporal: str = "joint", **changes):
    optical = StreamConfig(
        spec=StreamSpec(families=("optical",), size=16, times=2, bands=12, patch=8),
        tokenizer="spectral",
        temporal=TemporalConfig(kind=temporal, heads=2),
    )
    decoder = dataclasses.replace(small_config().decoder, transformer=STACK)
    return small_config(streams={"optical": optical}, encoder=STACK, decoder=decoder, connector=connector, **changes)


QUERIES = ConnectorConfig(kind="perceiver", queries=K, heads=2, interleaved=True)


@pytest.fixture(scope="module")
def model() -> FoundationModel:
    return FoundationModel(config_of(QUERIES), rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def logits(model):
    graphdef, params = nnx.split(model)
    run = jax.jit(lambda sample: nnx.merge(graphdef, params)(sample).text_logits)
    return lambda sample: np.asarray(run(sample))


@pytest.fixture(scope="module")
def sample() -> Sample:
    """Two rows of two dates: words, the first, words, the second, words; the second row ends in padding."""
    plain = sample_of({"optical": make(b=2, t=2, size=16)}, s=LENGTH)
    places = np.full((2, LENGTH), -1)
    places[:, FIRST : FIRST + K], places[:, SECOND : SECOND + K] = np.arange(K), np.arange(K, 2 * K)
    valid = plain.text_valid.at[1, LENGTH - 3 :].set(False)
    return replace(plain, text_images=jnp.asarray(places), text_valid=valid, targets={})


def with_optical(sample: Sample, **changes) -> Sample:
    return replace(sample, observations={"optical": replace(sample.observations["optical"], **changes)})


def differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which text places of the first row differ."""
    return np.abs(a - b)[0].max(-1) > 1e-5


# --- one image at a time


@pytest.mark.parametrize(("kind", "taps"), [*((kind, ()) for kind in CONNECTORS), ("mlp", (0,))])
def test_each_date_goes_through_by_itself(kind, taps):
    width, rng = 8, np.random.default_rng(0)
    config = ConnectorConfig(kind=kind, queries=K, heads=2, taps=taps, interleaved=True)
    made = (TappedConnector if taps else CONNECTORS[kind])(config, width, 12, rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(made)
    apart = jax.jit(lambda tokens: image_by_image(nnx.merge(graphdef, params), tokens, 3))
    one = jax.jit(lambda tokens: nnx.merge(graphdef, params)([tokens]))

    def dates(first: int, last: int, spoil: float = 0.0) -> Tokens:
        x, n = rng.normal(size=(2, 3, 4, width)).astype(np.float32), last - first
        mask = np.ones((2, 3, 4), bool)
        x[:, 1] += spoil
        mask[0, 1] = False
        flat = [leaf[:, first:last].reshape(2, 4 * n, *leaf.shape[3:]) for leaf in (x, mask, np.zeros((2, 3, 4, 3)))]
        named = dict(zip(("embeddings", "mask", "position"), flat, strict=True))
        told = {"taps": jnp.asarray(flat[0][:, :, None] + 1.0)} if taps else {}
        return (TappedTokens if taps else Tokens)(**named, **told, grid=(n, 2, 2))

    state = rng.bit_generator.state
    together = apart(dates(0, 3))
    for i in range(3):
        rng.bit_generator.state = state
        alone = one(dates(i, i + 1))
        n = alone.mask.shape[1]
        here = slice(i * n, (i + 1) * n)
        np.testing.assert_allclose(together.embeddings[:, here], alone.embeddings, atol=1e-5)
        np.testing.assert_array_equal(together.mask[:, here], alone.mask)
    rng.bit_generator.state = state
    spoiled = apart(dates(0, 3, 30.0))  # the first row's second date is masked
    assert not together.mask[0, n : 2 * n].any() and together.mask[1].all()
    np.testing.assert_array_equal(together.embeddings[0, 2 * n :], spoiled.embeddings[0, 2 * n :])


def test_dates_that_a_temporal_encoder_merges_are_one_image():
    tokens = Tokens(
        embeddings=jnp.zeros((1, 8, 4)), mask=jnp.ones((1, 8), bool), position=jnp.zeros((1, 8, 3)), grid=(2, 2, 2)
    )
    assert images_of(tokens, 2) == 2 and images_of(replace(tokens, grid=(1, 2, 4)), 3) == 1
    mean = image_layout(config_of(dataclasses.replace(QUERIES, kind="pixel_shuffle"), temporal="mean"))
    assert mean.tokens == {"optical": 1} and mean.merged == ("optical",)


def test_weights_carry_over():
    config = config_of(dataclasses.replace(QUERIES, kind="qformer", taps=(0,)))
    before = dataclasses.replace(config, connector=dataclasses.replace(config.connector, interleaved=False))
    names, own = (
        {
            name: leaf.shape
            for name, leaf in named_parameters(nnx.eval_shape(lambda c=c: FoundationModel(c, rngs=nnx.Rngs(0)))).items()
        }
        for c in (before, config)
    )
    assert names == own
    assert image_layout(before) is None and image_layout(config).tokens == {"optical": K}


# --- in the text


def test_placed_tokens_are_read_as_words_are(model):
    """Embeddings of words put in the place of others give what those words give."""
    decoder, rng = model.decoder, np.random.default_rng(0)
    ids = jnp.asarray(rng.integers(10, 64, (1, 8)))
    nothing = Tokens(embeddings=jnp.zeros((1, 0, 16)), mask=jnp.zeros((1, 0), bool), position=jnp.zeros((1, 0, 3)))
    words = Tokens(embeddings=decoder.embed(ids[:, :3]), mask=jnp.ones((1, 3), bool), position=jnp.zeros((1, 3, 3)))
    place = jnp.asarray([[0, 1, 2, -1, -1, -1, -1, -1]])
    valid = jnp.ones((1, 8), bool)
    said = decoder(nothing, ids, valid)[0]
    shown = decoder(nothing, ids.at[:, :3].set(5), valid, None, PlacedTokens(tokens=words, place=place))[0]
    np.testing.assert_allclose(said, shown, atol=1e-6)


def test_an_image_is_seen_from_its_place_on(logits, sample):
    """Words before an image do not see it, though the encoder reads all dates at once and the place before the text."""
    seen = sample.observations["optical"]
    changed = with_optical(sample, values=seen.values.at[:, 1].add(1.0))
    late = replace(sample, text_images=sample.text_images.at[:, FIRST : FIRST + K].set(-1))
    late_changed = replace(changed, text_images=late.text_images)
    assert differ(logits(sample), logits(changed)).tolist() == [i >= FIRST for i in range(LENGTH)]
    assert differ(logits(late), logits(late_changed)).tolist() == [i >= SECOND for i in range(LENGTH)]


def test_only_the_place_in_the_text_tells_images_apart(logits, sample):
    seen, order = sample.observations["optical"], jnp.asarray([1, 0])
    both = {name: getattr(seen, name)[:, order] for name in ("values", "valid", "band_valid", "time_days")}
    places = jnp.where(sample.text_images < 0, -1, (sample.text_images + K) % (2 * K))
    plain = logits(sample)
    np.testing.assert_allclose(logits(replace(with_optical(sample, **both), text_images=places)), plain, atol=2e-5)
    assert differ(logits(replace(sample, text_images=places)), plain)[FIRST:].all()
    assert differ(logits(with_optical(sample, values=both["values"])), plain)[FIRST:].all(), "pixels exchanged"


def test_a_masked_date_changes_nothing(logits, sample):
    seen = sample.observations["optical"]
    masked = with_optical(sample, valid=seen.valid.at[:, 1].set(False))
    spoiled = with_optical(masked, values=seen.values.at[:, 1].set(77.0))
    assert differ(logits(masked), logits(sample))[SECOND:].any()
    words = np.asarray(sample.text_images) < K  # its own places are looked at by nobody
    np.testing.assert_array_equal(logits(masked)[words], logits(spoiled)[words])


def test_generation_equals_the_full_forward(model, logits, sample):
    """With a cache, an image in the text that is masked, and padding."""
    seen = sample.observations["optical"]
    prompt = with_optical(sample, valid=seen.valid.at[0, 0].set(False))
    prompt = replace(prompt, text_valid=prompt.text_valid.at[0, LENGTH - 4 :].set(False))
    ids = np.asarray(generate(model, prompt, max_new_tokens=3))
    for row, length in enumerate((LENGTH - 4, LENGTH - 3)):
        text = list(np.asarray(prompt.text_ids)[row, :length])
        for token in ids[row]:
            filled = prompt.text_ids.at[row, : len(text)].set(jnp.asarray(text))
            valid = prompt.text_valid.at[row, : len(text)].set(True)
            expected = logits(replace(prompt, text_ids=filled, text_valid=valid))[row, len(text) - 1].argmax()
            assert token == expected
            text.append(int(token))
            if token == 2:
                break


def test_texts_are_compared_without_their_images(sample):
    joint = ContrastiveConfig(width=8, ret_id=9)
    model = FoundationModel(config_of(QUERIES, heads={"contrastive": HeadConfig(options=joint)}), rngs=nnx.Rngs(0))
    told = replace(sample, text_ids=sample.text_ids.at[:, LENGTH - 4].set(9))
    keep = np.flatnonzero(np.asarray(told.text_images)[0] < 0)
    words = {name: getattr(told, name)[:, keep] for name in ("text_ids", "text_valid", "loss_mask")}

    @nnx.jit
    def embed(model, sample):
        hidden, ids, valid = model.read_words(sample)
        head = model.heads["contrastive"].head
        return head.texts(hidden, head.place(ids, valid))

    alone = embed(model, replace(told, observations={}, text_images=None, **words))
    np.testing.assert_allclose(embed(model, told), alone, atol=1e-5)


# --- training


def test_it_learns_which_image_stands_last():
    """Two dates, a bright and a dark one, in either order of dates and of places: only the place tells the answer."""
    config = config_of(dataclasses.replace(QUERIES, kind="mlp"))
    model = FoundationModel(config, rngs=nnx.Rngs(0))
    k, rows, rng = 4, 8, np.random.default_rng(0)
    level = np.where(rng.random(rows) < 0.5, 1.0, -1.0)  # of the first date; the second is its opposite
    place = rng.integers(0, 2, rows)  # date that stands last
    places = np.full((rows, 2 * k + 2), -1)
    for row, last in enumerate(place):
        places[row, 1:-1] = np.concatenate([np.arange(k) + (1 - last) * k, np.arange(k) + last * k])
    seen = make(b=rows, t=2, size=16)
    values = 0.1 * seen.values + jnp.asarray(np.stack([level, -level], 1))[..., None, None, None]
    answer = np.where(level * np.where(place == 0, 1, -1) > 0, 20, 30)
    ids = np.full(places.shape, 11)
    ids[:, -1] = answer
    batch = replace(
        sample_of({"optical": replace(seen, values=values)}, b=rows, s=ids.shape[1]),
        text_ids=jnp.asarray(ids),
        text_images=jnp.asarray(places),
        targets={},
    )
    memory, _ = nnx.jit(FoundationModel.encode)(model, batch.observations, batch.location_deg)
    trained = nnx.Any(nnx.PathContains("connector"), nnx.PathContains("decoder"))
    graphdef, params, rest = nnx.split(model, trained, ...)
    optimizer = optax.adam(1e-2)

    def loss(params, batch):
        model = nnx.merge(graphdef, params, rest)
        images = model.images_in(batch, memory)
        hidden, _ = model.decoder(model.prefix(memory), batch.text_ids, batch.text_valid, None, images)
        said = model.logits(hidden)[:, -2]
        return optax.softmax_cross_entropy_with_integer_labels(said, batch.text_ids[:, -1]).mean()

    @jax.jit
    def learn(params, moments):
        def step(carry, _):
            params, moments = carry
            value, gradient = jax.value_and_grad(loss)(params, batch)
            updates, moments = optimizer.update(gradient, moments)
            size = sum(jnp.abs(leaf).sum() for leaf in jax.tree.leaves(gradient["connector"]))
            return (optax.apply_updates(params, updates), moments), (value, size)

        return jax.lax.scan(step, (params, moments), None, length=40)

    (params, _), (losses, sizes) = learn(params, optimizer.init(params))
    assert sizes[0] > 1e-4, "the gradient reaches the connector"
    assert losses[0] > 3 and losses[-1] < 0.2, losses
    crossed = replace(batch, text_images=jnp.where(batch.text_images < 0, -1, (batch.text_images + k) % (2 * k)))
    assert jax.jit(loss)(params, crossed) > 1, "the same images in each other's place"


# --- what does not fit


def test_model_and_sample_must_agree(model, sample):
    with pytest.raises(AssertionError, match=r"connector.interleaved is on, the processor places no images"):
        jax.eval_shape(model, replace(sample, text_images=None))
    before = FoundationModel(config_of(dataclasses.replace(QUERIES, interleaved=False)), rngs=nnx.Rngs(0))
    with pytest.raises(AssertionError, match=r"the processor places images in the text, connector.interleaved is off"):
        jax.eval_shape(before, sample)


def test_a_checkpoint_whose_processor_disagrees_is_told(tmp_path):
    folder = make_checkpoint(tmp_path / "apart", interleaved_config())
    assert pretrained.load(folder).processor.config.images.tokens == {"optical": 3}
    path = folder / "processor.json"
    saved = json.loads(path.read_text())
    (folder / "SHA256SUMS").unlink()  # else the changed file is noticed first
    for images, words in ((None, "before it"), (saved["images"] | {"tokens": {"optical": 5}}, "inside it")):
        path.write_text(json.dumps(saved | {"images": images}))
        with pytest.raises(UserError, match=f"has images inside the text, processor.json {words}, or of other sizes"):
            pretrained.load(folder)
    shutil.rmtree(folder)
