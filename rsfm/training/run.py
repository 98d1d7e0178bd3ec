"""The loop around the step: batches in; metrics, checkpoints and a trained state out; stops and goes on at any step.

It knows no experiment: any model and any batches will do.
"""

import contextlib
import dataclasses
import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

from rsfm.config import to_json
from rsfm.data.writing.atomic import write_json
from rsfm.errors import UserError
from rsfm.training.checkpoint import Checkpoints
from rsfm.training.config import TrainConfig
from rsfm.training.distributed import StopSignal
from rsfm.training.engine import Engine, JitEngine
from rsfm.training.log import RunLog, read_rows
from rsfm.training.state import Build, TrainState, trainable_table, whole_model
from rsfm.training.validation import BEST, Scores, Validation
from rsfm.types import Sample


@runtime_checkable
class Batches(Protocol):
    """An endless iterator of numpy Samples that knows its place."""

    def __iter__(self) -> Iterator[Sample]: ...

    def __next__(self) -> Sample: ...

    def get_state(self) -> Any: ...

    def set_state(self, state: Any) -> None: ...


LOST = 10  # so many steps in a row without a finite loss or gradient end a run
OpenBatches = Callable[[int, int], Batches]  # (host, hosts) -> this host's rows of every batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """What training gives back.

    Attributes:
        state: global arrays.
        signal: what stopped it before the last step (SIGTERM, SIGINT), the state saved; None for a run that ended.
        last: the last row of metrics.
        processor: the Processor the model was trained with; None from `run`.
    """

    state: TrainState
    signal: int | None
    last: dict[str, Any]
    processor: Any = None

    @property
    def exit_code(self) -> int:
        """0, or as shells say it 128 + signal: the run is not at its end and can be resumed."""
        return 0 if self.signal is None else 128 + self.signal

    @property
    def model(self) -> Any:
        """The model with its averaged weights where they are kept, whole on this host; all hosts must ask for it."""
        return whole_model(self.state)


def run(
    config: TrainConfig,
    build: Build,
    open_data: OpenBatches,
    folder: Path,
    *,
    config_json: Any = None,
    validation: OpenBatches | None = None,
    scores: Scores | None = None,
    higher: bool = False,
    initial: Callable[[TrainState], TrainState] = lambda state: state,
    engine: Callable[[TrainConfig, Build], Engine] = JitEngine,
) -> Trained:
    """Trains the model that `build` makes on the batches that `open_data` opens, from where `folder` was left.

    Args:
        config: of training.
        build: makes the model.
        open_data: opens the training batches.
        folder: the run folder; nothing is written until model and data stand.
        config_json: for config.json; the training config if not given.
        validation: opens the held-out batches.
        scores: of the tasks on held-out data, of a state.
        higher: whether a larger number of `config.watch` is better.
        initial: puts other weights than those of `build` into the state of a new run.
        engine: what runs the step.
    """
    runner = engine(config, build)
    batches = open_data(*runner.host)
    held_out = validation(*runner.host) if validation and config.eval_every else None
    with run_folder(folder), Checkpoints(folder / "checkpoints", keep=config.keep) as checkpoints:
        state = begin(runner, checkpoints, batches, initial)
        start = int(state.step)
        primary = jax.process_index() == 0
        if primary:
            write_json(folder / "config.json", to_json(config) if config_json is None else config_json)
            write_json(folder / "trainable.json", trainable_table(state))
        with RunLog(folder, start=start, steps=config.last_step, primary=primary) as log, StopSignal() as stop:
            for note in checkpoints.notes:
                log.say(note)
            log.say(
                f"{folder.name}: step {start} of {config.last_step}, {describe(state)}, {jax.device_count()} devices"
            )
            log.skipped = int(state.skipped)
            looked = None
            if held_out is not None:
                looked = Validation(config, runner, held_out, folder, scores=scores, higher_is_better=higher)
            state = learn(
                config,
                runner,
                runner.adopt(state),
                range(start, config.last_step),
                batches,
                looked,
                checkpoints,
                log,
                stop,
            )
            early = stop.told if int(runner.release(state).step) < config.last_step else None
            log.flush()
            check_learning(log, folder, whole=True)
            whole = runner.release(state)
            if looked is not None:
                if early is None and config.watch:
                    whole = looked.best(whole)
                    log.say(f"the best by {config.watch} is step {looked.best_step}, kept in {folder / BEST}")
                looked.close()
        return Trained(state=whole, signal=early, last=log.last)


def begin(
    engine: Engine, checkpoints: Checkpoints, batches: Batches, initial: Callable[[TrainState], TrainState]
) -> TrainState:
    """The newest checkpoint's state with `batches` moved to its place, else a new state with the initial weights."""
    if checkpoints.latest is not None:
        state, position = checkpoints.restore(engine.abstract())
        batches.set_state(position)
        return state
    return initial(engine.create())


