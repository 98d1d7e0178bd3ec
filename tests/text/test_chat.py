"""Chat templates: the same ids as transformers' own rendering, roles checked, typed special tokens are text."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from rsfm.errors import UserError
from rsfm.text.chat import read_messages
from rsfm.text.tokenizer import TextStream, TextTokenizer

OURS = TextTokenizer.load(Path(__file__).resolve().parents[2] / "tokenizers" / "text")
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRIMMED = """{{ bos_token }}
{%- for message in messages %}
    {%- if message.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}
    {{- '<|im_start|>' + ('model' if message.role == 'assistant' else message.role) + '\n\n' }}
    {%- generation %}{{ message.content | trim }}{% endgeneration %}{{ '<|im_end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>model\n\n' }}{% endif %}"""
TURNS = [("What is <mask> here?", "An airport <mask>."), ("  And now? ", None)]


def folder(place: Path, template: str, *, file: bool = False) -> Path:
    """A byte-level tokenizer as a language model ships it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "<|im_start|>", "<|im_end|>", "<pad>"])
    place.mkdir()
    tokenizer.save(str(place / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "<|im_end|>", "pad_token": "<pad>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **names}
    if file:
        (place / "chat_template.jinja").write_text(template)
    else:
        config["chat_template"] = template
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    return place


@pytest.mark.parametrize("template", [CHATML, TRIMMED], ids=["chatml", "trimmed"])
def test_ids_are_those_of_transformers(tmp_path: Path, template: str) -> None:
    transformers = pytest.importorskip("transformers")
    place = folder(tmp_path / "model", template, file=template is TRIMMED)
    ours, theirs = TextTokenizer.load(place), transformers.AutoTokenizer.from_pretrained(str(place))
    messages = [
        {"role": "user", "content": "Name the scene."},
        {"role": "assistant", "content": "An airport."},
        {"role": "user", "content": "How many planes? "},
    ]
    messages = [{"role": "system", "content": "Be brief."}, *messages] if template is CHATML else messages
    for end in (len(messages), len(messages) - 1):
        opened = messages[:end][-1]["role"] == "user"
        expected = theirs.apply_chat_template(messages[:end], add_generation_prompt=opened, tokenize=True)
        expected = expected["input_ids"] if hasattr(expected, "keys") else expected
        ids, learn = ours.messages(messages[:end])
        assert ids == list(expected) and len(learn) == len(ids)


def test_answers_are_learnt_and_typed_tokens_are_text(tmp_path: Path) -> None:
    tokenizer = TextTokenizer.load(folder(tmp_path / "model", CHATML))
    ids, learn = tokenizer.chat([("Say <|im_end|> <mask>", "It is <mask>."), ("Why?", "So.")], system="Be brief.")
    learnt = [index for index, keep in zip(ids, learn, strict=True) if keep]
    assert tokenizer.decode(learnt, keep_control=True) == "It is <mask>.<|im_end|>So.<|im_end|>"
    assert ids.count(tokenizer.special["<mask>"]) == 1 and ids.count(tokenizer.special["<eos>"]) == 5
    assert "user\nSay <|im_end|> <mask><|im_end|>" in tokenizer.decode(ids, keep_control=True)
    prompt, _ = tokenizer.chat([("Say <|im_end|> <mask>", "It is <mask>."), ("Why?", None)], system="Be brief.")
    assert ids[: len(prompt)] == prompt


def test_a_template_is_saved_with_its_tokenizer(tmp_path: Path) -> None:
    tokenizer = TextTokenizer.load(folder(tmp_path / "model", TRIMMED, file=True))
    tokenizer.save(tmp_path / "again")
    again = TextTokenizer.load(tmp_path / "again")
    assert again.template == TRIMMED and again.chat(TURNS) == tokenizer.chat(TURNS)


def test_our_own_layout_puts_the_system_text_before_the_first_question() -> None:
    ids, learn = OURS.chat([("Where?", "Here."), ("And?", None)], system="Be brief.")
    told = "<bos><user>Be brief.\nWhere?<assistant>Here.<eos><user>And?<assistant>"
    assert OURS.decode(ids, keep_control=True) == told and sum(learn) == len(OURS.encode("Here.")) + 1


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"role": "usr", "content": "?"}], "Unknown chat role 'usr'. Did you mean 'user'"),
        ([{"role": "user"}], "holds role and content"),
        ([{"role": "user", "content": 3}], "text or a list of parts"),
        ([{"role": "user", "content": [{"type": "video"}]}], "Unknown part of a chat message 'video'"),
        ([{"role": "assistant", "content": "Hi"}], "Message 1 is the assistant's, expected the user's"),
        ([{"role": "user", "content": "a"}, {"role": "system", "content": "b"}], "stands before all others"),
        ([], "at least one message"),
    ],
)
def test_what_is_no_dialogue_is_told(messages: list, words: str) -> None:
    with pytest.raises(UserError, match=words):
        OURS.messages(messages)


def test_a_template_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="refuses these messages: no system role"):
        TextTokenizer.load(folder(tmp_path / "a", TRIMMED)).chat(TURNS, system="x")
    with pytest.raises(UserError, match="not valid Jinja"):
        TextTokenizer.load(folder(tmp_path / "b", "{% for %}")).chat(TURNS)
    with pytest.raises(UserError, match="refuses"):  # a template is not trusted
        TextTokenizer.load(folder(tmp_path / "c", "{{ messages.__class__.__mro__ }}")).chat(TURNS)


def test_parts_of_a_message_become_text_with_placeholders() -> None:
    parts = [
        {"type": "image"},
        {"type": "text", "text": " before, "},
        {"type": "image"},
        {"type": "text", "text": " after"},
    ]
    (message,) = read_messages([{"role": "user", "content": parts}])
    assert message.content == "<image> before, <image> after"


def test_a_stream_gives_whole_letters() -> None:
    text = "Über 3 äußere <value> Flächen 🛰."
    stream = TextStream(OURS)
    told = [stream.push([index]) for index in OURS.encode(text)]
    assert "".join(told) == text and not any("\ufffd" in piece for piece in told)
