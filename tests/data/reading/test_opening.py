"""No file reaches further than it was given, and none is opened anywhere else than in one place."""

import ast
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from rsfm.data.reading import memory
from rsfm.data.reading.formats import driver_of
from rsfm.data.reading.opening import gdal, open_array, open_image, open_matlab, open_raster
from rsfm.data.reading.scene import open_scene
from rsfm.data.writing.rasters import write_image
from rsfm.errors import UserError
from tests.data.rasters import sentinel2, write_tif
from tests.data.reading.hostile import ATTACKS

ROOT = Path(__file__).resolve().parents[3]
OPENS = {  # what opens a raster, a picture or an array, however it is imported
    "rasterio": {"open", "MemoryFile", "FilePath", "band"},
    "rasterio.shutil": {"copy"},
    "PIL.Image": {"open"},
    "h5py": {"File"},
    "numpy": {"load", "fromfile", "memmap", "genfromtxt"},
    "scipy.io": {"loadmat", "whosmat", "netcdf_file"},
    "spectral.io.envi": {"open", "read_envi_header"},
    "zarr": {"open", "open_group", "open_array"},
    "xarray": {"open_dataset", "open_zarr", "open_mfdataset", "open_dataarray"},
    "rioxarray": {"open_rasterio"},
    "netCDF4": {"Dataset"},
}


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and what was called there."""
    calls: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815 (the library's name)

        def log_message(self, *_: object) -> None: ...

    listening = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}", calls
    listening.shutdown()
    listening.server_close()


def contents(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_file_is_one_line_and_touches_nothing(name: str, tmp_path: Path, server: tuple[str, list[str]]):
    (tmp_path / "home").mkdir()
    victim = tmp_path / "home" / ".profile"
    victim.write_text("the victim's own lines, which nobody else may read or write\n" * 4)
    (tmp_path / "given").mkdir()
    url, calls = server
    path = ATTACKS[name](tmp_path / "given", victim, url)
    before = contents(tmp_path)
    with pytest.raises(UserError) as told:
        scene = open_scene([path])
        scene.overview(8)
        scene.read()
    assert str(path.parent) in str(told.value) and "\n" not in str(told.value)
    assert contents(tmp_path) == before and calls == []


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://127.0.0.1:9/x.tif", "/vsizip/x.zip/x.tif", "GTIFF_DIR:1:scene.tif", "http://x/scene.tif"]
)
def test_prefixes_of_gdal_are_plain_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tif(tmp_path / "scene.tif", np.ones((4, 4, 1), np.uint8))
    with pytest.raises(UserError, match="no such file|is an address"):
        open_scene([Path(name)])


def test_every_file_is_opened_in_one_place() -> None:
    found = []
    for path in [*(ROOT / "rsfm").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]:
        if path != ROOT / "rsfm/data/reading/opening.py":
            found += [f"{path.relative_to(ROOT)}:{line}" for line in opens(path.read_text(encoding="utf-8"))]
    assert not found, "open files by rsfm.data.reading.opening"
    assert len(opens((ROOT / "rsfm/data/reading/opening.py").read_text(encoding="utf-8"))) >= 8


def opens(source: str) -> list[int]:
    """Lines that name a function of OPENS."""
    tree, names = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Load):
            first, *rest = ast.unparse(node).split(".")
            module, _, function = ".".join([names.get(first, first), *rest]).rpartition(".")
            if function in OPENS.get(module, ()):
                lines.append(node.lineno)
    return lines


def test_the_search_sees_every_spelling() -> None:
    for text in (
        "import rasterio\nrasterio.open(x)",
        "import rasterio as r\nr.open(x)",
        "from rasterio import open as o\no(x)",
        "from PIL import Image\nImage.open(x)",
        "import PIL.Image\nPIL.Image.open(x)",
        "import numpy as np\nf = np.load",
        "from scipy.io import loadmat\nloadmat(x)",
    ):
        assert opens(text) == [2], text


def mosaic(path: Path, source: str, *, relative: int = 1, extra: str = "") -> Path:
    path.write_text(
        f'<VRTDataset rasterXSize="50" rasterYSize="40"><SRS>EPSG:32633</SRS>{extra}'
        "<GeoTransform>404400, 10, 0, 5342400, 0, -10</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def test_a_vrt_is_read_only_where_it_is_allowed(tmp_path: Path) -> None:
    values = sentinel2(np.random.default_rng(0), bands=1)
    write_tif(tmp_path / "tile.tif", values)
    path = mosaic(tmp_path / "scene.vrt", "tile.tif")
    with pytest.raises(UserError, match="allow-vrt"):
        open_raster(path)
    with gdal(), open_raster(path, allow_vrt=True) as dataset:
        np.testing.assert_array_equal(dataset.read(1), values[..., 0])
        assert dataset.crs.to_epsg() == 32633


@pytest.mark.parametrize(
    "case", ["above", "absolute", "elsewhere", "network", "archive", "itself", "link", "entity", "raw"]
)
def test_an_allowed_vrt_stays_in_its_folder(case: str, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    write_tif(tmp_path / "secret.tif", np.ones((40, 50, 1), np.uint16))
    write_tif(folder / "tile.tif", np.ones((40, 50, 1), np.uint16))
    path = folder / "scene.vrt"
    if case == "link":
        (folder / "inside.tif").symlink_to(tmp_path / "secret.tif")
    source, relative = {
        "above": ("../secret.tif", 1),
        "absolute": (str(tmp_path / "secret.tif"), 0),
        "elsewhere": ("tile.tif", 0),  # from where the program runs
        "network": ("/vsicurl/http://127.0.0.1:9/x.tif", 0),
        "archive": ("/vsizip/given.zip/x.tif", 1),
        "itself": ("scene.vrt", 1),
        "link": ("inside.tif", 1),
        "entity": ("&file;", 1),
        "raw": ("tile.tif", 1),
    }[case]
    mosaic(path, source, relative=relative)
    text = path.read_text()
    if case == "entity":
        path.write_text(f'<!DOCTYPE x [<!ENTITY file "../secret.tif">]>{text}')
    elif case == "raw":
        path.write_text(text.replace('band="1"', 'band="1" SUBCLASS="VRTRawRasterBand"'))
    with pytest.raises(UserError, match="refused|not an image"):
        open_raster(path, allow_vrt=True)


def test_world_files_overviews_and_masks_beside_a_file_are_read(tmp_path: Path) -> None:
    values = sentinel2(np.random.default_rng(1), 600, 600, 1)
    path = write_tif(tmp_path / "scene.tif", values, crs=None)
    (tmp_path / "scene.tfw").write_text("10\n0\n0\n-10\n404405\n5342395\n")
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
            dataset.write_mask(np.arange(600)[None] * np.ones((600, 1)) > 99)
    assert (tmp_path / "scene.tif.ovr").exists() and (tmp_path / "scene.tif.msk").exists()
    with gdal(), open_raster(path) as dataset:
        assert dataset.transform.a == 10 and dataset.transform.c == 404400
        assert dataset.overviews(1) == [2, 4]
        assert not dataset.read_masks(1)[:, :100].any() and dataset.read_masks(1)[:, 100:].all()


def test_formats_are_known_by_their_bytes(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    for driver in ("GTiff", "PNG", "JPEG", "HFA", "ENVI", "JP2OpenJPEG"):
        path = tmp_path / driver / "scene.img"
        path.parent.mkdir()
        with rasterio.open(
            tmp_path / "plain.tif", "w", driver="GTiff", height=32, width=32, count=3, dtype="uint8"
        ) as d:
            d.write(np.moveaxis(rgb, -1, 0))
        import rasterio.shutil as files

        files.copy(tmp_path / "plain.tif", path, driver=driver)
        assert driver_of(path) == driver
        with gdal(), open_raster(path) as dataset:
            assert dataset.shape == (32, 32) and dataset.driver == driver


def test_a_large_empty_raster_is_read_by_windows_and_never_whole(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    profile = dict(driver="GTiff", height=400_000, width=400_000, count=4, dtype="float32", tiled=True, crs="EPSG:3857")
    with rasterio.open(path, "w", sparse_ok=True, bigtiff="yes", blockxsize=4096, blockysize=4096, **profile):
        pass
    from rsfm.data.datasets.reading import RasterFile

    with gdal(), open_raster(path) as dataset:
        assert not dataset.read(1, window=((0, 8), (0, 8))).any()
    with pytest.raises(UserError, match="of memory that are free"):
        RasterFile("x", path)


def test_one_block_larger_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tile.tif"
    profile = dict(driver="GTiff", height=20_000, width=20_000, count=1, dtype="float32", tiled=True)
    with rasterio.open(path, "w", sparse_ok=True, blockxsize=16384, blockysize=16384, **profile):
        pass
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 30)
    with pytest.raises(UserError, match="in tiles"):
        open_raster(path)


def test_headers_that_promise_more_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", np.zeros((8, 8, 3), np.float32))
    content = (tmp_path / "x.npy").read_bytes().replace(b"(8, 8, 3), }      ", b"(8888, 88888, 333)}", 1)
    (tmp_path / "x.npy").write_bytes(content)
    for mapped in (False, True):
        with pytest.raises((ValueError, OSError)):
            open_array(tmp_path / "x.npy", mapped=mapped)
    with pytest.raises(UserError, match="cut short"):
        open_scene([tmp_path / "x.npy"])
    Image.new("L", (3000, 3000)).save(tmp_path / "bomb.png")
    from scipy.io import savemat

    savemat(tmp_path / "bomb.mat", {"cube": np.zeros((300, 300, 30))}, do_compression=True)
    monkeypatch.setattr(memory, "available_bytes", lambda: 30 << 20)
    with pytest.raises(UserError, match="of memory that are free"):
        open_image(tmp_path / "bomb.png")
    with pytest.raises(UserError, match="of memory that are free"):
        open_matlab(tmp_path / "bomb.mat")


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.tif")
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.tif", "pipe.png"):
        with pytest.raises(UserError, match="regular file"):
            open_scene([tmp_path / name])
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="regular file"):
        open_scene([tmp_path / "zero.npy"])


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    image = np.random.default_rng(2).normal(size=(30, 40, 2)).astype(np.float32)
    write_image(tmp_path / "image.tif", image, None, ("a", "b"))
    with gdal(), open_raster(tmp_path / "image.tif") as dataset:
        np.testing.assert_array_equal(np.moveaxis(dataset.read(), 0, -1), image)


def test_a_scene_may_be_a_vrt_where_the_user_says_so(tmp_path: Path) -> None:
    write_tif(tmp_path / "tile.tif", np.ones((40, 50, 1), np.uint16))
    path = mosaic(tmp_path / "scene.vrt", "tile.tif")
    scene = open_scene([path], sensor="ndvi_series", allow_vrt=True)
    assert (scene.height, scene.width) == (40, 50)
