"""The 36 systems of the survey: what each adds, and what keeps those out that have no config."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class System:
    """One system of the survey.

    Attributes:
        title: as published.
        mechanism: what tells it from the others, in a line.
        missing: the primitive without which no config can be written; "" where there is a config.
    """

    title: str
    mechanism: str
    missing: str = ""


_IMAGE = "pictures as tokens of the vocabulary, to write and to read"

SYSTEMS: dict[str, System] = {
    "remoteclip": System(title="RemoteCLIP", mechanism="boxes and masks made into captions for CLIP"),
    "crsr": System(title="CRSR", mechanism="words of retrieved captions beside the picture"),
    "progeo": System(
        title="ProGEO",
        mechanism="learned prompts for each class, then a margin softmax",
        missing="tokens of a prompt that learn",
    ),
    "graft": System(title="GRAFT", mechanism="pictures and patches drawn to a frozen network of photographs, no words"),
    "georsclip": System(
        title="GeoRSCLIP (RS5M)",
        mechanism="captions chosen by filters and by their rank over rotations",
        missing="filters and ranks of captions",
    ),
    "changeclip": System(
        title="ChangeCLIP",
        mechanism="differences weighed by cosine at several scales",
        missing="a config over the neck of differences",
    ),
    "applenet": System(
        title="APPLeNet",
        mechanism="prompts made of the picture's features and the batch's style",
        missing="prompts made from a picture",
    ),
    "mgvlf": System(
        title="MGVLF (RSVG)",
        mechanism="a token that regresses a box from words and several scales",
        missing="a config over the box head that answers one phrase with one box",
    ),
    "rs_llava": System(title="RS-LLaVA", mechanism="low-rank adapters on captions and questions together"),
    "h2rsvlm": System(title="H2RSVLM / VHM", mechanism="honesty data; the upper half of the encoder trains"),
    "skysensegpt": System(
        title="SkySenseGPT",
        mechanism="relations between objects as text",
        missing="relations among a record's labels",
    ),
    "geochat": System(title="GeoChat", mechanism="task tokens; oriented boxes as text"),
    "rsgpt": System(title="RSGPT", mechanism="Q-Former and linear map are all that trains"),
    "skyeyegpt": System(title="SkyEyeGPT", mechanism="one linear layer, two stages"),
    "rs_capret": System(title="RS-CapRet", mechanism="one learned row of a frozen language model's table"),
    "lhrs_bot": System(title="LHRS-Bot", mechanism="queries shared out over depths of the encoder"),
    "earthgpt": System(title="EarthGPT", mechanism="two towers for the eye; norms and attention tuned alone"),
    "promptcc": System(
        title="PromptCC",
        mechanism="whether there is change chooses how it is described",
        missing="a gate between two prompts",
    ),
    "txt2img_mhn": System(title="Txt2Img-MHN", mechanism="Hopfield layers over codes of pictures", missing=_IMAGE),
    "cpseg": System(
        title="CPSeg",
        mechanism="what there is, said in words before its mask is drawn",
    ),
    "shrnet": System(
        title="SHRNet",
        mechanism="hashed positions of several scales, a closed set of answers",
        missing="a hash code of positions and an answer head",
    ),
    "mgeo": System(
        title="MGeo", mechanism="objects of a map as tokens", missing="a tokenizer of vector geometry, and data for it"
    ),
    "geoclip": System(title="GeoCLIP", mechanism="pictures against coordinates, with a queue of them"),
    "spectralgpt": System(
        title="SpectralGPT", mechanism="hidden cubes; losses on pixels and on sums over the spectrum"
    ),
    "temo": System(
        title="TEMO",
        mechanism="class descriptions as prototypes of few-shot detection",
        missing="a detector with prototypes from text, and a K-shot sampler",
    ),
    "satgpt": System(title="SatGPT", mechanism="questions to calls of a catalogue, bound to their form"),
    "changen2": System(
        title="Changen2",
        mechanism="a diffusion model of pictures from masks with simulated change",
        missing="a head that makes pictures by flow matching",
    ),
    "reo_vlm": System(title="REO-VLM", mechanism="a mixer reads numbers from hidden states and pixels"),
    "emu3": System(title="Emu3", mechanism="next-token prediction over text and pictures", missing=_IMAGE),
    "skysense": System(title="SkySense", mechanism="contrast on several scales against a slowly moving teacher"),
    "ringmo": System(title="RingMo", mechanism="patches hidden in part"),
    "msc_gan": System(
        title="MSC-GAN",
        mechanism="clouds removed by a generator over dates",
        missing="a head that makes pictures, and an adversary",
    ),
    "mlpa": System(title="MLPA", mechanism="features of two domains drawn together at several levels"),
    "lba_mcnet": System(title="LBA-MCNet", mechanism="losses on borders and regions of a mask"),
    "ffca_yolo": System(
        title="FFCA-YOLO and kin",
        mechanism="fused features for small boxes",
        missing="a config over the box head with fused features",
    ),
    "unet": System(title="U-Net (and 3D-CNN)", mechanism="several scales with skip connections"),
}
