"""What `predict` returns: a Document and what it holds, offsets in code points of the text as given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled part of the text: `text` is `document.text[start:end]`, `score` the probability that it is right."""

    label: str
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Official:
    """A person: the name as first written, the distinct titles given to it, and every mention."""

    name: str
    posts: tuple[str, ...]
    mentions: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """An end by which one can check; `directive` is the offsets (start, end) of the clause it lies in, or None."""

    text: str
    start: int
    end: int
    score: float
    directive: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Directive:
    """An ordered clause: by whom (a name as in the text, `会议`, or None), of whom, and to what end."""

    text: str
    start: int
    end: int
    score: float
    issuer: str | None
    issuer_posts: tuple[str, ...]
    addressee: Span | None
    targets: tuple[Target, ...]


def _lists(value: Any) -> Any:
    """The same with tuples as lists."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


@dataclass(frozen=True, slots=True)
class Document:
    """A report that was read. `spans` are sorted by start; officials, directives and targets are made of them."""

    text: str
    spans: tuple[Span, ...] = ()
    officials: tuple[Official, ...] = ()
    directives: tuple[Directive, ...] = ()
    targets: tuple[Target, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, ints and floats: what json.loads(json.dumps(…)) of it gives."""
        return _lists(asdict(self))

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Document:
        """The Document that `to_dict` gave, before or after a trip through JSON. Raises KeyError for a missing key."""

        def target(t: dict[str, Any]) -> Target:
            return Target(**{**t, "directive": None if t["directive"] is None else tuple(t["directive"])})

        def directive(d: dict[str, Any]) -> Directive:
            addressee = None if d["addressee"] is None else Span(**d["addressee"])
            targets = tuple(map(target, d["targets"]))
            return Directive(
                **{**d, "issuer_posts": tuple(d["issuer_posts"]), "addressee": addressee, "targets": targets}
            )

        return cls(
            text=record["text"],
            spans=tuple(Span(**s) for s in record["spans"]),
            officials=tuple(
                Official(o["name"], tuple(o["posts"]), tuple(Span(**m) for m in o["mentions"]))
                for o in record["officials"]
            ),
            directives=tuple(map(directive, record["directives"])),
            targets=tuple(map(target, record["targets"])),
        )

    def to_html(self) -> str:
        """The text as an HTML fragment with its spans coloured; everything is escaped."""
        from duban.render import to_html

        return to_html(self)

    def _repr_html_(self) -> str:
        return self.to_html()
