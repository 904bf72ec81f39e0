"""The labels, their two layers and the tags that the model predicts.

The entity layer holds OFFICIAL, POST, ADDRESSEE and TARGET; the clause layer holds DIRECTIVE. Spans of one layer never
overlap; across the layers they may. A token classifier gives one tag a token, so a tag is a pair of IOB2 tags, one a
layer, written `clause|entity`: `B-DIRECTIVE|O`, `I-DIRECTIVE|B-TARGET`, `O|I-POST`; `O` alone where both are O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CLAUSE_LABELS = ("DIRECTIVE",)
ENTITY_LABELS = ("OFFICIAL", "POST", "ADDRESSEE", "TARGET")
LABELS = ENTITY_LABELS + CLAUSE_LABELS
LAYERS = (CLAUSE_LABELS, ENTITY_LABELS)

#: The issuer of words that the text gives to a meeting, a body or a document.
MEETING = "会议"
#: A span never begins or ends with one of these or with white space (guidelines, preamble).
EDGE_PUNCTUATION = frozenset("，。；：！？、,;:!?@|")
#: Before one of these, white space or the end of its line a DIRECTIVE ends, and nowhere else (guidelines, DIRECTIVE).
CLOSING_PUNCTUATION = EDGE_PUNCTUATION | frozenset(".…—”’\"'）)】］]』」")
#: A span never contains one of these: what str.splitlines() takes for a line break.
LINE_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def is_pictograph(char: str) -> bool:
    """Emoji and dingbats, but none of the shapes that stand for a character that is lost (□) or a nought (○)."""
    return "\u2600" <= char <= "\u27bf" or "\u2b00" <= char <= "\u2bff" or "\U0001f000" <= char <= "\U0001faff"


def layer_of(label: str) -> int:
    """0 for the clause layer, 1 for the entity layer. Raises ValueError for a label that is not one of LABELS."""
    for layer, labels in enumerate(LAYERS):
        if label in labels:
            return layer
    raise ValueError(f"unknown label {label!r}: it is one of {', '.join(LABELS)}")


def _iob2(labels: Sequence[str]) -> list[str]:
    return ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]


def join(clause: str, entity: str) -> str:
    """The tag of a pair: ('B-DIRECTIVE', 'O') -> 'B-DIRECTIVE|O', ('O', 'O') -> 'O'."""
    return "O" if clause == entity == "O" else f"{clause}|{entity}"


def split(tag: str) -> tuple[str, str]:
    """The pair of a tag, the inverse of `join`. Raises ValueError for a tag that is not one of TAGS."""
    if tag not in TAG_IDS:
        raise ValueError(f"unknown tag {tag!r}: expected 'O' or a pair such as 'I-DIRECTIVE|B-TARGET'")
    if tag == "O":
        return "O", "O"
    clause, entity = tag.split("|")
    return clause, entity


#: Labels whose spans are phrases: they consist of words, and several in a list are one span. Names are neither.
PHRASES = ("POST", "ADDRESSEE", "TARGET")
#: Labels whose spans never touch: something always stands between two of them. Names in a list may.
SEPARATE = ("DIRECTIVE", *PHRASES)

#: All pairs that can occur. Only a TARGET may begin before a clause and go on into it (its deadline is often a clause
#: of its own: 到2027年，覆盖率达到90%), so for the other labels the pair of B-DIRECTIVE with I- is left out.
TAGS = tuple(
    join(clause, entity)
    for clause in _iob2(CLAUSE_LABELS)
    for entity in _iob2(ENTITY_LABELS)
    if not (clause.startswith("B-") and entity.startswith("I-") and entity != "I-TARGET")
)
TAG_IDS = {tag: i for i, tag in enumerate(TAGS)}


def layer_tags(spans: Iterable[tuple[int, int, str]], length: int) -> list[list[str]]:
    """The IOB2 tags of each layer for spans (start, end, label) of `length` tokens, ends exclusive.

    Raises ValueError when spans of one layer overlap, or when a span is empty or out of range.
    """
    layers = [["O"] * length for _ in LAYERS]
    for start, end, label in spans:
        layer = layers[layer_of(label)]
        if not 0 <= start < end <= length:
            raise ValueError(f"{label} [{start}, {end}) is empty or outside of [0, {length})")
        if any(tag != "O" for tag in layer[start:end]):
            raise ValueError(f"{label} [{start}, {end}) overlaps a span of its own layer")
        layer[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return layers


def encode(spans: Iterable[tuple[int, int, str]], length: int) -> list[str]:
    """The tags, one a token, of spans (start, end, label). Raises ValueError as `layer_tags` does."""
    return [join(clause, entity) for clause, entity in zip(*layer_tags(spans, length), strict=True)]


def decode(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Spans (start, end, label) of a valid sequence of tags, sorted; the inverse of `encode`.

    Raises ValueError when an I- tag goes on with nothing (IOB2, strict).
    """
    spans = []
    for layer in range(len(LAYERS)):
        column = [split(tag)[layer] for tag in tags] + ["O"]
        start, label = 0, ""
        for i, tag in enumerate(column):
            if tag.startswith("I-"):
                if tag[2:] != label:
                    raise ValueError(f"tag {i} is {tag!r} but no {tag[2:]} is open there")
                continue
            if label:
                spans.append((start, i, label))
            start, label = i, tag[2:]
    return sorted(spans, key=lambda span: (span[0], -span[1], span[2]))
