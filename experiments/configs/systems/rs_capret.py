"""Can one row of a frozen language model's table learn to stand for the sentence before it?

Source:    RS-CapRet, Silva et al. 2024, arXiv:2402.06475.
Mechanism: of the language model the embedding of the retrieval token alone is trained (optimizer.rates on one row of the table);
           its hidden state is matched with the picture through two linear maps.
Differs:   LLaMA-2 and CLIP there; here the decoder of nano, which has read AID's captions, and its encoder, both frozen.
WITHOUT:   the token's row is frozen like the rest; the linear maps learn alone.
Command:   rsfm train systems/rs_capret --out runs/rs_capret
           rsfm train systems/rs_capret:WITHOUT --out runs/rs_capret_without
Minutes:   6 each
Expected:  mR above WITHOUT; statistics and ten neighbours' captions have 4.11, contrastive_aid, which trains all, 12.28.
Reached:   not run yet
Published: RSICD, UCM retrieval and captions; other test lists.
"""

import dataclasses

from rsfm.data.datasets.aid_rsicd import AidRsicd
from rsfm.data.training.pipeline import Source
from rsfm.heads import ContrastiveConfig, HeadConfig
from rsfm.heads.contrastive import RET
from rsfm.models.connector import ConnectorConfig
from rsfm.training.experiment import ExperimentConfig, find_config, load_module
from rsfm.types import Record

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "kind": "retrieval", "gallery": "train", "metric": "mR", "limit": 512}
ROW = f"decoder.embedding[{ContrastiveConfig().ret_id}]"


class Captions(AidRsicd):
    """AID's captions, each with the token that stands for it."""

    def __getitem__(self, i: int) -> Record:
        record = super().__getitem__(i)
        return dataclasses.replace(record, captions=tuple(f"{text.strip()} {RET}" for text in record.captions))


DATASETS = {"ended_captions": Captions}
WORDS = Source(dataset="ended_captions", tasks=("captioning",), objectives=("contrast",), batch_size=48, text_length=48)


def tuned(*opened: str, **rates: float) -> ExperimentConfig:
    """The linear maps train, and what else is opened at these rates."""
    train = SMALL.trained(150, freeze=("*", "!heads", *opened))
    optimizer = dataclasses.replace(train.optimizer, rates=rates, weight_decay=0.0)
    config = SMALL.with_nano(
        "rs_capret", ConnectorConfig(queries=8), (WORDS,), dataclasses.replace(train, optimizer=optimizer)
    )
    heads = {"contrastive": HeadConfig(options=ContrastiveConfig(width=128))}
    return dataclasses.replace(config, model=dataclasses.replace(config.model, heads=heads))


CONFIG = tuned("!decoder.embedding", **{"decoder.embedding": 0.0, ROW: 1.0})
WITHOUT = tuned()