def learn(
    config: TrainConfig,
    engine: Engine,
    state: TrainState,
    steps: range,
    batches: Batches,
    validation: Validation | None,
    checkpoints: Checkpoints,
    log: RunLog,
    stop: StopSignal,
) -> TrainState:
    """The steps themselves, up to the last, to a signal or until no more is learned; a checkpoint of the state is on its way
    when it returns."""
    for done in steps:
        if validation is not None and validation.over:
            log.say(f"step {done}: no better {config.watch} in {config.patience} evaluations: ended")
            if checkpoints.latest != done:
                checkpoints.save(done, engine.release(state), batches.get_state())
            break
        step = done + 1
        state = one_step(engine, state, step, batches, log)
        check_learning(log, checkpoints.folder.parent)
        if validation is not None:
            validation.at(step, state, log)
        told = stop.reached(step)
        if told or step == config.last_step or (config.save_every and step % config.save_every == 0):
            checkpoints.save(step, engine.release(state), batches.get_state())
        if told and step < config.last_step:
            log.flush()
            log.say(f"told to stop: saved step {step}; go on with --resume")
            break
    return state


def one_step(engine: Engine, state: TrainState, step: int, batches: Batches, log: RunLog) -> TrainState:
    """Reads a batch and starts the step on it. A new structure of batch compiles here, and the log says so."""
    batch = next(batches)
    compiled, clock = engine.compiled, time.perf_counter()
    state, metrics = engine.step(state, batch)
    samples = batch.text_ids.shape[0] * engine.host[1]
    if engine.compiled > compiled:
        streams, seconds = ", ".join(sorted(batch.observations)), time.perf_counter() - clock
        log.say(
            f"step {step}: compiled for streams {streams}, batch {samples}, in {seconds:.1f} s "
            f"({engine.compiled} structures)"
        )
    log.step(step, metrics, samples=samples, compiled=engine.compiled)
    return state


def check_learning(log: RunLog, folder: Path, *, whole: bool = False) -> None:
    """Ends a run that learns nothing: too many steps in a row, or at its end most of all, without a finite loss.

    Raises:
        UserError: on all hosts at the same step.
    """
    if log.lost_in_a_row < LOST and not (whole and 2 * log.lost > log.steps):
        return
    raise UserError(
        f"{folder}: {log.lost} of {log.steps} steps were left out since loss or gradient was not finite: nothing is learned. "
        "Look for labels and values that are no numbers, or lower --learning-rate; the last checkpoint stands."
    )


@contextlib.contextmanager
def run_folder(folder: Path) -> Iterator[None]:
    """Makes the run folder. On an error before the first row of metrics it is taken away again, if it was made here.

    Raises:
        UserError: the folder cannot be made or written to, or the disk is full.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        yield
    except BaseException as error:
        if folder in missing and not read_rows(folder / "metrics.jsonl"):
            shutil.rmtree(folder, ignore_errors=True)
            for each in missing[1:]:
                with contextlib.suppress(OSError):
                    each.rmdir()
        if isinstance(error, OSError) and _is_of(error, folder):
            raise UserError(
                f"{folder}: cannot write the run ({error.strerror or error}). Give --out a folder you may write, with "
                "space left; --resume goes on from the last checkpoint."
            ) from error
        raise


def _is_of(error: OSError, folder: Path) -> bool:
    """Whether an error is of writing here, not of reading a picture elsewhere. A full disk names no file."""
    if error.filename is None:
        return not isinstance(error, BrokenPipeError)
    place, folder = Path(str(error.filename)).absolute(), folder.absolute()
    return place.is_relative_to(folder) or folder.is_relative_to(place)


def describe(state: TrainState) -> str:
    """ "1,234 parameters train, 0 are frozen"."""
    table = trainable_table(state)
    return f"{table['trainable_parameters']:,} parameters train, {table['frozen_parameters']:,} are frozen"
