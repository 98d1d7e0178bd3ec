"""Draws a record with its labels: pictures by date, series as lines, tables, masks, maps of numbers, boxes, words.

t dates · h w pixels · c bands
"""

import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox

from rsfm.data.writing.palette import class_colours
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.display import colour_bands, is_picture
from rsfm.types import BAND_CODES, PURE, Band, Mask, Observation, Record, ValueMap

MOST_DATES, COLUMNS, PANEL = 6, 4, 3.4  # dates a stream or table, panels a row, inches a panel
MOST_ROWS = 24  # bands of a table
Range = tuple[float, float]
Picture = tuple[str, np.ndarray, Range | None]  # title, RGB, value range where it is grey
GAMMA = 0.75  # brightens the dark end of reflectance, where most land is
UNKNOWN = "date unknown"
INVALID = np.array([0.85, 0.85, 0.85])
UNLABELLED = (0.93, 0.93, 0.93)
BOX_COLOURS = ("#ffe119", "#00e5ff", "#ff4fd8", "#7cfc00", "#ff7f0e", "#ffffff")


def show(record: Record, path: Path | str) -> Path:
    """Writes the drawing of a record as a PNG and returns its path.

    >>> show(DATASETS["terramesh"](data_root(), "train")[0], "tile.png")
    """
    path = Path(path)
    figure = draw(record)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        FigureCanvasAgg(figure).print_png(path)
    except OSError as error:
        raise UserError(f"cannot write the drawing to {path}: {error}. Choose another place with --out.") from error
    return path


