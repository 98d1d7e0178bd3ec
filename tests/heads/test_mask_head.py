"""Mask head: what the logits may depend on, and how they move when the picture does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.heads import MaskConfig, MaskHead, Spans, Widths
from rsfm.models.necks import NeckConfig
from rsfm.models.necks.gather import mean_grid
from rsfm.models.necks.mean import MeanNeck
from rsfm.nn.resample import bilinear
from rsfm.pytree import replace
from rsfm.types import Memory, Tokens


class Seen(nnx.Module):
    """A mask head behind the neck that takes the mean over dates."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.head = MaskHead(MaskConfig(), Widths(text=12, token=10, pixel=5), rngs=rngs)
        self.neck = MeanNeck(NeckConfig(width=5, hidden=8), 10, rngs=rngs)

    def __call__(self, spans, tokens, pixels, valid):
        seen = self.neck.joined([mean_grid([tokens])], pixels, valid)
        memory = Memory(tokens={"all": tokens}, pixels={"pixels": seen})
        return self.head(Spans(hidden=spans, valid=jnp.ones(spans.shape[:2], bool)), memory, "pixels")["logits"]


HEAD = Seen()
FORWARD = jax.jit(lambda spans, tokens, pixels, valid: HEAD(spans, tokens, pixels, valid))
SPANS, PIXELS = jax.random.normal(jax.random.key(0), (2, 3, 12)), jax.random.normal(jax.random.key(1), (2, 12, 12, 5))
VALID = jax.random.bernoulli(jax.random.key(2), 0.8, (2, 12, 12))
TOKENS = Tokens(
    embeddings=jax.random.normal(jax.random.key(3), (2, 18, 10)),
    mask=jax.random.bernoulli(jax.random.key(4), 0.8, (2, 18)),
    position=jnp.zeros((2, 18, 3)),
    grid=(2, 3, 3),
)


def test_masked_tokens_and_invalid_pixels_change_nothing_and_get_no_gradient():
    logits = FORWARD(SPANS, TOKENS, PIXELS, VALID)
    noisy = replace(TOKENS, embeddings=jnp.where(TOKENS.mask[..., None], TOKENS.embeddings, jnp.nan))
    pixels = jnp.where(VALID[..., None], PIXELS, jnp.nan)
    np.testing.assert_array_equal(logits, FORWARD(SPANS, noisy, pixels, VALID))
    assert logits.shape == (2, 3, 12, 12) and logits.dtype == jnp.float32
    loss = lambda x, p: (HEAD(SPANS, replace(noisy, embeddings=x), p, VALID) ** 2).sum()  # noqa: E731
    by_token, by_pixel = jax.jit(jax.grad(loss, argnums=(0, 1)))(noisy.embeddings, pixels)
    assert not by_token[~TOKENS.mask].any() and by_token[TOKENS.mask].any()
    assert not by_pixel[~VALID].any() and jnp.isfinite(by_pixel).all()


def test_permuting_slots_permutes_the_masks():
    order = np.array([2, 0, 1])
    got = FORWARD(SPANS[:, order], TOKENS, PIXELS, VALID)
    np.testing.assert_allclose(got, FORWARD(SPANS, TOKENS, PIXELS, VALID)[:, order], atol=1e-5)


def test_padding_with_invalid_pixels_is_the_edge_of_the_picture():
    """Two cells of nodata around change no logit inside: a hole and an edge are treated alike."""
    tokens = replace(
        TOKENS, embeddings=jnp.broadcast_to(TOKENS.embeddings[:, :1], (2, 18, 10)), mask=jnp.ones((2, 18), bool)
    )
    rim = ((0, 0), (2, 2), (2, 2))
    padded = FORWARD(SPANS, tokens, jnp.pad(PIXELS, (*rim, (0, 0)), constant_values=9.0), jnp.pad(VALID, rim))
    inside = FORWARD(SPANS, tokens, PIXELS, VALID)
    np.testing.assert_allclose(padded[:, :, 2:-2, 2:-2], inside, atol=1e-5)


