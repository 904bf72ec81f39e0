"""duban (督办): who ordered what, of whom, to what end, in reports of Chinese government and Party meetings.

>>> import duban
>>> doc = duban.predict("县委书记孙志强调，各乡镇要守住安全底线。")
>>> doc.directives[0].issuer
'孙志'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload

from duban.document import Directive, Document, Official, Span, Target
from duban.models import default, load
from duban.tagger import Tagger

__version__ = "0.7.0"
__all__ = ["Directive", "Document", "Official", "Span", "Tagger", "Target", "load", "predict"]


@overload
def predict(texts: str) -> Document: ...  # type: ignore[overload-overlap]
@overload
def predict(texts: Iterable[str]) -> list[Document]: ...
def predict(texts: str | Iterable[str]) -> Document | list[Document]:
    """Read one text (a str gives a Document) or several (an iterable gives a list) with the default model.

    Whether it is one text or many is told by the type. See `Tagger.predict`, which this calls.
    """
    return default().predict(texts)
