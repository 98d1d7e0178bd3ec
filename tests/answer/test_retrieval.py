"""The way from records and sentences to one space: what a text says, not how long its padding is; pictures apart."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.answer.retrieval import Retriever
from rsfm.errors import UserError
from rsfm.heads import ContrastiveConfig, HeadConfig
from rsfm.heads.contrastive import RET
from rsfm.models.foundation import FoundationModel
from rsfm.objectives import Reading, make_objective
from rsfm.processor import Processor, ProcessorConfig
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import Record
from tests.small_checkpoint import ROOT, small_config


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    base = small_config()
    optical = base.streams["optical"]
    optical = dataclasses.replace(optical, options={})
    heads = {"contrastive": HeadConfig(options=ContrastiveConfig(width=12))}
    config = dataclasses.replace(base, streams={"optical": optical}, heads=heads)
    text = TextTokenizer.load(ROOT / "tokenizers" / "text")
    processor = Processor(ProcessorConfig(streams={"optical": optical.spec}), text)
    return Retriever(model=FoundationModel(config, rngs=nnx.Rngs(0)), processor=processor, batch_size=2)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    rng = np.random.default_rng(0)
    pictures = [rng.uniform(size=(1, 32, 32, 3)).astype(np.float32) for _ in range(3)]
    seen = [observe(SENSORS["aerial_rgb"], picture, time_days=[9000.0], gsd_m=1.0) for picture in pictures]
    return [Record(id=str(i), observations={"aerial_rgb": each}) for i, each in enumerate(seen)]


def test_rows_are_unit_vectors_in_order(retriever, records):
    pictures = retriever.pictures(records)
    assert pictures.shape == (3, 12)
    np.testing.assert_allclose(np.linalg.norm(pictures, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(retriever.pictures(records[2:]), pictures[2:], atol=1e-5)


def test_texts_of_any_length_in_one_call(retriever):
    long = "a long row of white houses stands beside a winding road with many green trees on both sides of it, " * 2
    texts = ["a river.", long, "a river."]
    rows = retriever.texts(texts)
    np.testing.assert_allclose(rows[0], rows[2], atol=1e-5)
    np.testing.assert_allclose(retriever.texts([long])[0], rows[1], atol=1e-5)
    assert not np.allclose(rows[0], rows[1])


def test_classes_by_name(retriever, records):
    share = retriever.classify(records, ("forest", "airport"), templates=("a photo of {}.", "{} from above."))
    assert share.shape == (3, 2)
    np.testing.assert_allclose(share.sum(1), 1.0, atol=1e-5)


def test_a_model_without_the_head_is_told(retriever):
    model = FoundationModel(dataclasses.replace(retriever.model.config, heads={}), rngs=nnx.Rngs(0))
    with pytest.raises(UserError, match="has no contrastive head"):
        Retriever(model=model, processor=retriever.processor)


def test_the_loss_pairs_rows_that_hold_the_token(retriever, records):
    """Through the model: gradient to both towers, rows without `<ret>` left out."""
    processor = retriever.processor
    said = [f"a river {RET}", f"many houses {RET}", "a lake"]
    samples = [processor.prompt(record, "Describe it.", answer) for record, answer in zip(records, said, strict=True)]
    batch = jax.tree.map(lambda *rows: jnp.asarray(np.stack(rows)), *samples)
    contrast = make_objective("contrast", {"loss": "softmax"})
    graphdef, *parts = nnx.split(retriever.model, nnx.Param, ...)
    params, rest = (nnx.to_pure_dict(nnx.as_pure(part)) for part in parts)  # as rsfm.training.state holds them

    @jax.jit
    def run(params):
        def loss(params):
            model = nnx.merge(graphdef, params, rest)
            total, units = contrast(Reading(model, batch), None, jax.random.key(0)).losses["contrast"]
            return total, units

        return jax.value_and_grad(loss, has_aux=True)(params)

    (total, units), gradient = run(params)
    assert total > 0 and np.isfinite(total) and units == 2
    for part in ("from_token", "from_text", "log_scale"):
        leaves = jax.tree.leaves(gradient["heads"]["contrastive"]["head"][part])
        assert all(np.abs(leaf).sum() > 0 for leaf in leaves), part
    assert np.abs(gradient["decoder"]["embedding"]).sum() > 0


def test_an_objective_without_its_head_is_told(retriever):
    sample = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], retriever._text("a river"))
    model = FoundationModel(dataclasses.replace(retriever.model.config, heads={}), rngs=nnx.Rngs(0))
    with pytest.raises(UserError, match="the model has no head 'contrastive'. Add one of kind 'contrastive'"):
        make_objective("contrast", {"loss": "sigmoid"})(Reading(model, sample), None, jax.random.key(0))