def test_a_constant_picture_gives_constant_masks_up_to_its_edges_and_holes():
    tokens = replace(TOKENS, embeddings=jnp.ones((2, 18, 10)), mask=jnp.ones((2, 18), bool))
    hole = jnp.ones((2, 12, 12), bool).at[:, 4:8, 4:8].set(False)
    kernels = [HEAD.neck.enter.kernel[...], HEAD.neck.leave.kernel[...]]
    graphdef, params = nnx.split(HEAD)
    mean = lambda k: jnp.broadcast_to(k.mean((0, 1)), k.shape)  # noqa: E731 - a box filter keeps constants
    params["neck"]["enter"]["kernel"], params["neck"]["leave"]["kernel"] = (nnx.Param(mean(k)) for k in kernels)
    logits = nnx.merge(graphdef, params)(SPANS, tokens, jnp.ones((2, 12, 12, 5)), hole)
    spread = jnp.where(hole[:, None], logits, logits[:, :, :1, :1]).std((2, 3))
    np.testing.assert_allclose(spread, 0, atol=1e-5)


def turned(x: jax.Array, axes: tuple[int, int]) -> jax.Array:
    return jnp.rot90(x, axes=axes)


def test_a_turned_picture_gives_turned_masks_when_the_kernels_are_symmetric():
    graphdef, params = nnx.split(HEAD)
    for name in ("enter", "leave"):
        kernel = params["neck"][name]["kernel"][...]
        params["neck"][name]["kernel"] = nnx.Param(sum(jnp.rot90(kernel, turn) for turn in range(4)) / 4)
    head = nnx.merge(graphdef, params)
    grid = lambda x: turned(x.reshape(2, 2, 3, 3, *x.shape[2:]), (2, 3)).reshape(x.shape)  # noqa: E731
    tokens = replace(TOKENS, embeddings=grid(TOKENS.embeddings), mask=grid(TOKENS.mask))
    got = head(SPANS, tokens, turned(PIXELS, (1, 2)), turned(VALID, (1, 2)))
    np.testing.assert_allclose(got, turned(head(SPANS, TOKENS, PIXELS, VALID), (2, 3)), atol=1e-5)


def test_tokens_reach_their_own_pixels():
    """Raising one token moves the logits most within its footprint (rows 8..11, columns 0..3)."""
    tokens = replace(TOKENS, mask=jnp.ones((2, 18), bool))
    raised = replace(tokens, embeddings=tokens.embeddings.at[:, [6, 15]].add(1.0))  # row 2, column 0, both dates
    valid = jnp.ones_like(VALID)
    change = jnp.abs(FORWARD(SPANS, raised, PIXELS, valid) - FORWARD(SPANS, tokens, PIXELS, valid)).mean((0, 1))
    assert change[8:, :4].mean() > 4 * change[:4, 8:].mean() + 1e-3


@pytest.mark.parametrize("size", [(12, 12), (9, 15)])
def test_enlarging_keeps_constants_and_planes(size):
    row, column = jnp.meshgrid(jnp.arange(3.0), jnp.arange(5.0), indexing="ij")
    plane = jnp.stack([jnp.ones_like(row), row, column], -1)[None]
    big = bilinear(plane, size)[0]
    np.testing.assert_allclose(big[..., 0], 1, atol=1e-6)
    at = [np.clip((np.arange(n) + 0.5) * k / n - 0.5, 0, k - 1) for n, k in zip(size, (3, 5), strict=True)]
    np.testing.assert_allclose(big[..., 1], np.broadcast_to(at[0][:, None], size), atol=1e-5)
    np.testing.assert_allclose(big[..., 2], np.broadcast_to(at[1][None], size), atol=1e-5)


def learned(**options):
    """Terms of a head with these options, on two samples with a mask of one pixel in nine of the second class."""
    head = MaskHead(MaskConfig(**options), Widths(text=12, token=10, pixel=5), rngs=nnx.Rngs(0))
    target = jnp.where(jnp.arange(144).reshape(1, 12, 12) % 9 == 0, 4, 2) * jnp.ones((2, 1, 1), int)
    logits = FORWARD(SPANS, TOKENS, PIXELS, VALID)
    return head.loss({"logits": logits}, {"position": jnp.array([[3, 5, -1]] * 2), "mask": target})


def test_each_loss_of_the_config_is_a_term_over_the_labelled_pixels():
    terms = learned(losses=("cross_entropy", "dice", "lovasz"))
    assert set(terms) == {"", "dice", "lovasz"} and all(units == 288 for _, units in terms.values())
    plain, focal = learned()[""][0], learned(losses=("focal",))[""][0]
    np.testing.assert_allclose(terms[""][0], plain, rtol=1e-6)
    assert focal < plain, "what is known already counts less"
    with pytest.raises(UserError, match="dice"):
        learned(losses=("dise",))


def test_balance_raises_the_share_of_the_rare_class():
    plain, even = (learned(balance=power)[""] for power in (0.0, 1.0))
    assert plain[1] == even[1] and abs(float(plain[0] - even[0])) > 1e-3
