"""Where on Earth a map grid lies and how much ground its pixels cover, through PROJ: any projection, unit and latitude.

n points · h w pixels · r s nodes of a mesh

Areas are taken on the ellipsoid under the projection's own longitudes and latitudes, so that no change of datum moves one
corner of a pixel against another: a pixel's corners become points in space, half the cross product of the diagonals is its
area. That has no seam at a pole or a meridian, and is right to 1e-5 for pixels of a degree.
"""

import dataclasses
import functools
import math
import warnings

import numpy as np
import pyproj
from jaxtyping import Float
from pyproj.enums import TransformDirection
from pyproj.exceptions import ProjError

from rsfm.types import GeoGrid

WGS84 = pyproj.Geod(ellps="WGS84")
LONGITUDE_LATITUDE = "OGC:CRS84"  # WGS 84 in degrees, longitude first
EARTH_M = (6.3e6, 6.4e6)  # major half axes of every figure of the Earth in use; Venus has 6.05e6
MOST_TURNED_DEG = 540.0  # 0..360 and a scene across its seam; what is further is no longitude
CLOSE = 4e-3  # share by which a mesh may differ from one of half its step, whose own error is a quarter of that
MOST_STEPS = 128  # of a mesh along one axis
_CORNERS = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))  # around a pixel's centre, in turn


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Surface:
    """A horizontal CRS and the way to longitude and latitude on its own ellipsoid.

    Attributes:
        to_base: to the geographic CRS below; None where the CRS is that itself.
        radian: radians of one unit of the geographic CRS.
        turn: what a full turn adds to x where the projection is a cylinder; 0 elsewhere.
        body: the ellipsoid: WGS 84 on the Earth, whose projections may use a sphere but whose latitudes are geodetic.
        on_earth: whether it is the Earth.
    """

    to_base: pyproj.Transformer | None
    radian: float
    turn: float
    body: pyproj.Geod
    on_earth: bool

    def radians(
        self, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], pixel: float
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Longitude and latitude, NaN for points that are on no place of the body; latitudes past a pole are the pole."""
        if self.to_base is None:
            longitude, latitude = x * self.radian, np.clip(y * self.radian, -math.pi / 2, math.pi / 2)
            there = np.abs(longitude) <= math.radians(MOST_TURNED_DEG)
        else:
            longitude, latitude = self.to_base.transform(x, y)
            there = self._returns(x, y, longitude, latitude, pixel)
            longitude, latitude = longitude * self.radian, latitude * self.radian
        return np.where(there, longitude, np.nan), np.where(there, latitude, np.nan)

    def _returns(
        self,
        x: Float[np.ndarray, " n"],
        y: Float[np.ndarray, " n"],
        longitude: Float[np.ndarray, " n"],
        latitude: Float[np.ndarray, " n"],
        pixel: float,
    ) -> np.ndarray:
        """Whether the way back ends where it began: far outside its area a projection gives numbers that mean nothing."""
        assert self.to_base is not None
        x_back, y_back = self.to_base.transform(longitude, latitude, direction=TransformDirection.INVERSE)
        if self.turn:
            x_back = x_back + np.clip(np.rint((x - x_back) / self.turn), -1, 1) * self.turn
        near = 0.01 * pixel + 1e-9 * (np.abs(x) + np.abs(y))
        with np.errstate(invalid="ignore"):
            return np.isfinite(x_back) & (np.abs(x_back - x) <= near) & (np.abs(y_back - y) <= near)


@functools.lru_cache(maxsize=256)
def _surface(crs: str) -> _Surface | None:
    """None for a CRS that PROJ cannot bring to longitude and latitude: vertical, engineering, unknown."""
    try:
        horizontal = _horizontal(_parsed(crs))
        base = horizontal.source_crs if horizontal.is_derived or not horizontal.is_geographic else horizontal
        if base is None or not base.is_geographic or base.ellipsoid is None:
            return None
        to_base = None
        if base is not horizontal:
            to_base = pyproj.Transformer.from_crs(horizontal, base, always_xy=True)
        major, flattening = base.ellipsoid.semi_major_metre, base.ellipsoid.inverse_flattening
        on_earth = EARTH_M[0] < major < EARTH_M[1]
        body = WGS84 if on_earth else pyproj.Geod(a=major, f=1 / flattening if flattening else 0.0)
        radian = base.axis_info[0].unit_conversion_factor
        return _Surface(to_base=to_base, radian=radian, turn=_turn(to_base, radian), body=body, on_earth=on_earth)
    except ProjError:
        return None


def _parsed(crs: str) -> pyproj.CRS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old spellings of a CRS
        return pyproj.CRS.from_user_input(crs)


def _horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """The CRS without heights and without the datum shift bound to it."""
    while crs.is_bound or crs.is_compound:
        inner = crs.source_crs if crs.is_bound else crs.sub_crs_list[0]
        if inner is None:
            break
        crs = inner
    return crs


def _turn(to_base: pyproj.Transformer | None, radian: float) -> float:
    """How far x runs in one turn along the equator, where it is as far at 40 degrees: on a cylinder."""
    if to_base is None:
        return 0.0
    longitude = np.radians(np.arange(-180.0, 180.0, 10.0)) / radian
    turns = []
    for latitude in (0.0, math.radians(40) / radian):
        x, _ = to_base.transform(longitude, np.full_like(longitude, latitude), direction=TransformDirection.INVERSE)
        if not np.isfinite(x).all():
            return 0.0
        steps = np.diff(x)
        middle = float(np.median(steps))
        even = np.sum(np.abs(steps - middle) > 1e-6 * abs(middle)) <= 1  # one holds the seam
        turns.append(36 * middle if even else math.nan)
    return turns[0] if math.isclose(*turns, rel_tol=1e-6) else 0.0


@functools.lru_cache(maxsize=256)
def _to_degrees(crs: str) -> pyproj.Transformer | None:
    try:
        return pyproj.Transformer.from_crs(_horizontal(_parsed(crs)), LONGITUDE_LATITUDE, always_xy=True)
    except ProjError:
        return None


def wrapped(longitude: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Degrees in -180..180; both ends stay as they are."""
    turned = np.asarray(longitude, float)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(turned) <= 180, turned, (turned + 180) % 360 - 180)


