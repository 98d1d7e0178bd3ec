"""The datasets by name. A new one is a file beside this and a line in DATASETS."""

from rsfm.data.datasets.aid_rsicd import AidRsicd
from rsfm.data.datasets.base import Dataset, DatasetInfo, EmptySplit
from rsfm.data.datasets.bigearthnet import BigEarthNet
from rsfm.data.datasets.brazil import BrazilTimeSeries
from rsfm.data.datasets.captions import Rsicd, SydneyCaptions, UcmCaptions
from rsfm.data.datasets.cawa import Cawa
from rsfm.data.datasets.conversations import GeoChatInstruct, Llava
from rsfm.data.datasets.deafrica import DeafricaCropland
from rsfm.data.datasets.deepforest import DeepForest
from rsfm.data.datasets.dota import Dota
from rsfm.data.datasets.enmap_potsdam import EnmapPotsdam
from rsfm.data.datasets.eolearn import EoLearn
from rsfm.data.datasets.eurosat import EuroSat
from rsfm.data.datasets.fractional_cover import FractionalCover
from rsfm.data.datasets.fuel_moisture import FuelMoisture
from rsfm.data.datasets.gedi import Gedi
from rsfm.data.datasets.geotiff_folder import GeoTiffFolder
from rsfm.data.datasets.heterogeneous_change import HeterogeneousChange
from rsfm.data.datasets.hls_worldcover import HlsWorldCover
from rsfm.data.datasets.indian_pines import IndianPines
from rsfm.data.datasets.karly import KarlySoilMoisture
from rsfm.data.datasets.landsat_change import LandsatChange
from rsfm.data.datasets.levir_cd import LevirCd
from rsfm.data.datasets.mstar import Mstar
from rsfm.data.datasets.rsvqa import RsvqaHr, RsvqaLr
from rsfm.data.datasets.satclip import SatclipS2
from rsfm.data.datasets.series import Series
from rsfm.data.datasets.terramesh import TerraMesh
from rsfm.data.datasets.urban_trees import UrbanTrees
from rsfm.data.datasets.vrsbench import VrsBench
from rsfm.data.datasets.worldcereal import WorldCereal

DATASETS: dict[str, type] = {
    "aid_rsicd": AidRsicd,
    "terramesh": TerraMesh,
    "hls_worldcover306": HlsWorldCover,
    "satclip_s2_global": SatclipS2,
    "bigearthnet": BigEarthNet,
    "indian_pines": IndianPines,
    "eolearn": EoLearn,
    "fuel_moisture": FuelMoisture,
    "cawa": Cawa,
    "levir_cd": LevirCd,
    "dota": Dota,
    "deepforest": DeepForest,
    "landsat_change": LandsatChange,
    "heterogeneous_change": HeterogeneousChange,
    "fractional_cover_australia": FractionalCover,
    "deafrica_cropland": DeafricaCropland,
    "brazil_time_series": BrazilTimeSeries,
    "worldcereal_pixels500": WorldCereal,
    "karly_soil_moisture": KarlySoilMoisture,
    "eurosat_rgb": EuroSat,
    "mstar": Mstar,
    "urban_trees": UrbanTrees,
    "enmap_potsdam": EnmapPotsdam,
    "geotiff_folder": GeoTiffFolder,
    "series": Series,
    "gedi_chip": Gedi,
    "rsicd": Rsicd,
    "ucm_captions": UcmCaptions,
    "sydney_captions": SydneyCaptions,
    "rsvqa_lr": RsvqaLr,
    "rsvqa_hr": RsvqaHr,
    "vrsbench": VrsBench,
    "geochat_instruct": GeoChatInstruct,
    "llava": Llava,
}

__all__ = ["DATASETS", "Dataset", "DatasetInfo", "EmptySplit"]
