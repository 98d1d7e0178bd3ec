"""Settings of training: optimizer, mesh, what is saved when. JSON-able, every field can be set on the command line."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Attributes:
    weights: factor of the mean of each loss and of the model's aux terms, by name or ending ("balance" weighs "encoder_balance"
        too). A loss that is not named weighs 1; an aux term that is not named is logged and not trained on.
    """

    weights: dict[str, float] = dataclasses.field(default_factory=lambda: {"balance": 0.01, "z_loss": 0.001})


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW (arXiv:1711.05101) with a global-norm clip and a schedule of the learning rate.

    Attributes:
        learning_rate: the peak.
        schedule: a key of rsfm.training.optimizer.SCHEDULES: "cosine", "linear" or "constant", after the warm-up.
        warmup_steps: steps of linear rise from zero.
        final_fraction: share of the peak left at the last step of "cosine" and "linear".
        weight_decay: on matrices only; biases, norms and other vectors have none.
        clip_norm: gradients of a larger global norm are scaled down to it; 0 = never.
        rates: factor on the learning rate by part of the model, read in order: {"encoder": 0.1,
            "encoder.transformer.blocks[0:2]": 0.0, "decoder.embedding[9]": 1.0}; see rsfm.training.rates. Weights with
            factor 0 stay as they are and still have a gradient; to save that, see `TrainConfig.freeze`.
    """

    learning_rate: float = 3e-4
    schedule: str = "cosine"
    warmup_steps: int = 0
    final_fraction: float = 0.0
    weight_decay: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    clip_norm: float = 1.0
    rates: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """Low-rank adapters on linear layers (arXiv:2106.09685); all else is frozen unless `TrainConfig.freeze` opens it.

    Attributes:
        rank: columns of A and rows of B.
        alpha: the adapter's output is multiplied by alpha / rank; 0 = twice the rank.
        targets: names of linear layers, or their beginnings, with wildcards: "decoder", "*.attention.query".
        quantize: the adapted layers' own kernels in "int8" or "nf4" (QLoRA, arXiv:2305.14314); "" = as they are.
    """

    rank: int
    alpha: float = 0.0
    targets: tuple[str, ...] = ("encoder", "decoder")
    quantize: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained.

    Attributes:
        steps: optimizer steps in all; the schedule's length.
        stop_after: end after so many steps, with the schedule of all of them; 0 = never.
        seed: of the initial weights and the order of the data.
        optimizer: see OptimizerConfig.
        loss: how the losses are weighed.
        objectives: options of objectives by name; those of a source without options here learn by their defaults.
        accumulate: microbatches a step; the gradient equals the large batch's.
        freeze: patterns over parameter names ("decoder.*", "*.bias"); what they match gets no gradient and no moments.
            They are read in order, and one that begins with "!" opens again: ("*", "!decoder") trains the decoder alone.
        lora: train adapters in place of the weights; None = the weights themselves.
        average_decay: of the exponential moving average of the weights, used in evaluation; 0 = none.
        teacher_decay: of the exponential mean of the weights that objectives have as teacher; 1 = frozen as training starts,
            0 = no teacher.
        mesh: devices along (data, fsdp, tensor, expert); one of them may be -1, the rest of the devices.
        save_every: steps between checkpoints; 0 = only at the end and on SIGTERM.
        keep: newest checkpoints kept.
        eval_every: steps between evaluations on the validation sources; 0 = never.
        eval_batches: batches of an evaluation.
        eval_records: records that are asked and scored in an evaluation, where a score is watched.
        watch: what the validation is judged by: a score, "segmentation/miou", or "loss". The run's result is the state that is
            best by it, kept in best/; "" = the last state.
        patience: end after so many evaluations in a row without a better one; 0 = never.
    """

    steps: int = 1000
    stop_after: int = 0
    seed: int = 0
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    objectives: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    accumulate: int = 1
    freeze: tuple[str, ...] = ()
    lora: LoraConfig | None = None
    average_decay: float = 0.0
    teacher_decay: float = 0.0
    mesh: tuple[int, int, int, int] = (-1, 1, 1, 1)
    save_every: int = 1000
    keep: int = 2
    eval_every: int = 0
    eval_batches: int = 8
    eval_records: int = 64
    watch: str = ""
    patience: int = 0

    @property
    def last_step(self) -> int:
        """The step the run ends with."""
        return min(self.steps, self.stop_after or self.steps)
