"""Learning from conversations: the words of the answers, and what each head makes at its special tokens.   b batch · s text"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from rsfm.nn.losses.masked import token_cross_entropy
from rsfm.objectives.base import Objective, Reading, Terms
from rsfm.types import Sample


@dataclasses.dataclass(frozen=True, kw_only=True)
class DialogueConfig:
    """Learning from conversations has no options of its own; those of a head's loss are the head's."""


class Dialogue(Objective):
    """Cross entropy of the answers' tokens, called "text", beside the loss of every head the sample has targets for."""

    config_type = DialogueConfig

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """Losses by the name of the head; a term of its own stands behind it, as in "boxes_size"."""
        sample, predictions = student.sample, student.predictions
        losses = {"text": text_loss(predictions.text_logits, sample)}
        for name, targets in sample.targets.items():
            for term, (total, units) in student.model.heads[name].loss(predictions.outputs[name], targets).items():
                losses[f"{name}_{term}" if term else name] = (total, units)
        return Terms(losses=losses, aux=predictions.aux)


def text_loss(logits: Float[Array, "b s v"], sample: Sample) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Sum and count of the cross entropies of the tokens to be learned; the first token of a text never is."""
    learned = jnp.asarray(sample.loss_mask)[:, 1:]
    units = learned.sum(dtype=jnp.float32)
    # The token at i is told by what is known at i - 1.
    return token_cross_entropy(jnp.asarray(logits)[:, :-1], jnp.asarray(sample.text_ids)[:, 1:], learned) * units, units
