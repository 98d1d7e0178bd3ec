"""`rsfm locate`: where on Earth a picture was taken, by GeoCLIP."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from jaxtyping import UInt8

from rsfm.answer.footprint import Footprint
from rsfm.commands.outputs import output_folder, print_json
from rsfm.errors import UserError
from rsfm.finite import to_text

LARGEST = 2048  # edge in pixels that a picture is shrunk to before CLIP's own resizing


def locate(
    scenes: tyro.conf.Positional[tuple[str, ...]],
    *,
    weights: Path | None = None,
    tower: str = "openai/clip-vit-large-patch14@32bd64288804d66eefd0ccbe215aa642df71cc41",
    top: int = 5,
    sensor: str | None = None,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Guesses where on Earth pictures were taken: GeoCLIP (arXiv:2309.16020) among the 100,000 places of its gallery.

    GeoCLIP learnt from photographs taken on the ground; on pictures from above it is a guess outside its training. Where
    a scene has a CRS, the distance of the first guess is told too, and over all such scenes the shares within 1, 25,
    200, 750 and 2,500 km.

    Two sets of weights are needed: GeoCLIP's, which tokenizers/geoclip/convert.py makes of the package geoclip, and the
    CLIP ViT-L/14 it stands on, from the Hugging Face hub or a folder.

    Example:
        rsfm locate photo.jpg
        rsfm locate *.tif --tower path/to/clip-vit-large-patch14 --weights tokenizers/geoclip --json

    Args:
        scenes: image files (PNG, JPEG, GeoTIFF, ...), each located on its own.
        weights: folder with GeoCLIP's model.safetensors and gallery.npy; tokenizers/geoclip by default.
        tower: CLIP as a folder or a hub id; owner/name@commit takes the same weights always, without it the commit is noted.
        top: places told for each picture, the likeliest first.
        sensor: of all scenes; left out, it is told from the files.
        out: folder for places.json and places.geojson.
        as_json: print JSON only.
    """
    if not scenes:
        raise UserError("No scene given. Name at least one image file.")
    if top < 1:
        raise UserError(f"top {top}: expected 1 or more.")
    from rsfm.answer.footprint import open_footprint

    opened = [open_footprint([scene], sensors=[sensor] if sensor else []) for scene in scenes]
    from rsfm.metrics.geolocation import within

    guess = Guesser(weights, tower)
    found = [guess(str(scene), footprint, top) for scene, footprint in zip(scenes, opened, strict=True)]
    told: dict[str, Any] = {"tower": guess.weights, "notes": list(guess.notes), "scenes": found}
    errors = np.array([entry["error_km"] for entry in found if "error_km" in entry])
    if len(errors):
        told["scores"] = {"n": len(errors), **within(errors)}
    if out is not None:
        with output_folder(out) as folder:
            (folder / "places.json").write_text(to_text(told) + "\n", encoding="utf-8")
            (folder / "places.geojson").write_text(to_text(features(found)) + "\n", encoding="utf-8")
    if as_json:
        print_json(told)
        return
    for line in [*(f"note: {note}" for note in guess.notes), *map(entry_text, found)]:
        print(line)
    if len(errors) > 1:
        print(", ".join(f"{name} {value:.4g}" for name, value in told["scores"].items()))
    if out is not None:
        print(f"wrote places.json, places.geojson to {out}")


class Guesser:
    """`guesser(name, footprint, top)`: the likeliest places of a picture; the gallery is embedded once.

    Attributes:
        weights: the tower's folder, or its hub id with the commit taken.
        notes: what was assumed of the tower.
    """

    def __init__(self, weights: Path | None, tower: str):
        from flax import nnx
        from transformers import CLIPImageProcessorPil

        from rsfm.data.root import REPOSITORY
        from rsfm.models.hf.vision_load import load_towers
        from rsfm.models.published.geoclip import Gallery, load_geoclip
        from rsfm.models.published.towers import Towers

        model, places = load_geoclip(REPOSITORY / "tokenizers" / "geoclip" if weights is None else weights)
        clip, report = load_towers(tower)
        self.weights, self.notes = report.where, report.notes
        width = model.config.picture_width
        if not isinstance(clip, Towers) or clip.config.picture.project != width:
            found = f"{clip.config.picture.project} wide" if isinstance(clip, Towers) else "a tower without sentences"
            raise UserError(f"{tower}: GeoCLIP reads CLIP features {width} wide, found {found}. Give ViT-L/14.")
        self.tower, self.gallery = clip.picture, Gallery(model, places, bar=True)
        size = clip.config.picture.size
        self.pixels = CLIPImageProcessorPil(
            size={"shortest_edge": size}, crop_size={"height": size, "width": size}, return_tensors="np"
        )
        self.read = nnx.jit(lambda tower, picture: tower(picture)[1])

    def __call__(self, name: str, footprint: Footprint, top: int) -> dict[str, Any]:
        from rsfm.metrics.geolocation import distance_km

        pixels = np.asarray(self.pixels(visible(footprint))["pixel_values"]).transpose(0, 2, 3, 1)
        (places,), (shares,) = self.gallery.locate(self.read(self.tower, pixels), count=top)
        pairs = zip(places.tolist(), shares.tolist(), strict=True)
        guesses = [{"longitude": x, "latitude": y, "share": share} for (x, y), share in pairs]
        entry: dict[str, Any] = {"scene": name, "places": guesses}
        truth = footprint.location((0, 0, footprint.height, footprint.width))
        if truth is not None:
            entry["true"] = {"longitude": truth[0], "latitude": truth[1]}
            entry["error_km"] = float(distance_km(places[0].astype(np.float64), np.array(truth)))
        return entry


def visible(footprint: Footprint) -> UInt8[np.ndarray, "h w 3"]:
    """The scene for the eye: an 8-bit picture as it is, anything else stretched."""
    from rsfm.data.writing.overlay import stretch
    from rsfm.data.writing.quicklook import quicklook
    from rsfm.sensors.display import is_picture

    rgb = quicklook(footprint.overview(LARGEST))
    shown = all(is_picture(scene.sensor) for scene in getattr(footprint, "scenes", ()))
    return np.nan_to_num(rgb * 255).round().clip(0, 255).astype(np.uint8) if shown else stretch(rgb)


def entry_text(entry: dict[str, Any]) -> str:
    """A scene and its places, for people."""
    lines = [entry["scene"]]
    for place in entry["places"]:
        lines.append(
            f"  latitude {place['latitude']:9.4f}  longitude {place['longitude']:9.4f}  share {place['share']:.4f}"
        )
    if "error_km" in entry:
        at = entry["true"]
        lines.append(
            f"  it is at {at['latitude']:.4f}, {at['longitude']:.4f}: {entry['error_km']:.1f} km from the first"
        )
    return "\n".join(lines)


def features(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The guesses as GeoJSON points."""
    points = []
    for entry in found:
        for rank, place in enumerate(entry["places"], start=1):
            geometry = {"type": "Point", "coordinates": [place["longitude"], place["latitude"]]}
            properties = {"scene": entry["scene"], "rank": rank, "share": place["share"]}
            points.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return {"type": "FeatureCollection", "features": points}
