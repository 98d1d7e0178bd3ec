"""The types that cross module borders: host side (records, numpy, physical units) and device side (four pytrees).

b batch · t acquisitions · h w pixels · c bands · n tokens · d width · s text length · v values · m masks
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from rsfm.pytree import brief, pytree_dataclass, static

# On the host numpy, on the device jax; a type checker cannot know which side of the border it is on.
if TYPE_CHECKING:
    Array = Any
else:
    Array = jax.Array | np.ndarray

OTHER = -2  # in the mask of a Region: labelled, but none of the classes asked for
PURE = "1"  # the unit of a number without one that is no count: an index, a share

# What a band without a wavelength of its own measures. 0 = told by its wavelength. Saved in checkpoints: append, never renumber.
BAND_CODES: dict[str, int] = {
    "": 0,
    "VV": 1,
    "VH": 2,
    "HH": 3,
    "HV": 4,
    "elevation": 5,
    "slope": 6,
    "temperature": 7,
    "precipitation": 8,
    "ndvi": 9,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Band:
    """One band of an instrument, as its maker publishes it.

    Attributes:
        name: the band's name in product files, e.g. "B08".
        center_um: centre wavelength in micrometres; for SAR the true carrier wavelength; 0 where the band has none.
        width_um: full width at half maximum in micrometres; 0 where the band has none.
        gsd_m: native ground sampling distance in metres.
        unit: physical unit of a Record's values: "reflectance", "dB", "K", "m", "degree", "display" (0..1 picture values), "1".
        code: a key of BAND_CODES; "" where the wavelength tells the band.
        aliases: other names that files and catalogues give it, e.g. "blue"; case, blanks and "_" do not matter.
    """

    name: str
    center_um: float = 0.0
    width_um: float = 0.0
    gsd_m: float
    unit: str = "reflectance"
    code: str = ""
    aliases: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaterOffset:
    """An offset that an instrument's products carry since some version of their processing only.

    Attributes:
        offset: physical = digital number * scale + offset for those that carry it.
        baseline: first processing baseline with it, 400 for 04.00.
        since: day of sensing, YYYY-MM-DD, before which only reprocessed products carry it.
    """

    offset: float
    baseline: int
    since: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Processing:
    """Another scale of an instrument's numbers, known by the product's name.

    Attributes:
        pattern: regular expression, searched in the product's name in upper case.
        scale, offset: physical = digital number * scale + offset.
        title: what it is, for the note.
    """

    pattern: str
    scale: float
    offset: float
    title: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sensor:
    """One instrument's product, as data. A model asks for wavelengths and codes, never for a sensor's name.

    Attributes:
        name: short name, the key in SENSORS.
        title: full name for people.
        family: "optical", "hyperspectral", "sar", "elevation", "weather" or "mixed" (a pixel table of several): decides
            which stream of a model reads it.
        bands: bands in product order.
        scale: physical = digital number * scale + offset, for the integer products as distributed.
        offset: see scale.
        source: where the band table was taken from.
        products: regular expressions that a product's file or folder name of this instrument matches, in upper case.
        assumed: kinds of numbers ("picture", "integer", "float") for which a file of as many unnamed bands is taken for
            this instrument.
        layouts: selections of bands in the order that files without band names usually have them.
        variants: where products name their bands differently: fragment of the product's name -> {name there: name here}.
        fill: stored integers that mean "nothing here" in the product family, whether or not a file declares them.
        later_offset: of products whose offset depends on their processing.
        processings: other scales, first match counts.
    """

    name: str
    title: str
    family: str
    bands: tuple[Band, ...]
    scale: float = 1.0
    offset: float = 0.0
    source: str
    products: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    layouts: tuple[tuple[str, ...], ...] = ()
    variants: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    fill: tuple[int, ...] = ()
    later_offset: LaterOffset | None = None
    processings: tuple[Processing, ...] = ()


def base_name(name: str) -> str:
    """What stands before the slash: several observations of one sensor, or of one stream, are "name" and "name/2"."""
    return name.partition("/")[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeoGrid:
    """A map grid. `transform` is the affine (a, b, c, d, e, f) of GDAL/rasterio order; `crs` is WKT or "EPSG:n", None if unknown."""

    crs: str | None
    transform: tuple[float, float, float, float, float, float]
    height: int
    width: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """The fixed shape one stream of a model has, whatever the instrument that feeds it.

    Attributes:
        families: sensor families read by this stream.
        size: window height and width in pixels (1 = a pixel time series).
        times: acquisitions; a Record with more is padded to the next power of two above.
        bands: bands, padded; a Record with more is an error.
        patch: token edge in pixels.
    """

    families: tuple[str, ...]
    size: int
    times: int = 1
    bands: int
    patch: int


@brief
@pytree_dataclass
class Observation:
    """One stream: one sensor over one footprint, t acquisitions. Physical units in a Record, normalized in a Sample."""

    values: Float[Array, "*b t h w c"]  # NaN: this band is missing at this valid pixel alone
    valid: Bool[Array, "*b t h w"]  # False: nodata, cloud, padding, missing date
    band_valid: Bool[Array, "*b t c"]  # False: band padded, dropped, or missing at that date
    wavelength_um: Float[Array, "*b c"]  # centre; 0 where the band has none
    bandwidth_um: Float[Array, "*b c"]
    band_code: Int[Array, "*b c"]  # BAND_CODES
    time_days: Float[Array, "*b t"]  # days since 2000-01-01 UTC
    gsd_m: Float[Array, "*b"]

    @property
    def cells(self) -> Bool[Array, "*b t h w c"]:
        """Which values were measured: pixel seen, band there at that date, and not missing at that pixel alone."""
        return self.valid[..., None] & self.band_valid[..., None, None, :] & ~(self.values != self.values)


@brief
@pytree_dataclass
class Sample:
    """What the model reads: normalized, of fixed shape, tokenized. A batch is a Sample with a leading axis.

    `targets` holds, by the name of the head, what the sample teaches it: "position" (v), the index into text_ids of each of its
    special tokens, -1 = an empty slot, and arrays of the head's own.
    """

    observations: dict[str, Observation]  # by stream; a second instrument of one stream is "optical/2"
    location_deg: Float[Array, "*b 2"]  # longitude, latitude; NaN where unknown
    text_ids: Int[Array, "*b s"]
    text_valid: Bool[Array, "*b s"]  # False: padding
    loss_mask: Bool[Array, "*b s"]  # True where text_ids[i] is to be predicted (from i - 1)
    targets: dict[str, dict[str, Array]]
    text_numbers: Float[Array, "*b s"] | None = None  # of the <value> tokens of questions, see rsfm.text.numeric
    text_images: Int[Array, "*b s"] | None = None  # image token that stands there, -1 = text: rsfm.text.mentions
    objectives: tuple[str, ...] = static(default=("dialogue",))  # keys of OBJECTIVES: what is learned from it


@brief
@pytree_dataclass
class Tokens:
    """Embeddings with what is needed to attend to them."""

    embeddings: Float[Array, "*b n d"]
    mask: Bool[Array, "*b n"]
    position: Float[Array, "*b n 3"]  # day (NaN: undated), metre south, metre east
    grid: tuple[int, int, int] | None = static(default=None)  # (t, rows, columns) with n = t * rows * columns, or None


def concatenate(parts: Sequence[Tokens]) -> Tokens:
    """Tokens of several streams in a row; the grid is lost."""
    return Tokens(
        embeddings=jnp.concatenate([p.embeddings for p in parts], axis=1),
        mask=jnp.concatenate([p.mask for p in parts], axis=1),
        position=jnp.concatenate([p.position for p in parts], axis=1),
    )


@pytree_dataclass
class Pixels:
    """Features of the pixels of a window, made by a neck for dense heads."""

    features: Float[Array, "*b h w k"]
    valid: Bool[Array, "*b h w"]  # False: nodata at all dates of all streams


@pytree_dataclass
class Memory:
    """What heads may look at: encoder tokens by stream with their dates, and pixels by the name of the neck that made them."""

    tokens: dict[str, Tokens]
    pixels: dict[str, Pixels]

    def all_tokens(self) -> Tokens:
        """The tokens of all streams in a row."""
        return concatenate(list(self.tokens.values()))


@pytree_dataclass
class Predictions:
    """What one forward pass gives.

    `outputs`: by the name of the head, a pytree of the head's own; `aux`: scalars such as router balance.
    """

    text_logits: Float[Array, "*b s vocab"]
    outputs: dict[str, Any]
    aux: dict[str, Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turn:
    """A question and the answers that count as right. Answers may hold `<value>` and `<mask>`."""

    question: str
    answers: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value:
    """A measured or predicted number with its unit; low and high bound the interval of a prediction (None in a label)."""

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None


@brief
@dataclasses.dataclass(frozen=True, kw_only=True)
class Boxes:
    """n oriented or upright boxes as four corners in pixels (x right, y down from the top-left corner of the picture)."""

    corners: Float[np.ndarray, "n 4 2"]
    labels: tuple[str, ...]
    scores: tuple[float, ...] | None = None  # 0..1 of predicted boxes, how sure each is; None of labels


@brief
@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """An image that a model makes: of another sensor, of another date, or without clouds. The target of one <image> token.

    Attributes:
        values: in `unit`; NaN without data.
        bands: names of the layers.
        unit: as of a Band.
        low, high: ends of the 90 % interval of each number; None where none was measured.
    """

    values: Float[np.ndarray, "h w c"]
    bands: tuple[str, ...]
    unit: str = "reflectance"
    low: Float[np.ndarray, "h w c"] | None = None
    high: Float[np.ndarray, "h w c"] | None = None


@brief
@dataclasses.dataclass(frozen=True, kw_only=True)
class Mask:
    """Class of each pixel: index into legend, -1 where unlabelled.

    Attributes:
        either: for weak labels of training: `class_index` len(legend) + i stands for one of the classes either[i], it is not
            known which. Maps of a data set and of an answer have none.
    """

    class_index: Int[np.ndarray, "h w"]
    legend: tuple[str, ...]
    either: tuple[tuple[int, ...], ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each legend entry in the whole picture, pixels without data or class included."""
        size = max(self.class_index.size, 1)  # class by class: a whole scene counted as int64 would take a gigabyte
        return tuple(np.count_nonzero(self.class_index == i) / size for i in range(len(self.legend)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Region:
    """The target of one <mask> token: class `index` of the legend of `mask`, which the tokens of one map share.

    In this mask `class_index` may be OTHER (-2): labelled but none of the classes asked for; so may the entries of `either`.
    """

    mask: Mask
    index: int

    @property
    def name(self) -> str:
        """The class in words."""
        return self.mask.legend[self.index]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapScale:
    """What the numbers of a map are.

    Attributes:
        name: of the quantity, as in "Map the canopy height.".
        unit: of the numbers; PURE where they have none.
        edges: rising, in `unit`: a map of the quantity is made of the classes between them.
    """

    name: str
    unit: str
    edges: tuple[float, ...]


@brief
@dataclasses.dataclass(frozen=True, kw_only=True)
class ValueMap(MapScale):
    """A number of each pixel: a label of pixel-wise regression.

    Attributes:
        values: in `unit`; NaN = unlabelled.
    """

    values: Float[np.ndarray, "h w"]

    @property
    def class_index(self) -> Int[np.ndarray, "h w"]:
        """The class of each pixel, -1 where unlabelled; what is beyond the outer edges is of the outer class."""
        index = np.searchsorted(np.asarray(self.edges[1:-1]), self.values, side="right")
        return np.where(np.isfinite(self.values), index, -1)


@brief
@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """One place with everything known about it: observations by sensor name, in physical units, and whatever labels there are.

    A second series of one sensor, as from another orbit, has a name after a slash: "sentinel1_rtc/descending".
    """

    id: str
    observations: dict[str, Observation]
    location_deg: tuple[float, float] | None = None  # longitude, latitude
    grid: GeoGrid | None = None
    scene: str | None = None  # one class for the whole picture
    tags: tuple[str, ...] = ()  # several classes for the whole picture
    captions: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    values: tuple[Value, ...] = ()
    boxes: Boxes | None = None
    mask: Mask | None = None
    value_map: ValueMap | None = None
    images: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


@brief
@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What a user gets back, in physical units and on the grid of the input.

    Attributes:
        parts: what heads make that has no attribute of its own, by kind: a key of HEADS.
    """

    question: str
    text: str
    values: tuple[Value, ...] = ()
    boxes: Boxes | None = None
    mask: Mask | None = None
    probability: Float[np.ndarray, "m h w"] | None = None  # of each legend entry
    value_map: Float[np.ndarray, "h w 3"] | None = None  # value and both ends of its 90 % interval; NaN without data
    image: Picture | None = None
    parts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    grid: GeoGrid | None = None
    notes: tuple[str, ...] = ()  # what the reader should know: no CRS, padded window, clipped interval
    confidence: float | None = None  # 0..1, how sure the answer is; None where nothing measures it
    declined: bool = False  # the text says why there is no answer

    def to_json(self) -> dict[str, Any]:
        """The JSON a program reads: text, values with interval and unit, class shares of the picture, notes; see
        `rsfm.answer.views.to_json`."""
        made: dict[str, Any] = _view("to_json")(self)
        return made

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draws map, boxes or numbers with matplotlib; see `rsfm.answer.views.plot`."""
        return _view("plot")(self, ax, **options)

    def to_xarray(self) -> Any:
        """The map as an xarray Dataset on its grid; see `rsfm.answer.views.to_xarray`."""
        return _view("to_xarray")(self)

    def to_geopandas(self) -> Any:
        """The map's polygons, or the boxes, as a GeoDataFrame; see `rsfm.answer.views.to_geopandas`."""
        return _view("to_geopandas")(self)

    def save(self, folder: Any) -> Any:
        """Writes answer.json and the map's files to a folder; see `rsfm.answer.views.save`."""
        return _view("save")(self, folder)

    def _repr_html_(self) -> str:
        return str(_view("html_of")(self))


def _view(name: str) -> Callable[..., Any]:
    """A function of rsfm.answer.views, which stands above these types and is imported when it is used."""
    function: Callable[..., Any] = getattr(importlib.import_module("rsfm.answer.views"), name)
    return function
