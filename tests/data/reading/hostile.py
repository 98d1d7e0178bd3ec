"""Files that pretend to be pictures and reach for other files, addresses or programs: one of every family of drivers."""

import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.data.rasters import write_tif

Attack = Callable[[Path, Path, str], Path]  # folder, a file of the victim's, an address -> the file that is opened
PIXELS = np.full((64, 64, 3), 90, np.uint8)


def text(name: str, content: str, leading: str = "") -> Attack:
    """A file of that name with a text in which {victim} and {url} are filled in."""

    def write(folder: Path, victim: Path, url: str) -> Path:
        path = folder / name
        path.write_text(leading + content.replace("{victim}", str(victim)).replace("{url}", url), encoding="utf-8")
        return path

    return write


MRF = """<MRF_META><CachedSource><Source>{url}/source.tif</Source></CachedSource>
<Raster><Size x="64" y="64" c="3" /><PageSize x="64" y="64" c="3" /><Compression>NONE</Compression>
<DataFile>{victim}</DataFile><IndexFile>{victim}</IndexFile></Raster></MRF_META>"""
CLONING_MRF = MRF.replace("<Source>", '<Source clone="1">').replace("{url}/source.tif", "{victim}")
VRT = """<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">
<SourceFilename relativeToVRT="0">{victim}</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset>
<LineOffset>8</LineOffset></VRTRasterBand></VRTDataset>"""
FETCHING_VRT = """<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename>/vsicurl/{url}/source.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>
</VRTDataset>"""
WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>{url}/${z}/${x}/${y}.png</ServerUrl></Service><DataWindow>
<UpperLeftX>0</UpperLeftX><UpperLeftY>64</UpperLeftY><LowerRightX>64</LowerRightX><LowerRightY>0</LowerRightY><SizeX>64</SizeX>
<SizeY>64</SizeY></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"""
WCS = "<WCS_GDAL><ServiceURL>{url}/wcs?</ServiceURL><Version>1.0.0</Version><CoverageName>x</CoverageName></WCS_GDAL>"
WMTS = "<GDAL_WMTS><GetCapabilitiesUrl>{url}/wmts</GetCapabilitiesUrl></GDAL_WMTS>"
TILE_INDEX = "<GDALTileIndexDataset><IndexDataset>{victim}</IndexDataset></GDALTileIndexDataset>"
POSTSCRIPT = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n({victim}) (a) file closefile\nshowpage\n"
STACTA = json.dumps({"type": "Feature", "stac_extensions": ["tiled-assets"], "assets": {"x": {"href": "{url}/x.tif"}}})


def overview_in_tags(folder: Path, victim: Path, url: str) -> Path:
    """A plain GeoTIFF whose own metadata name another file as its overviews."""
    import rasterio

    path = write_tif(folder / "tags.tif", PIXELS)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=f"/vsicurl/{url}/overviews.tif")
    return path


def overview_in_aux(folder: Path, victim: Path, url: str) -> Path:
    """The same in the .aux.xml beside a GeoTIFF."""
    path = write_tif(folder / "aux.tif", PIXELS)
    (folder / "aux.tif.aux.xml").write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/{url}/x.tif</MDI></Metadata></PAMDataset>'
    )
    return path


def beside(suffix: str, content: str) -> Attack:
    """A plain GeoTIFF beside which lies something else where overviews or masks are looked for."""

    def write(folder: Path, victim: Path, url: str) -> Path:
        path = write_tif(folder / "beside.tif", PIXELS)
        text(f"beside.tif{suffix}", content)(folder, victim, url)
        return path

    return write


def overviews_that_point_on(folder: Path, victim: Path, url: str) -> Path:
    """A GeoTIFF whose overviews are a GeoTIFF whose metadata name another file."""
    path = write_tif(folder / "chain.tif", PIXELS)
    overview_in_tags(folder, victim, url).rename(folder / "chain.tif.ovr")
    return path


def in_archive(folder: Path, victim: Path, url: str) -> Path:
    """A zip archive with a VRT in it, under the name of a picture."""
    path = folder / "zipped.tif"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(text("inner.vrt", VRT)(folder, victim, url), "scene.tif")
    return path


def in_tar(folder: Path, victim: Path, url: str) -> Path:
    """A tar archive with a VRT in it, under the name of a picture."""
    path = folder / "tarred.tif"
    with tarfile.open(path, "w") as archive:
        archive.add(text("inner2.vrt", VRT)(folder, victim, url), "scene.tif")
    return path


def geopackage(folder: Path, victim: Path, url: str) -> Path:
    """A database with tiles, under the name of a picture."""
    import rasterio

    path = folder / "tiles.tif"
    with rasterio.open(
        folder / "x.gpkg", "w", driver="GPKG", height=64, width=64, count=3, dtype="uint8", crs="EPSG:3857"
    ) as dataset:
        dataset.write(np.moveaxis(PIXELS, -1, 0))
    (folder / "x.gpkg").rename(path)
    return path


def link_to_hdf5(kind: str) -> Attack:
    """A MATLAB file of version 7.3 whose numbers lie in another file."""

    def write(folder: Path, victim: Path, url: str) -> Path:
        import h5py

        path = folder / f"{kind}.mat"
        with h5py.File(folder / "other.h5", "w") as other:
            other["cube"] = PIXELS
        with h5py.File(path, "w") as file:
            if kind == "link":
                file["cube"] = h5py.ExternalLink(str(folder / "other.h5"), "cube")
            elif kind == "external":
                shape, dtype = (4, 4, 3), np.uint8
                file.create_dataset("cube", shape, dtype, external=[(str(victim), 0, 48)])
            elif kind == "virtual":
                layout = h5py.VirtualLayout(PIXELS.shape, np.uint8)
                layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "cube", PIXELS.shape)
                file.create_virtual_dataset("cube", layout)
            elif kind == "circle":
                file.create_group("a")["b"] = file["/"]
                file["cube"] = PIXELS
        return path

    return write


ATTACKS: dict[str, Attack] = {
    "MRF in .tif": text("scene.tif", MRF),
    "MRF that copies, in .jp2": text("scene.jp2", CLONING_MRF),
    "VRT in .tif": text("vrt.tif", VRT),
    "VRT in .jp2": text("vrt.jp2", FETCHING_VRT),
    "VRT in .png": text("vrt.png", VRT),
    "VRT in .dat": text("vrt.dat", VRT),
    "VRT under its own name": text("scene.vrt", VRT),
    "VRT behind spaces": text("spaced.tif", FETCHING_VRT, "\n  "),
    "VRT behind a byte order mark": text("mark.tif", FETCHING_VRT, "\ufeff"),
    "VRT behind an XML head": text("headed.tif", FETCHING_VRT, "<?xml version='1.0'?>"),
    "WMS in .tif": text("wms.tif", WMS),
    "WMTS in .tif": text("wmts.tif", WMTS),
    "WCS in .jp2": text("wcs.jp2", WCS),
    "tile index": text("index.tif", TILE_INDEX),
    "STAC": text("stac.tif", STACTA),
    "PostScript in .png": text("page.png", POSTSCRIPT),
    "PostScript in .tif": text("page.tif", POSTSCRIPT),
    "PDF": text("page.jp2", "%PDF-1.5\n1 0 obj\n"),
    "an address in a file": text("address.tif", "{url}/x.tif"),
    "overviews named in tags": overview_in_tags,
    "overviews named in .aux.xml": overview_in_aux,
    "VRT as overviews": beside(".ovr", FETCHING_VRT),
    "VRT as mask": beside(".msk", FETCHING_VRT),
    "MRF as overviews": beside(".ovr", MRF),
    "overviews that point on": overviews_that_point_on,
    "zip": in_archive,
    "tar": in_tar,
    "GeoPackage": geopackage,
    "HDF5 link": link_to_hdf5("link"),
    "HDF5 external numbers": link_to_hdf5("external"),
    "HDF5 virtual numbers": link_to_hdf5("virtual"),
    "HDF5 circle": link_to_hdf5("circle"),
}