def degrees(grid: GeoGrid, columns: Float[np.ndarray, " n"], rows: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    """Longitude (-180..180) and latitude of points of a grid in WGS 84, NaN for those without a place on Earth.

    Args:
        grid: with a CRS.
        columns: in pixels to the right of the grid's left edge.
        rows: in pixels down from its top edge.
    """
    nowhere = np.full((len(columns), 2), np.nan)
    surface = None if grid.crs is None else _surface(grid.crs)
    transformer = None if grid.crs is None else _to_degrees(grid.crs)
    if surface is None or transformer is None or not surface.on_earth or not len(columns):
        return nowhere
    x, y = to_map(grid, columns, rows)
    own_longitude, _ = surface.radians(x, y, _edge(grid))
    if surface.to_base is None:  # a row past the pole is an edge of the pixel that holds it
        pole = math.pi / 2 / surface.radian
        y = np.where(np.abs(y) <= pole + _edge(grid), np.clip(y, -pole, pole), np.nan)
    try:
        longitude, latitude = transformer.transform(x, y)
    except ProjError:
        return nowhere
    out = np.stack([wrapped(longitude), latitude], -1)
    there = np.isfinite(own_longitude) & np.isfinite(out).all(-1) & (np.abs(out[:, 1]) <= 90)
    return np.where(there[:, None], out, np.nan)


def to_map(
    grid: GeoGrid, columns: Float[np.ndarray, "*n"], rows: Float[np.ndarray, "*n"]
) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
    """Map coordinates of points in pixels."""
    a, b, c, d, e, f = grid.transform
    columns, rows = np.asarray(columns, float), np.asarray(rows, float)
    return a * columns + b * rows + c, d * columns + e * rows + f


def areas_m2(grid: GeoGrid, columns: Float[np.ndarray, " n"], rows: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Ground area of the pixels whose centres are at these points, NaN where the CRS has no ground.

    Args:
        grid: with a CRS.
        columns: of the centres, in pixels to the right of the grid's left edge.
        rows: of the centres, in pixels down from its top edge.
    """
    surface = None if grid.crs is None else _surface(grid.crs)
    if surface is None:
        return np.full(len(columns), np.nan)
    right, down = (np.concatenate([at + step[i] for step in _CORNERS]) for i, at in enumerate((columns, rows)))
    longitude, latitude = surface.radians(*to_map(grid, right, down), _edge(grid))
    squared = 1 - (1 - surface.body.f) ** 2  # of the eccentricity
    normal = surface.body.a / np.sqrt(1 - squared * np.sin(latitude) ** 2)
    flat = normal * np.cos(latitude)
    space = np.stack(
        [flat * np.cos(longitude), flat * np.sin(longitude), normal * (1 - squared) * np.sin(latitude)], -1
    )
    first, second, third, fourth = np.split(space, 4)
    return np.linalg.norm(np.cross(third - first, fourth - second), axis=-1) / 2


def unit_m(crs: str) -> float | None:
    """Metres of the CRS's unit of length; None where it has angles or no unit that is known."""
    try:
        axes = _horizontal(_parsed(crs)).axis_info
    except ProjError:
        return None
    angle = not axes or any(word in axes[0].unit_name.lower() for word in ("deg", "grad", "rad", "unknown"))
    return None if angle else axes[0].unit_conversion_factor


def full_turn(crs: str) -> float:
    """What a turn around the Earth adds to x: in a geographic CRS and on a cylinder; 0 where it adds nothing that is fixed."""
    surface = _surface(crs)
    if surface is None:
        return 0.0
    return surface.turn if surface.to_base is not None else 2 * math.pi / surface.radian


def _edge(grid: GeoGrid) -> float:
    """Length of the shorter side of a pixel, in the CRS's unit."""
    a, b, _, d, e, _ = grid.transform
    return min(math.hypot(a, d), math.hypot(b, e))


class PixelAreas:
    """Ground area of every pixel of a grid, interpolated in a mesh that is as fine as the area is uneven.

    Attributes:
        mesh: square metres at the nodes, NaN where there is no ground.
    """

    mesh: Float[np.ndarray, "r s"]

    def __init__(self, grid: GeoGrid):
        """Takes a grid with a CRS."""
        self._grid, steps = grid, 2
        self.mesh = self._nodes(steps)
        while self.known and steps < MOST_STEPS:
            finer = self._nodes(2 * steps)
            even = _close(_halved(self.mesh), finer)
            self.mesh, steps = finer, 2 * steps
            if even:
                break
        self._down, self._right = self._places(steps)

    @property
    def known(self) -> bool:
        """Whether some pixel has ground."""
        return bool((np.nan_to_num(self.mesh) > 0).any())

    @property
    def complete(self) -> bool:
        """Whether every pixel has ground, as far as the mesh sees."""
        return bool((np.nan_to_num(self.mesh) > 0).all())

    @property
    def middle_m2(self) -> float:
        """Of the pixel in the middle; of the median one where the middle has no ground."""
        grid = self._grid
        (middle,) = areas_m2(grid, np.array([grid.width / 2]), np.array([grid.height / 2]))
        return float(middle) if middle > 0 else float(np.median(self.mesh[np.nan_to_num(self.mesh) > 0]))

    def rows(self, first: int, count: int) -> Float[np.ndarray, "h w"]:
        """Square metres of the pixels of `count` rows, 0 where there is no ground."""
        if not self.complete:  # an edge of the ground lies between nodes: each pixel for itself
            lines = [self._line(row) for row in range(first, first + count)]
            return np.nan_to_num(np.stack(lines))
        at = np.interp(np.arange(first, first + count) + 0.5, self._down, np.arange(len(self._down)))
        above = np.minimum(at.astype(int), len(self._down) - 2)
        share = (at - above)[:, None]
        return self._wide[above] * (1 - share) + self._wide[above + 1] * share

    def _line(self, row: int) -> Float[np.ndarray, " w"]:
        columns = np.arange(self._grid.width) + 0.5
        return areas_m2(self._grid, columns, np.full(self._grid.width, row + 0.5))

    @functools.cached_property
    def _wide(self) -> Float[np.ndarray, "r w"]:
        """The mesh at every column."""
        columns = np.arange(self._grid.width) + 0.5
        return np.stack([np.interp(columns, self._right, line) for line in self.mesh])

    def _places(self, steps: int) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " s"]]:
        """Rows and columns of the nodes, from the centre of the first pixel to that of the last."""
        down, right = (np.linspace(0.5, edge - 0.5, steps + 1) for edge in (self._grid.height, self._grid.width))
        return down, right

    def _nodes(self, steps: int) -> Float[np.ndarray, "r s"]:
        down, right = self._places(steps)
        columns, rows = np.meshgrid(right, down)
        return areas_m2(self._grid, columns.ravel(), rows.ravel()).reshape(rows.shape)


def _close(coarse: Float[np.ndarray, "r s"], fine: Float[np.ndarray, "r s"]) -> bool:
    """Whether two meshes agree where both have ground; areas near nothing, as at a pole, need not."""
    both = np.isfinite(coarse) & np.isfinite(fine)
    if not both.any():
        return True
    least = fine[both].max() * 1e-3
    return bool((np.abs(coarse[both] - fine[both]) <= CLOSE * np.maximum(fine[both], least)).all())


def _halved(mesh: Float[np.ndarray, "r s"]) -> Float[np.ndarray, "i j"]:
    """The mesh with a node in the middle of each step."""
    for axis in (0, 1):
        lines = np.moveaxis(mesh, axis, 0)
        out = np.empty((2 * len(lines) - 1, lines.shape[1]))
        out[::2], out[1::2] = lines, (lines[1:] + lines[:-1]) / 2
        mesh = np.moveaxis(out, 0, axis)
    return mesh