def draw(record: Record) -> Figure:
    """The drawing as a matplotlib figure."""
    panels = [panel for name, observation in record.observations.items() for panel in _panels(name, observation)]
    if record.mask is not None:
        panels += [("mask", (record.mask,)), ("legend", (record.mask,))]
    if record.value_map is not None:
        panels.append(("value map", (record.value_map,)))
    rows = max(1, -(-len(panels) // COLUMNS))
    columns = max(1, -(-len(panels) // rows))
    width = max(6.8, PANEL * _aspect(record) * columns + 0.4)
    words = _words(record, characters=int(12.5 * width))
    text_height = 0.19 * (words.count("\n") + 1) + 0.2
    height = (PANEL + 0.55) * rows + text_height
    figure = Figure(
        figsize=(width, height), dpi=110, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.06, rect=(0, 0, 1, 0.98))
    )
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[height - text_height, text_height])[:, 0]
    axes = np.atleast_1d(top.subplots(rows, columns)).ravel()
    for axis, (kind, content) in zip(axes, panels, strict=False):
        DRAW[kind](axis, *content)
    pictures = [axis for axis, (kind, _) in zip(axes, panels, strict=False) if kind == "picture"]
    if record.boxes is not None and pictures:
        _draw_boxes(pictures[0], record)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    bottom.text(0.015, 0.97, words, va="top", ha="left", fontsize=9.5)
    return figure


def _aspect(record: Record) -> float:
    """Width over height of a panel: that of the pictures, within reason."""
    shapes = [observation.values.shape for observation in record.observations.values()]
    _, h, w, _ = shapes[0] if shapes else (1, 1, 1, 1)
    return 1.7 if h == w == 1 else float(np.clip(w / h, 0.65, 2.0))


def _panels(name: str, observation: Observation) -> list[tuple[str, tuple]]:
    """What to draw of one stream: (kind, contents)."""
    t, h, w, c = observation.values.shape
    if h == w == 1:
        kind = "spectrum" if t == 1 and c > MOST_ROWS else "lines" if t > MOST_DATES else "table"
        return [("series" if c == 1 else kind, (name, observation))]
    if t <= MOST_DATES:
        dates = np.arange(t)
    else:  # the clearest, in order
        clear = np.argsort(-observation.valid.mean((1, 2)), kind="stable")[:MOST_DATES]
        dates = np.sort(clear)
    return [("picture", picture) for date in dates for picture in _pictures(name, observation, int(date))]


def _pictures(name: str, observation: Observation, date: int) -> list[Picture]:
    """(title, RGB picture, value range of a grey picture) of one date."""
    values, valid = np.asarray(observation.values[date]), np.asarray(observation.valid[date])
    when, dates = _date(float(observation.time_days[date])), len(observation.time_days)
    if dates > 1 and when == UNKNOWN:
        when = f"{date + 1} of {dates} · {when}"
    facts = when if valid.all() else f"{when} · {_share(~valid)} invalid"
    there = np.asarray(observation.band_valid[date])
    facts += "" if there.all() else f" · {there.sum()} of {len(there)} bands"
    gsd = f"{float(observation.gsd_m):.3g} m"
    rgb = colour_bands(np.where(there, observation.wavelength_um, np.inf))
    if rgb is not None:
        valid = valid & np.isfinite(values[..., rgb]).all(-1)
        display = name in SENSORS and is_picture(SENSORS[name])
        channels = [values[..., band] if display else _stretch(values[..., band], valid)[0] ** GAMMA for band in rgb]
        return [(f"{name} · {gsd}\n{facts}", _paint(np.stack(channels, -1), valid), None)]
    grey: list[Picture] = []
    names = _band_names(name, observation)
    for band in [i for i in range(len(names)) if there[i] or not there.any()][:2]:
        label = names[band]
        seen = valid & np.isfinite(values[..., band])
        scaled, low, high = _stretch(values[..., band], seen)
        title = label if label.startswith(name) else f"{name} {label}"
        grey.append((f"{title} · {gsd}\n{facts}", _paint(np.repeat(scaled[..., None], 3, -1), seen), (low, high)))
    return grey


def _band_names(name: str, observation: Observation) -> list[str]:
    """Names with units from the sensor's table, where a band is known by code and wavelength or the table has as many."""
    bands, codes = (SENSORS[name].bands if name in SENSORS else ()), observation.band_code
    if len(bands) == len(codes):
        return [_band_label(band) for band in bands]
    known = {(BAND_CODES[band.code], np.float32(band.center_um)): band for band in bands}
    keys = zip(map(int, codes), observation.wavelength_um, strict=True)
    return [_band_label(known[key]) if key in known else f"band {i + 1}" for i, key in enumerate(keys)]


def _band_label(band: Band) -> str:
    return band.name if band.unit in (PURE, "display") else f"{band.name} ({band.unit})"


def _stretch(values: Float[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"]) -> tuple[np.ndarray, float, float]:
    seen = values[valid] if valid.any() else np.zeros(1)
    low, high = np.percentile(seen, [0.5, 98])
    return np.clip((values - low) / max(high - low, 1e-6), 0, 1), float(low), float(high)


def _paint(rgb: Float[np.ndarray, "h w 3"], valid: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    return np.where(valid[..., None], rgb, INVALID)


def _share(chosen: Bool[np.ndarray, "h w"]) -> str:
    share = 100 * float(chosen.mean())
    return "<1 %" if 0 < share < 1 else f"{share:.0f} %"


def _date(days: float) -> str:
    return UNKNOWN if np.isnan(days) else str(np.datetime64("2000-01-01") + int(days))


def _draw_picture(
    axis: Axes, title: str, pixels: np.ndarray, bar: Range | None = None, cmap: str = "gray", unit: str = ""
) -> None:
    drawn = axis.imshow(pixels, interpolation="nearest")
    if bar is not None:
        drawn.set_cmap(cmap)
        drawn.set_clim(*bar)
        axis.figure.colorbar(drawn, ax=axis, shrink=0.75, pad=0.02, label=unit)
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def _draw_boxes(axis: Axes, record: Record) -> None:
    assert record.boxes is not None
    names = sorted(set(record.boxes.labels))
    colours = dict(zip(names, itertools.cycle(BOX_COLOURS), strict=False))
    height, width = next(iter(record.observations.values())).values.shape[1:3]
    for corners, label in zip(record.boxes.corners, record.boxes.labels, strict=True):
        ring = np.concatenate([corners, corners[:1]]) - 0.5
        axis.plot(ring[:, 0], ring[:, 1], color=colours[label], linewidth=1.1)
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)
    counts = [Patch(color=colours[name], label=f"{name} ({record.boxes.labels.count(name)})") for name in names]
    if counts:
        axis.legend(handles=counts, fontsize=8, loc="upper right", framealpha=0.85)


def _draw_mask(axis: Axes, mask: Mask) -> None:
    table = np.concatenate([_colours(mask.legend), [UNLABELLED]])  # -1 is the last row
    _draw_picture(axis, f"labels\n{len(mask.legend)} classes", table[mask.class_index])


def _draw_legend(axis: Axes, mask: Mask) -> None:
    colours = _colours(mask.legend)
    handles = [
        Patch(color=colours[i], label=f"{name}  {_share(mask.class_index == i)}")
        for i, name in enumerate(mask.legend)
        if (mask.class_index == i).any()
    ]
    if (mask.class_index < 0).any():
        handles.append(
            Patch(facecolor=UNLABELLED, edgecolor="#999999", label=f"unlabelled  {_share(mask.class_index < 0)}")
        )
    axis.legend(handles=handles, fontsize=9, loc="upper left", borderaxespad=0, frameon=False)
    axis.set_axis_off()


def _draw_value_map(axis: Axes, numbers: ValueMap) -> None:
    title = f"{numbers.name}\n{_share(np.isnan(numbers.values))} unlabelled"
    bar = numbers.edges[0], numbers.edges[-1]  # a number has one colour in all samples
    _draw_picture(axis, title, numbers.values, bar, "viridis", "" if numbers.unit == PURE else numbers.unit)
    axis.set_facecolor(UNLABELLED)  # seen through the holes


def _colours(legend: tuple[str, ...]) -> Float[np.ndarray, "m 3"]:
    return np.array(class_colours(legend), float).reshape(-1, 3) / 255


def _draw_series(axis: Axes, name: str, observation: Observation) -> None:
    days = observation.time_days
    seen = observation.cells[:, 0, 0, 0] & ~np.isnan(days)
    when = np.datetime64("2000-01-01") + np.nan_to_num(days).astype(int)
    axis.plot(when[seen], observation.values[seen, 0, 0, 0], "o-", color="#2e7d32", markersize=3.5, linewidth=1.2)
    axis.set_title(f"{name}: {int(seen.sum())} of {len(seen)} dates valid", fontsize=9)
    axis.set_ylabel(_band_names(name, observation)[0])
    axis.tick_params(axis="x", labelrotation=40, labelsize=8)
    axis.grid(alpha=0.3)


def _draw_lines(axis: Axes, name: str, observation: Observation) -> None:
    """Each band over time, those of one unit on one scale: the first unit's left, the second's right."""
    days, labels = observation.time_days, _band_names(name, observation)
    when = np.datetime64("2000-01-01") + np.nan_to_num(days).astype(int)
    units = list(dict.fromkeys(_unit(label) for label in labels))
    axes = dict(zip(units, [axis, *(axis.twinx() for _ in units[1:2])], strict=False))
    for k, label in enumerate(labels):
        seen = observation.valid[:, 0, 0] & observation.band_valid[:, k] & ~np.isnan(days)
        values, place = observation.values[seen, 0, 0, k], axes.get(_unit(label), axis)
        place.plot(when[seen], values, "o-", color=f"C{k % 10}", markersize=2.5, linewidth=1, label=label)
    for place in axes.values():
        place.legend(fontsize=6, loc="upper left" if place is axis else "upper right", framealpha=0.6)
    axis.set_title(f"{name}: {len(days)} dates", fontsize=9)
    axis.tick_params(axis="x", labelrotation=40, labelsize=8)
    axis.grid(alpha=0.3)


def _unit(label: str) -> str:
    return label.partition(" (")[2]


def _draw_spectrum(axis: Axes, name: str, observation: Observation) -> None:
    seen = observation.band_valid[0] & (observation.wavelength_um > 0)
    axis.plot(observation.wavelength_um[seen], observation.values[0, 0, 0, seen], color="#7b3f00", linewidth=1.2)
    axis.set_title(f"{name}: {int(seen.sum())} bands", fontsize=9)
    axis.set_xlabel("wavelength (um)", fontsize=8)
    axis.grid(alpha=0.3)


def _draw_table(axis: Axes, name: str, observation: Observation) -> None:
    values, seen = observation.values[:, 0, 0], observation.cells[:, 0, 0]
    cells = [
        [f"{v:.4g}" if ok else "–" for v, ok in zip(*row, strict=True)] for row in zip(values.T, seen.T, strict=True)
    ]
    table = axis.table(
        cellText=cells,
        rowLabels=_band_names(name, observation),
        colLabels=[_date(float(day)) for day in observation.time_days],
        cellLoc="right",
        bbox=Bbox.from_bounds(0.3, 0, 0.7, 1),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7.5)
    axis.set_title(name, fontsize=9)
    axis.set_axis_off()


DRAW: dict[str, Callable[..., None]] = {
    "picture": _draw_picture,
    "series": _draw_series,
    "table": _draw_table,
    "lines": _draw_lines,
    "spectrum": _draw_spectrum,
    "mask": _draw_mask,
    "legend": _draw_legend,
    "value map": _draw_value_map,
}


def _words(record: Record, characters: int) -> str:
    lines = [record.id]
    if record.location_deg is not None:
        lon, lat = record.location_deg
        lines[0] += f"   {abs(lat):.4f} {'N' if lat >= 0 else 'S'}, {abs(lon):.4f} {'E' if lon >= 0 else 'W'}"
    if record.grid is not None and record.grid.crs:
        lines[0] += f"   {record.grid.crs[:24]}"
    if record.scene:
        lines.append(f"scene: {record.scene}")
    if record.tags:
        lines.append(f"tags: {'; '.join(record.tags)}")
    lines += [f"{value.name}: {value.value:g} {value.unit}".rstrip() for value in record.values]
    lines += [f"“{caption}”" for caption in dict.fromkeys(record.captions)]
    lines += [f"Q: {turn.question}  A: {' | '.join(turn.answers)}" for turn in record.turns]
    return "\n".join(textwrap.fill(line, characters, subsequent_indent="    ") for line in lines)
