"""How likely the model holds each name of a closed list, given a picture and a question.   n names · s text length"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from rsfm.answer.batches import stack
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Processor
from rsfm.types import Record, Sample

TOGETHER = 8  # answers read in one batch


def log_likelihoods(
    model: FoundationModel, processor: Processor, record: Record, question: str, answers: tuple[str, ...]
) -> Float[np.ndarray, " n"]:
    """Log probability of each answer, every token and the end of the turn counted."""
    samples = [processor.prompt(record, question, answer) for answer in answers]
    scores = []
    for start in range(0, len(samples), TOGETHER):
        part = samples[start : start + TOGETHER]
        full = part + [part[0]] * (TOGETHER - len(part))
        scores.append(np.asarray(_scores(model, stack(full)))[: len(part)])
    return np.concatenate(scores)


def probabilities(scores: Float[np.ndarray, " n"], temperature: float = 1.0) -> Float[np.ndarray, " n"]:
    """Softmax of log likelihoods over their list."""
    scaled = (scores - scores.max()) / temperature
    return np.exp(scaled) / np.exp(scaled).sum()


@nnx.jit
def _scores(model: FoundationModel, sample: Sample) -> Float[Array, " n"]:
    logits = jax.nn.log_softmax(model(sample).text_logits[:, :-1].astype(jnp.float32), axis=-1)
    chosen = jnp.take_along_axis(logits, sample.text_ids[:, 1:, None], axis=-1)[..., 0]
    return jnp.where(sample.loss_mask[:, 1:], chosen, 0.0).sum(-1)
