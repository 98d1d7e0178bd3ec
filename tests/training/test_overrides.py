"""Words of the command line over nested configs."""

import dataclasses

import pytest

from rsfm.errors import UserError
from rsfm.training.config import TrainConfig
from rsfm.training.overrides import apply_overrides, pairs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    size: int = 1
    label: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    name: str = "a"
    flag: bool = False
    parts: tuple[Part, ...] = (Part(), Part(size=2))
    table: dict[str, Part] = dataclasses.field(default_factory=lambda: {"x": Part()})
    part: Part | None = None
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)


@pytest.mark.parametrize(
    ("words", "read", "expected"),
    [
        (["--train.steps", "20"], lambda c: c.train.steps, 20),
        (["--train.optimizer.learning_rate=1e-3"], lambda c: c.train.optimizer.learning_rate, 1e-3),
        (["--train.optimizer.learning-rate", "1"], lambda c: c.train.optimizer.learning_rate, 1.0),
        (["--train.mesh", "-1,2,1,1"], lambda c: c.train.mesh, (-1, 2, 1, 1)),
        (["--train.mesh=[1, 2, 2, 2]"], lambda c: c.train.mesh, (1, 2, 2, 2)),
        (["--train.freeze", "decoder.*,*.bias"], lambda c: c.train.freeze, ("decoder.*", "*.bias")),
        (["--train.loss.weights.balance", "0.5"], lambda c: c.train.loss.weights["balance"], 0.5),
        (["--parts.1.size", "7"], lambda c: c.parts, (Part(), Part(size=7))),
        (["--table.x.label", "12"], lambda c: c.table["x"].label, "12"),
        (["--parts.0.label", "null"], lambda c: c.parts[0].label, None),
        (["--flag"], lambda c: c.flag, True),
        (["--flag=false", "--name", "true"], lambda c: (c.flag, c.name), (False, "true")),
    ],
)
def test_sets(words: list[str], read, expected) -> None:
    assert read(apply_overrides(Whole(), words)) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train.step", "20"], "--train.step: Unknown field 'step'. Did you mean 'steps'"),
        (["--tran.steps", "20"], "Did you mean 'train'"),
        (["--train.loss.weights.balanec", "1"], "Did you mean 'balance'"),
        (["--train.steps", "many"], "--train.steps: expected int, found 'many'"),
        (["--train.steps", "2.5"], "train.steps: expected int, found 2.5"),
        (["--train.mesh", "1,2"], "train.mesh: expected 4 values, found 2"),
        (["--train.steps.more", "1"], "'steps' has no fields"),
        (["--parts.2.size", "1"], "expected a number below 2"),
        (["train.steps", "1"], "Unexpected argument 'train.steps'"),
        (["--part.size", "1"], "'part' has no fields"),
    ],
)
def test_errors_say_what_was_meant(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        apply_overrides(Whole(), words)
    assert message in str(error.value)


def test_a_flag_before_another_is_true() -> None:
    assert pairs(["--resume", "--out", "x"]) == [("resume", "true"), ("out", "x")]
