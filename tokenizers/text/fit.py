"""Fits the byte-level BPE of `rsfm.text.tokenizer` on the RSICD training captions and the words of our tasks.

    python tokenizers/text/fit.py [--data DIR] [--out tokenizers/text]

The 256 bytes are in the vocabulary, so any text is written and read back exactly; digits never merge, so a number is
always the digits it shows. The same input gives the same file to the byte: merges are counted from sorted texts.
"""

import argparse
import collections
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from rsfm.data.root import data_root
from rsfm.text.tokenizer import SPECIAL_TOKENS, TextTokenizer

HERE = Path(__file__).resolve().parent
VOCABULARY = 2048


def captions(data: Path, split: str) -> list[str]:
    """All captions of one split of aid_rsicd, as published (lower case, spaced full stop)."""
    lines = (data / "aid_rsicd" / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    return [caption for row in rows if row["split"] == split for caption in row["captions"]]


def task_texts(table: dict[str, list[str]]) -> Iterator[str]:
    """Every template of task_texts.json, filled in so that each name of a list stands in each of its slots once."""
    for template in table["templates"]:
        pieces = template.replace("}", "{").split("{")  # odd pieces are the names of lists
        longest = max((len(table[kind]) for kind in pieces[1::2]), default=1)
        for i in range(longest):
            names = (table[kind][(i + 2 * slot + 1) % len(table[kind])] for slot, kind in enumerate(pieces[1::2]))
            yield "".join(itertools.chain.from_iterable(itertools.zip_longest(pieces[::2], names, fillvalue="")))


def fit(texts: collections.Counter[str], size: int) -> Tokenizer:
    """A byte-level BPE of `size` tokens: the special tokens, the 256 bytes, then merges by frequency."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    repeated = itertools.chain.from_iterable(itertools.repeat(text, count) for text, count in sorted(texts.items()))
    tokenizer.train_from_iterator(repeated, trainer=trainer)
    return tokenizer


def bytes_per_token(tokenizer: TextTokenizer, texts: list[str]) -> float:
    """UTF-8 bytes of the texts over the tokens they take, without special tokens."""
    return sum(len(text.encode()) for text in texts) / sum(len(tokenizer.encode(text)) for text in texts)


def main() -> None:
    """Fits, saves and prints the numbers of the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_root(), help="the data folder (RSFM_DATA)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder the tokenizer is written to")
    args = parser.parse_args()
    table = json.loads((HERE / "task_texts.json").read_text(encoding="utf-8"))
    train = captions(args.data, "train")
    counts = collections.Counter(train)
    tasks = list(task_texts(table))
    for text in tasks:
        for piece in TextTokenizer.split_special(text):  # specials are no text to learn merges from
            if piece not in SPECIAL_TOKENS:
                counts[piece] += table["weight"]
    TextTokenizer(fit(counts, VOCABULARY)).save(args.out)
    tokenizer, held_out = TextTokenizer.load(args.out), captions(args.data, "val")
    lengths = sorted(len(tokenizer.encode(text)) for text in held_out)
    middle, high = lengths[len(lengths) // 2], lengths[int(0.99 * len(lengths))]
    print(f"vocabulary {tokenizer.vocab_size}, training captions {len(train)}, task texts {len(tasks)}")
    print(f"bytes per token: val captions {bytes_per_token(tokenizer, held_out):.2f}", end=", ")
    print(f"task texts {bytes_per_token(tokenizer, tasks):.2f}")
    print(f"tokens a val caption: median {middle}, 99 % {high}, most {lengths[-1]}")


if __name__ == "__main__":
    main()
