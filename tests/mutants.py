"""Faults put in on purpose: each must turn its tests red, or nothing holds what it breaks.

    python tests/mutants.py            (all: ten minutes of one core; exit 0 when every mutant is caught)
    python tests/mutants.py carrier    (those whose name holds a word)

Each is applied to a copy of the package in a scratch folder; the repository is not touched.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mutant:
    """Attributes:
    name: what is wrong, in words.
    file: of the package.
    old: the code that is replaced, once.
    new: what stands there instead.
    tests: what must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str


BOXES = "tests/heads/box"
SENSITIVITY = "tests/models/test_sensitivity.py"
MUTANTS = (
    Mutant(
        name="a part of a thing at a window's edge stays beside the whole",
        file="rsfm/heads/box/scene.py",
        old="stay = suppressed(corners, scores, cut=cut)",
        new="stay = suppressed(corners, scores)",
        tests=f"{BOXES}/test_box_scenes.py::test_a_box_on_a_seam_is_found_once_and_whole",
    ),
    Mutant(
        name="boxes where there is no data",
        file="rsfm/heads/box/head.py",
        old="jnp.where(valid[:, None], raw[..., 0] - RARE - self._shift, -jnp.inf)",
        new="raw[..., 0] - RARE - self._shift",
        tests=f"{BOXES}/test_box_head.py::test_pixels_without_data_make_no_box_and_change_none",
    ),
    Mutant(
        name="the class asked for is not read",
        file="rsfm/heads/box/head.py",
        old="read = self.embed(spans.hidden)",
        new="read = self.embed(0 * spans.hidden)",
        tests=f"{BOXES}/test_box_head.py::test_words_decide_what_is_looked_for",
    ),
    Mutant(
        name="columns read the row's metres",
        file="rsfm/tokenizers/positions.py",
        old="jnp.broadcast_to(east[:, None, None, :], shape)",
        new="jnp.broadcast_to(south[:, None, :, None], shape)",
        tests=f"{SENSITIVITY}::test_positions_are_days_and_metres_south_and_east",
    ),
    Mutant(
        name="the radar's carrier is dropped",
        file="rsfm/tokenizers/sar.py",
        old="known = (carrier_um > 0)[..., None]",
        new="known = (carrier_um < 0)[..., None]",
        tests=f"{SENSITIVITY}::test_carrier_and_polarization_of_a_radar_matter",
    ),
    Mutant(
        name="the place is constant",
        file="rsfm/tokenizers/positions.py",
        old="jnp.deg2rad(jnp.where(known, location_deg, 0.0))",
        new="jnp.deg2rad(jnp.where(known, 0.0 * location_deg, 0.0))",
        tests=f"{SENSITIVITY}::test_the_place_matters",
    ),
    Mutant(
        name="days are not counted",
        file="rsfm/nn/rope.py",
        old="return jnp.where(jnp.isfinite(day), day - jnp.where(jnp.isfinite(first), first, 0.0), 0.0)",
        new="return 0.0 * jnp.where(jnp.isfinite(day), day - jnp.where(jnp.isfinite(first), first, 0.0), 0.0)",
        tests=f"{SENSITIVITY}::test_a_token_without_a_date_turns_no_other",
    ),
    Mutant(
        name="an undated token stands at day 0",
        file="rsfm/nn/rope.py",
        old="first = jnp.min(jnp.where(seen & jnp.isfinite(day), day, jnp.inf), axis=1, keepdims=True)",
        new="day = jnp.nan_to_num(day)\n    first = jnp.min(jnp.where(seen, day, jnp.inf), axis=1, keepdims=True)",
        tests=f"{SENSITIVITY}::test_a_token_without_a_date_turns_no_other",
    ),
    Mutant(
        name="undated pictures have no order",
        file="rsfm/tokenizers/positions.py",
        old="index / 10)",
        new="0 * index)",
        tests=f"{SENSITIVITY}::test_the_order_of_undated_pictures_matters",
    ),
    Mutant(
        name="the season is dropped",
        file="rsfm/tokenizers/positions.py",
        old="*(jnp.where(known, wave, 0.0) for wave in season)",
        new="*(jnp.where(known, 0.0, 0.0 * wave) for wave in season)",
        tests=f"{SENSITIVITY}::test_the_season_turns_with_the_year",
    ),
    Mutant(
        name="a budget cuts the last stream",
        file="rsfm/models/encoder.py",
        old="order = jnp.argsort(jnp.where(tokens.mask, rank, np.uint32(2**32 - 1)), axis=1, stable=True)",
        new="order = jnp.argsort(~tokens.mask, axis=1, stable=True)",
        tests=f"{SENSITIVITY}::test_a_budget_is_shared_by_the_streams",
    ),
    Mutant(
        name="a second instrument of a stream is lost",
        file="rsfm/processor/interleave.py",
        old='slots[stream if number == 1 else f"{stream}/{number}"] = (name, each)',
        new="slots[stream] = (name, each)",
        tests="tests/test_processor.py::test_every_instrument_of_a_stream_has_a_slot_of_its_own",
    ),
    Mutant(
        name="a missing stream counts as seen",
        file="rsfm/data/training/collate.py",
        old="blank = jax.tree.map(lambda leaf: np.zeros(np.shape(leaf), np.asarray(leaf).dtype), like)\n        undated",
        new="blank = like\n        undated",
        tests="tests/data/training/test_collate.py::test_missing_streams_and_dates_are_not_valid",
    ),
    Mutant(
        name="the teacher stands still",
        file="rsfm/training/step.py",
        old="_moved(state.teacher, params, config.teacher_decay)",
        new="state.teacher",
        tests="tests/training/test_teacher.py::test_a_teacher_starts_as_the_student_and_is_frozen_or_follows",
    ),
    Mutant(
        name="a rate for one row is one for all",
        file="rsfm/training/rates.py",
        old="column[start:stop] = factor",
        new="column[:] = factor",
        tests="tests/training/test_rates.py::test_rows_and_layers_without_a_rate_stay_bit_for_bit",
    ),
    Mutant(
        name="hidden pixels are seen",
        file="rsfm/objectives/hiding.py",
        old="valid=observation.valid & ~hidden",
        new="valid=observation.valid",
        tests="tests/objectives/test_masked.py::test_what_is_hidden_is_not_valid",
    ),
    Mutant(
        name="a loss of two parts is a mean of means",
        file="rsfm/heads/value/head.py",
        old='return {"": (mean * units, units)}',
        new='return {"": (mean, jnp.ones(()))}',
        tests="tests/objectives/test_dialogue.py::test_parts_add_up_to_the_whole",
    ),
)


def caught(mutant: Mutant, folder: Path) -> bool:
    """Whether the mutant's tests fail on a copy of the repository that has it."""
    path = folder / mutant.file
    before = path.read_text(encoding="utf-8")
    assert before.count(mutant.old) == 1, (
        f"{mutant.name}: {mutant.file} holds its code {before.count(mutant.old)} times"
    )
    path.write_text(before.replace(mutant.old, mutant.new), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests.split()]
    environment = {**os.environ, "PYTHONPATH": str(folder), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    path.write_text(before, encoding="utf-8")
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    return done.returncode == 1


def main() -> int:
    """Runs the mutants whose name holds the word given, all without one."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    alive = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "copy"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "demo", "__pycache__"))
        for mutant in (each for each in MUTANTS if word in each.name):
            dead = caught(mutant, folder)
            print(f"{'caught' if dead else 'ALIVE '}  {mutant.name}  ({mutant.file})", flush=True)
            alive += [] if dead else [mutant.name]
    return len(alive)


if __name__ == "__main__":
    sys.exit(main())
