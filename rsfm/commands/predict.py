"""`rsfm predict`: questions about the user's own scenes."""

import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from rsfm.errors import UserError, printable
from rsfm.types import Answer


def predict(
    scenes: tyro.conf.Positional[tuple[str, ...]],
    *,
    ask: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    form: str = "",
    max_new_tokens: int = 64,
    beams: int = 1,
    temperature: float = 0.0,
    seed: int | None = None,
    checkpoint: str = "nano",
    sensor: tuple[str, ...] = (),
    date: tuple[str, ...] = (),
    series: bool = False,
    gsd: float | None = None,
    unit: str | None = None,
    bands: tuple[str, ...] = (),
    wavelengths: Path | None = None,
    scale: float | None = None,
    offset: float | None = None,
    allow_vrt: bool = False,
    out: Path | None = None,
    overlap: float = 0.25,
    probability: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Asks questions of scenes of any size and prints the answers; --out keeps the maps.

    Several scenes of one sensor and one place are dates of a series, sorted by date; scenes of several sensors on one grid
    are read together.

    Example:
        rsfm predict scene.tif --sensor sentinel2_l2a --ask "Map the land cover: water, trees, crops." --out answer
        rsfm predict s2.tif s1.tif --sensor sentinel2_l2a sentinel1_rtc --ask "How many hectares of water are there?"
        rsfm predict june.tif july.tif --date 2024-06-03 2024-07-13 --ask "Map the land cover: water, trees, crops."
        rsfm predict photo.jpg --ask "What is this?" --json
        rsfm predict series.csv --checkpoint runs/severity/model --ask "What is the severity?" --out answers
        rsfm predict photo.jpg --ask "Is there water?" --form yes/no
        rsfm predict photo.jpg --ask "What scene is this?" --form "label: airport, harbour, forest"

    Args:
        scenes: image files (GeoTIFF, COG, JP2, PNG, JPEG, ENVI, .mat, .npy) or folders of one-band images; or a series of
            many places in one file (.csv, .parquet, .nc, .zarr), which is answered place by place.
        ask: a question; repeat it for more.
        form: what an answer in words may look like, held to token by token: number, integer, yes/no, box, boxes,
            "label: a, b" (one of them), "labels: a, b" (some of them), or "json: SCHEMA" with a JSON schema such as
            {"properties": {"scene": {"enum": ["airport", "forest"]}, "trees": {"type": "integer"}}}.
        max_new_tokens: longest answer in tokens.
        beams: texts that are written side by side, of which the likeliest is the answer.
        temperature: 0 takes the likeliest token, 1 draws as the model says, each time anew.
        seed: of the draws, to repeat them.
        checkpoint: name of a shipped checkpoint, or its folder.
        sensor: one name for all scenes or one a scene, or a .toml or .json file that describes your own; left out, it is
            told from the files.
        date: acquisition dates, one a scene, e.g. 2024-06-30; left out, they are told from the files' tags or names.
        series: the scenes are dates of one place though their files have no georeference that shows it.
        gsd: metres of a pixel's edge, of files without a georeference.
        unit: unit of the values where the files are already physical, e.g. reflectance or dB.
        bands: names of the files' layers in order, e.g. B02 B03 B04 B08; "skip" for one that is no band of the sensor.
        wavelengths: text, CSV or JSON file with each layer's wavelength (and width) in nm or um: any spectral cube is read.
        scale: physical = number * scale + offset, where files and products do not say so.
        offset: see scale.
        allow_vrt: read a VRT, too, if all it is made of lies in its own folder; other VRTs point at anything.
        out: folder for answer.json and, for a map, mask.tif (COG), mask.geojson and overlay.png.
        overlap: share of a window's edge that neighbouring windows have in common.
        probability: keep the class probabilities as probability.tif, too.
        as_json: print JSON only.
    """
    if not ask:
        raise UserError('No question. Give at least one, e.g. --ask "What is this?"')
    if max_new_tokens < 1:
        raise UserError(f"max_new_tokens {max_new_tokens}: expected 1 or more.")
    from rsfm.data.datasets.series import is_series

    if len(scenes) == 1 and is_series(Path(scenes[0])) and not (sensor or date or unit):
        from rsfm.commands.predict_series import predict_series

        places: dict[str, Any] = {"form": form, "max_new_tokens": max_new_tokens, "out": out, "as_json": as_json}
        predict_series(Path(scenes[0]), ask, checkpoint=checkpoint, **places)
        return
    from rsfm.answer.footprint import open_footprint

    how: dict[str, Any] = {"unit": unit, "bands": bands, "scale": scale, "offset": offset}
    how |= {"allow_vrt": allow_vrt, "series": series, "gsd_m": gsd}
    if wavelengths is not None:
        from rsfm.data.reading.wavelengths import read_wavelengths

        how["wavelengths_um"] = read_wavelengths(wavelengths)
    footprint = open_footprint(scenes, sensors=sensor, dates=date, **how)  # before jax: errors come at once
    from rsfm import pretrained
    from rsfm.answer.disk import check_disk
    from rsfm.answer.products import write_products
    from rsfm.commands.outputs import output_folder, print_json
    from rsfm.models.generate import Sampling
    from rsfm.text import forms
    from rsfm.text.questions import plain

    sampling = Sampling(temperature=temperature, seed=seed, beams=beams)
    if form:
        forms.form(form)  # a form that cannot be read is told before the weights are
    loaded = pretrained.load(checkpoint)
    options: dict[str, Any] = {"overlap": overlap, "probability": probability, "progress": True, "sampling": sampling}
    session = loaded.session(footprint, **options)
    if form:
        for question in ask:
            session.check_form(question, form)

    def answers() -> list[Answer]:
        return [session.ask(question, form=form, max_new_tokens=max_new_tokens) for question in ask]

    sensors = [scene.sensor.name for scene in footprint.scenes]
    about = {"scenes": list(scenes), "sensors": sensors, "checkpoint": checkpoint}
    if out is not None:
        check_disk(out, footprint, [session.asked(plain(question)) for question in ask], probability=probability)
    if out is None:
        found, names = answers(), []
    else:
        with output_folder(out) as folder:
            found = answers()
            names = write_products(folder, found, footprint, about=about)
    if as_json:
        print_json({**about, "answers": [answer.to_json() for answer in found]})
        return
    for answer in found:
        print(printable(answer_text(answer)))
    for note in dict.fromkeys(note for answer in found for note in answer.notes):
        print(printable(f"note: {note}"), file=sys.stderr)
    if out is not None:
        print(printable(f"wrote {', '.join(names)} to {out}"))


def answer_text(answer: Answer) -> str:
    """A question and its answer, for people."""
    lines = [answer.question, f"  {answer.text}"]
    for value in answer.values:
        if value.low is not None and value.high is not None:
            interval = f"90 % interval {value.low:.4g} to {value.high:.4g}"
            lines.append(f"  {value.name}: {value.value:.4g} {value.unit} ({interval})")
    return "\n".join(lines)
