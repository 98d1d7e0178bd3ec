"""What an objective is: a way to learn from a sample, as a sum of losses over what the sample teaches.

>>> terms = OBJECTIVES["dialogue"](Reading(model, sample), None, key)
"""

import dataclasses
from functools import cached_property
from typing import Any, ClassVar

from jaxtyping import Array

from rsfm.types import Predictions, Sample, Tokens, concatenate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """Attributes:
    losses: by name, the sum over its targets in this batch and how many targets there are.
    aux: scalars of the model itself, such as the balance of its routers.
    """

    losses: dict[str, tuple[Array, Array]]
    aux: dict[str, Array] = dataclasses.field(default_factory=dict)

    def joined(self, other: "Terms") -> "Terms":
        """The terms of two objectives of one sample; aux terms of the same name are those of one forward pass."""
        twice = sorted(self.losses.keys() & other.losses.keys())
        assert not twice, f"two objectives of one sample have a loss called {twice}"
        return Terms(losses=self.losses | other.losses, aux=self.aux | other.aux)


class Reading:
    """A model before a sample. Objectives of one sample share its forward passes, each made when it is first asked for.

    Args:
        model: the student, or a teacher.
        sample: a batch.
        device_axis: the mapped axis under `jax.pmap`, over which an objective may compare rows; None under jit.
    """

    def __init__(self, model: Any, sample: Sample, *, device_axis: str | None = None) -> None:
        self.model, self.sample, self.device_axis = model, sample, device_axis

    @cached_property
    def predictions(self) -> Predictions:
        """The whole forward pass."""
        return self.model(self.sample)

    @cached_property
    def tokens(self) -> Tokens:
        """Encoder tokens of all streams in a row. XLA makes one pass of this and of that in `predictions`."""
        tokens, _ = self.model.encode(self.sample.observations, self.sample.location_deg)
        return concatenate(list(tokens.values()))


class Objective:
    """One way to learn. A new one is a subclass in a file of its own and a line in OBJECTIVES.

    Attributes:
        config_type: dataclass of its options, set in `train.objectives` by the objective's name.
        labels: whether it learns from what a data set says of its records; else records without labels will do.
    """

    config_type: ClassVar[type]
    labels: ClassVar[bool] = True

    def __init__(self, config: Any) -> None:
        self.config = config

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """The losses of one batch.

        Args:
            student: the model that learns, and the sample.
            teacher: a second network of the same shapes before the same sample, where training has one.
            key: randomness of this step, the same on every host.
        """
        raise NotImplementedError
