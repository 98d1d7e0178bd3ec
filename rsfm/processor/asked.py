"""What a question asks for: the kind of answer and its subjects, read against what the checkpoint was taught.

A pure function of the words. Spans that a decoder writes itself can take its place: both end in `Asked`.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence

from rsfm.processor.taught import ANYTHING, Taught, View
from rsfm.processor.vocabulary import CUES, SILENT, SYNONYMS
from rsfm.tasks.vocabularies import UNIONS

# Tasks that teach each kind of answer.
TEACHERS: dict[str, tuple[str, ...]] = {
    "map": ("segmentation",),
    "area": ("segmentation", "change"),
    "share": ("segmentation", "change"),
    "more": ("segmentation",),
    "presence": ("segmentation", "scene", "multilabel"),
    "identity": ("scene",),
    "count": ("counting",),
    "value": ("regression",),
    "value map": ("value_map",),
    "forecast": ("forecasting",),
    "scene": ("scene",),
    "tags": ("multilabel",),
    "caption": ("captioning", "description"),
    "boxes": ("grounding",),
    "change": ("change", "instruction"),
    "free": ("vqa", "instruction"),
}
ABOUT = frozenset(
    ("map", "area", "share", "more", "presence", "identity", "count", "value", "value map", "forecast", "boxes")
)
LEGENDS = ("segmentation", "change")  # tasks that teach a map of classes
OF_CHANGE = frozenset(("area", "share", "presence"))  # kinds that a change is asked for like any class
OF_DATES = frozenset("between date dates first second last two from before after later earlier same since".split())
FROM_MAP = frozenset(("map", "area", "share", "more"))
LONGEST = 400  # words of a question that are looked at; a longer one is no question about a class
_WORD = re.compile(r"[^\W_]+(?:[-/'’][^\W_]+)*|%")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What a question wants.

    Attributes:
        kind: a key of TEACHERS, "image", or "" where the words say none.
        subjects: classes, quantities or things, by the names they were taught with; () = all, or none is needed.
        entry: where they were taught; for a map its subjects are the legend. None: not taught.
        unknown: words of the question that name or restrict something that was not taught.
        left_out: names of a list of classes, "Map the land cover: a, b", that were not taught, beside others that were: no
            pixel is given to them.
    """

    kind: str
    subjects: tuple[str, ...] = ()
    entry: Taught | None = None
    unknown: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def taught(self) -> bool:
        """Whether the checkpoint can be expected to answer."""
        return self.entry is not None and not self.unknown


def resolve(question: str, taught: Sequence[Taught], view: View) -> Asked:
    """Reads a question.

    Args:
        question: in any words.
        taught: of the checkpoint.
        view: sensors the question is asked of.

    >>> resolve("How much forest is there?", taught, view).subjects
    ('trees',)
    """
    known = tuple(entry for entry in taught if entry.covers(view))
    words = question_words(question)
    start = _list_start(question)
    wanting = words[:start]  # where cues are looked for
    phrases = _phrases(known)
    cues = _cues()
    taken: dict[int, str] = {}  # place in the words -> the kind or the name that stands there
    cued = [(place, kind) for place, size, kind in _matches(wanting, cues, taken, least=2) if _take(taken, place, size)]
    named = [
        (place, name)
        for place, size, name in _matches(stems(words), phrases, taken, least=1)
        if _take(taken, place, size)
    ]
    cued += [
        (place, kind) for place, size, kind in _matches(wanting, cues, taken, least=1) if _take(taken, place, size)
    ]
    unknown = _runs(words, taken) if len(words) < LONGEST else ("so many words",)
    kinds = {kind for _, kind in cued}
    kind = next((kind for kind, _ in CUES if kind in kinds), "")
    names = _parts((name for _, name in sorted(named) if name), known)
    asked = _asked(kind, names, unknown, known)
    if asked.kind == "map" and asked.unknown and asked.subjects and start is not None:
        before = _runs(wanting, taken)
        listed = tuple(name for name in asked.unknown if name not in before)
        return dataclasses.replace(asked, unknown=before, left_out=listed)
    return asked


