"""What a run leaves to read: metrics.jsonl (a row a step), TensorBoard, a progress bar.

Metrics stay on the devices until the next step has been started: logging never holds a step up.
"""

import contextlib
import json
import math
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tensorboardX import SummaryWriter
from tqdm import tqdm

from rsfm.data.writing.atomic import write_text
from rsfm.training.engine import to_floats
from rsfm.training.step import Metrics

Row = dict[str, float | int | None]


class RunLog:
    """Rows of one run. Only the first of several processes writes; the others take the same calls.

    Args:
        folder: the run folder.
        start: steps already done; rows after them are dropped, for they will be made again.
        steps: steps in all.
        primary: whether this process writes.

    Attributes:
        last: the newest row.
        skipped: steps left out so far, those of earlier processes included.
        steps, lost, lost_in_a_row: of this process: in all, left out, left out without a break up to now.
    """

    def __init__(self, folder: Path, *, start: int, steps: int, primary: bool = True) -> None:
        self._primary, self._clock = primary, time.perf_counter()
        self._pending: tuple[int, int, int, Metrics] | None = None
        self.last: Row = {}
        self.skipped = self.steps = self.lost = self.lost_in_a_row = 0
        if primary:
            for name in ("metrics.jsonl", "evaluation.jsonl"):
                keep_rows(folder / name, start)
            self._file = (folder / "metrics.jsonl").open("a", encoding="utf-8")
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1 if start else None)
        interval = 0.5 if sys.stderr.isatty() else 10.0
        self._bar = tqdm(
            total=steps, initial=start, unit="step", mininterval=interval, disable=not primary, dynamic_ncols=True
        )

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.flush()
        self._bar.close()
        if self._primary:
            with contextlib.suppress(OSError):  # on a full disk: the error that led here is the one to tell
                self._file.close()
            _close(self._board)

    def step(self, step: int, metrics: Metrics, *, samples: int, compiled: int) -> None:
        """Takes a step's metrics as they are, and writes those of the step before.

        Args:
            step: counted from 1.
            metrics: device values, possibly still being computed.
            samples: in the batch, over all hosts.
            compiled: executables of the step so far.
        """
        self.flush()
        self._pending = (step, samples, compiled, metrics)

    def flush(self) -> None:
        """Writes the row that waits."""
        if self._pending is None:
            return
        (step, samples, compiled, metrics), self._pending = self._pending, None
        values = to_floats(metrics)
        self._count(int(values.get("skipped", 0)))
        now = time.perf_counter()
        rate, self._clock = samples / (now - self._clock), now
        self.last = {"step": step, **tidy(values), "samples_per_second": round(rate, 3), "compiled": compiled}
        self._write(self.last, prefix="train")
        self._bar.set_postfix_str(
            f"loss {values['loss']:.4f}, lr {values['learning_rate']:.2e}, {rate:.1f} samples/s", refresh=False
        )
        self._bar.update()

    def _count(self, skipped: int) -> None:
        """Counts the steps of this process, and those without a finite loss or gradient, by the state's own number."""
        lost = skipped > self.skipped
        self.skipped, self.steps, self.lost = skipped, self.steps + 1, self.lost + lost
        self.lost_in_a_row = self.lost_in_a_row + 1 if lost else 0

    def evaluation(self, step: int, values: dict[str, float]) -> None:
        """A row of its own in evaluation.jsonl, after the step's."""
        self.flush()
        if self._primary:
            with (self._file_folder / "evaluation.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **tidy(values)}) + "\n")
            self._scalars(values, step, "validation")
        self.say(f"step {step}: validation " + ", ".join(f"{name} {value:.4f}" for name, value in values.items()))
        self._clock = time.perf_counter()

    def say(self, text: str) -> None:
        """A line above the progress bar."""
        if self._primary:
            tqdm.write(text, file=sys.stderr)

    @property
    def _file_folder(self) -> Path:
        return Path(self._file.name).parent

    def _write(self, row: Row, prefix: str) -> None:
        if not self._primary:
            return
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        self._scalars(row, int(row["step"] or 0), prefix)

    def _scalars(self, values: Any, step: int, prefix: str) -> None:
        for name, value in values.items():
            if name != "step" and value is not None:
                self._board.add_scalar(f"{prefix}/{name}", value, step)


def _close(board: SummaryWriter) -> None:
    try:
        board.close()
    except OSError:  # a full disk: what waits is lost, and must not be tried again when Python ends
        writer = board.file_writer.event_writer
        writer._closed = True
        writer._worker.stop()


def tidy(values: dict[str, float]) -> Row:
    """Heads without targets (NaN) leave no entry; a loss or gradient that is not finite is null: JSON has no NaN."""
    kept = {name: value for name, value in values.items() if not (math.isnan(value) and name.startswith("loss_"))}
    return {name: value if math.isfinite(value) else None for name, value in kept.items()}


def keep_rows(path: Path, steps: int) -> None:
    """Drops rows after `steps`, and a last line cut short by a crash."""
    rows = [row for row in read_rows(path) if int(row["step"]) <= steps]
    if path.exists():
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON lines file; a last line without its end is left out."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
