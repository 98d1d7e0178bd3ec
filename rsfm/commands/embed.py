"""`rsfm embed`: the encoder's features of scenes, as a map of vectors or as a table of pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import tyro

from rsfm.errors import UserError

MAPS, TABLES = (".tif", ".tiff"), (".parquet",)


def embed(
    scenes: tyro.conf.Positional[tuple[str, ...]],
    *,
    out: Path | None = None,
    checkpoint: str = "nano",
    sensor: str | None = None,
    unit: str | None = None,
    bands: tuple[str, ...] = (),
    gsd_m: float | None = None,
    series: bool = False,
    text: str = "",
) -> None:
    """Writes what the encoder makes of scenes: a vector of each place, or one of each picture.

    A .tif is a map of one scene on its ground, a pixel a patch of the model and a band a feature; a picture of its three main
    directions lies beside it (.png). A .parquet is a table, a row a picture with its footprint (GeoParquet).

    Search and clusters are three lines in Python:
        table = geopandas.read_parquet("emb.parquet"); vectors = numpy.stack(table["embedding"])
        nearest = sklearn.neighbors.NearestNeighbors(metric="cosine").fit(vectors).kneighbors(vectors[:1])
        table["cluster"] = sklearn.cluster.KMeans(8).fit_predict(vectors)

    Example:
        rsfm embed scene.tif --sensor sentinel2_l2a --out emb.tif
        rsfm embed a.jpg b.jpg --out emb.parquet

    Args:
        scenes: files; for a map dates or sensors of one place, for a table a picture each.
        out: emb.tif or emb.parquet.
        checkpoint: name of a shipped checkpoint, or its folder.
        sensor: a key of SENSORS or a .toml of your own; told from the files where they say it.
        unit: of the files' numbers where that is not plain.
        bands: names of a file's layers in order.
        gsd_m: metres of a pixel's edge, of pictures without a georeference.
        series: the files are dates of one place though no georeference shows it.
        text: list the pictures by how well they fit these words, in place of writing; needs a checkpoint that was trained on
            pictures with words (a contrastive head).
    """
    from rsfm.data.addresses import check_local

    if not scenes:
        raise UserError("No scene given. Name at least one image file.")
    if (out is None) == (not text):
        raise UserError("Expected one of --out emb.tif, --out emb.parquet and --text WORDS.")
    if out is not None:
        check_local(out)
        if out.suffix.lower() not in (*MAPS, *TABLES):
            raise UserError(f"--out {out}: expected a name that ends in .tif (a map) or .parquet (a table).")
    from rsfm.pretrained import load_foundation

    how: dict[str, Any] = {"sensor": sensor, "unit": unit, "bands": bands, "gsd_m": gsd_m, "series": series}
    loaded = load_foundation(checkpoint)
    if text:
        print(*fitting(loaded, scenes, how, text), sep="\n")
    elif out is not None and out.suffix.lower() in MAPS:
        write_map(loaded, scenes, how, out)
    elif out is not None:
        write_table(loaded, scenes, how, out)


def write_map(loaded: Any, scenes: tuple[str, ...], how: dict[str, Any], out: Path) -> None:
    """Writes the features of one scene, and a picture of them."""
    from rsfm.answer.components import write_components
    from rsfm.answer.embedding import strips
    from rsfm.answer.footprint import open_source
    from rsfm.data.writing.rasters import write_strips

    places, rows = strips(loaded.model, loaded.processor, open_source(list(scenes), **how))
    names = [f"feature {i}" for i in range(places.width)]
    write_strips(out, (places.rows, places.columns), places.grid, names, rows)
    picture = write_components(out, out.with_suffix(".png"))
    print(
        f"{places.rows} x {places.columns} places of {places.patch} pixels, {places.width} features: {out}, {picture}"
    )


def write_table(loaded: Any, scenes: tuple[str, ...], how: dict[str, Any], out: Path) -> None:
    """Writes a vector of each picture, with its footprint in longitude and latitude."""
    import shapely

    from rsfm.answer.embedding import picture_vector
    from rsfm.answer.footprint import open_source
    from rsfm.answer.views import library
    from rsfm.data.reading.grids import outline
    from rsfm.data.writing.atomic import written_whole

    geopandas = library("geopandas")
    rows, shapes = [], []
    for scene in scenes:
        footprint = open_source([scene], **how)
        vector = picture_vector(loaded.model, loaded.processor, footprint)
        corners = None if footprint.grid is None else outline(footprint.grid)
        rows.append({"picture": str(scene), "embedding": vector.astype(np.float32)})
        shapes.append(None if corners is None else shapely.Polygon(corners))
    table = geopandas.GeoDataFrame(rows, geometry=shapes, crs="EPSG:4326")
    with written_whole(out) as folder:
        table.to_parquet(folder / out.name)
    print(f"{len(rows)} pictures, {len(rows[0]['embedding'])} features: {out}")


def fitting(loaded: Any, scenes: tuple[str, ...], how: dict[str, Any], text: str) -> list[str]:
    """The pictures, best first, with their similarity to the words."""
    from rsfm.answer.footprint import open_source
    from rsfm.answer.retrieval import Retriever

    retriever = Retriever(model=loaded.model, processor=loaded.processor)
    streams = loaded.processor.config.streams.values()
    largest = max(stream.size for stream in streams)
    records = [open_source([scene], **how).overview(largest) for scene in scenes]
    likeness = retriever.pictures(records) @ retriever.texts([text])[0]
    return [f"{likeness[i]:.3f}  {scenes[i]}" for i in np.argsort(-likeness)]