def about(kind: str, names: Sequence[str], taught: Sequence[Taught], view: View) -> Asked:
    """The same for a typed call, which names kind and subjects itself."""
    known = tuple(entry for entry in taught if entry.covers(view))
    phrases = _phrases(known)
    found = {name: phrases.get(stems(question_words(name))) for name in names}
    unknown = tuple(name for name, match in found.items() if match is None)
    return _asked(kind, _parts((match for match in found.values() if match), known), unknown, known)


def _asked(kind: str, names: tuple[str, ...], unknown: tuple[str, ...], known: Sequence[Taught]) -> Asked:
    """Finds the entry that teaches the kind and holds the names."""
    quantity = next((entry for entry in known if entry.task == "regression" and set(names) & set(entry.subjects)), None)
    if quantity is not None and kind in ("", "area", "share", "value", "count"):
        kind = "value"
    if kind == "map" and any(entry.task == "value_map" and set(names) & set(entry.subjects) for entry in known):
        kind = "value map"
    of_change = bool(names) and any(e.task == "change" and set(names) <= set(e.subjects) for e in known)
    if of_change and kind not in OF_CHANGE:
        kind = "change"
    if of_change or kind == "change":
        unknown = tuple(run for run in unknown if not OF_DATES.issuperset(run.split()))
    if kind in ("value", "") and not names and not unknown:
        kind = ""
    free = next((entry for entry in known if ANYTHING in entry.subjects), None)
    if kind == "identity" and not any(entry.task == "scene" and _holds(entry, names, kind) for entry in known):
        kind = "presence"
    if kind in ("scene", "tags"):  # they name what there is, whatever else the question says
        unknown = ()
    if kind == "tags" and not any(entry.task == "multilabel" for entry in known):
        kind, names = "share", ()
    if kind in FROM_MAP or kind == "presence":
        asked = _of_legend(kind, names, unknown, known)
        if asked is not None:
            return asked
    entry = next(
        (entry for entry in known if entry.task in TEACHERS.get(kind, ()) and _holds(entry, names, kind)), None
    )
    if entry is None or unknown:
        if free is not None and kind not in FROM_MAP and kind != "image":
            return Asked(kind="free", entry=free)
        return Asked(kind=kind, subjects=names, entry=entry, unknown=unknown)
    return Asked(kind=kind, subjects=tuple(_own(entry, name) or name for name in names), entry=entry)


def _of_legend(kind: str, names: tuple[str, ...], unknown: tuple[str, ...], known: Sequence[Taught]) -> Asked | None:
    """The first legend of these sensors that holds every class named, or is named itself."""
    legends = [entry for entry in known if entry.task in LEGENDS]
    for entry in legends:
        classes = [own for name in names if (own := _own(entry, name))]
        if entry.task == "change" and not classes:
            continue
        rest = [name for name in names if not _own(entry, name) and name != entry.name]
        if rest or (not classes and entry.name not in names and names):
            continue
        if not names and unknown:
            continue
        if kind == "map" or (kind == "share" and not names) or (classes and (kind != "more" or len(classes) > 1)):
            subjects = tuple(dict.fromkeys(classes))
            return Asked(kind=kind, subjects=subjects, entry=entry, unknown=unknown)
    return None


def _parts(names: Iterable[str], known: Sequence[Taught]) -> tuple[str, ...]:
    """The names once each; one of several classes, as "rangeland", is all of them where it is no class itself."""
    taught = {name for entry in known for name in (entry.name, *entry.subjects)}
    parts = (UNIONS.get(name, (name,)) if name not in taught else (name,) for name in names)
    return tuple(dict.fromkeys(part for each in parts for part in each))


def _holds(entry: Taught, names: tuple[str, ...], kind: str) -> bool:
    if kind not in ABOUT:
        return kind != "change" or all(_own(entry, name) for name in names)
    return bool(names) and all(_own(entry, name) for name in names)


def _own(entry: Taught, name: str) -> str:
    """A class's name in an entry: itself, or another name of the same thing; "" where the entry does not know it."""
    alike = next((group for group in SYNONYMS if name in group), (name,))
    own = {stems(question_words(subject)): subject for subject in entry.subjects}
    for each in (name, *alike):
        if (found := own.get(stems(question_words(each)))) is not None:
            return found
    return ""


def question_words(question: str) -> tuple[str, ...]:
    """Lower-case words; punctuation, surrogates and control characters part them."""
    text = question[: 40 * LONGEST].lower()
    return tuple(match[0].replace("’", "'") for _, match in zip(range(LONGEST), _WORD.finditer(text), strict=False))


def stem(word: str) -> str:
    """The singular by the regular rules, so that "ships" and "ship" are one word."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def stems(words: Iterable[str]) -> tuple[str, ...]:
    """Each word's stem."""
    return tuple(map(stem, words))


def _list_start(question: str) -> int | None:
    """The word at which "Map the land cover: water, built area" turns from its wish to a list of names; None: nowhere.

    A name in the list may hold a cue ("built area", "shared path") and wants nothing by it.
    """
    head, colon, _ = question[: 40 * LONGEST].partition(":")
    words = question_words(head)
    return len(words) if colon and any(_matches(words, _cues(), {}, least=1)) else None


def _phrases(known: Sequence[Taught]) -> dict[tuple[str, ...], str]:
    """Every name that was taught for these sensors, and the other names of the same things."""
    names = [name for entry in known for name in (entry.name, *entry.subjects) if name and name != ANYTHING]
    phrases = {stems(question_words(name)): name for name in reversed(names)}
    unions = {name: stems(question_words(name)) for name, parts in UNIONS.items() if set(parts) <= set(names)}
    phrases = {words: name for name, words in unions.items()} | phrases
    for group in SYNONYMS:
        alike = [stems(question_words(name)) for name in group]
        first = next((phrases[each] for each in alike if each in phrases), None)
        if first is not None:
            phrases |= {each: first for each in alike if each not in phrases}
    changes = [entry.subjects[0] for entry in known if entry.task == "change" and entry.subjects]
    if changes:  # a change of whatever kind
        phrases.setdefault(("change",), changes[0])
    phrases.setdefault(("land", "cover"), "")  # the legend, whatever its name
    return phrases


@functools.cache
def _cues() -> dict[tuple[str, ...], str]:
    return {question_words(cue): kind for kind, cues in reversed(CUES) for cue in cues}


@functools.cache
def cue_words() -> frozenset[str]:
    """Every word that is part of a cue."""
    return frozenset(word for cue in _cues() for word in cue)


def _matches(
    words: Sequence[str], phrases: dict[tuple[str, ...], str], taken: dict[int, str], *, least: int
) -> Iterable[tuple[int, int, str]]:
    """(place, words, meaning) of the phrases, longest first at each place; what was taken before is passed over."""
    longest = max(map(len, phrases), default=0)
    for place in range(len(words)):
        for size in range(min(longest, len(words) - place), least - 1, -1):
            meaning = phrases.get(tuple(words[place : place + size]))
            if meaning is not None and not any(place + i in taken for i in range(size)):
                yield place, size, meaning
                break


def _take(taken: dict[int, str], place: int, size: int) -> bool:
    taken.update(dict.fromkeys(range(place, place + size), ""))
    return True


def _runs(words: Sequence[str], taken: dict[int, str]) -> tuple[str, ...]:
    """Neighbouring words that are neither taken nor silent."""
    runs: list[list[str]] = []
    before = -2
    for place, word in enumerate(words):
        if place in taken or word in SILENT:
            continue
        if place == before + 1:
            runs[-1].append(word)
        else:
            runs.append([word])
        before = place
    return tuple(dict.fromkeys(" ".join(run) for run in runs))
