"""Bytes → the encoding they are in: UTF-8, UTF-16, GB18030 or Big5."""

from __future__ import annotations

import codecs

from duban.text import normalise

#: What stands for bytes that the encoding of a file cannot give, in a text opened with `errors=MARK_ERRORS`: a lone
#: surrogate, which no valid text has.
BROKEN = "\udcff"
MARK_ERRORS = "duban.mark"
codecs.register_error(MARK_ERRORS, lambda error: (BROKEN, getattr(error, "end")))  # noqa: B009 (any UnicodeError)

#: Characters by which two readings are compared; more would not change the answer.
_COMPARED = 100_000


def decode(data: bytes) -> str:
    """The text of a whole file. Raises ValueError as `encoding_of` does."""
    return data.decode(encoding_of(data))


def encoding_of(data: bytes, *, lines: bool = False) -> str:
    """The codec of a file: UTF-8 where it is valid, UTF-16 with a byte order mark, else GB18030 or Big5.

    General detectors refuse one in a hundred short GB18030 reports, or misread them; but of the two readings of such a
    file only the right one is made of common characters.

    Args:
        data: the whole file, of which one wrong byte rules an encoding out.
        lines: whether it is the first part of a file of records instead; wrong bytes are then their line's own fault,
            the encoding is that of most lines, and the last character may be cut.

    Raises:
        ValueError: when it is none of these; it says where UTF-8 breaks.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, final=not lines)
        return "utf-8-sig"
    except UnicodeDecodeError as error:
        why = f"not UTF-8 (byte {error.start} is 0x{data[error.start]:02x}), nor GB18030 or Big5; convert it to UTF-8"
    if lines and _mostly_utf8(data):
        return "utf-8-sig"
    best, encoding = 0.0, ""
    for candidate in ("gb18030", "big5hkscs"):
        try:
            text = data.decode(candidate, "replace" if lines else "strict")
        except UnicodeDecodeError:
            continue
        share = 0.0 if "\x00" in text else _common(text[:_COMPARED])
        if share > best:
            best, encoding = share, candidate
    if best < 0.5:
        raise ValueError(why)
    return encoding


def _mostly_utf8(data: bytes) -> bool:
    """Whether most lines that tell encodings apart are valid UTF-8."""
    telling = [line for line in data.split(b"\n") if not line.isascii()]
    return 2 * sum(map(_is_utf8, telling)) > len(telling)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _common(text: str) -> float:
    """The share of its non-ASCII characters that are common ones: of the first level of GB 2312, or its punctuation."""
    read = [c for c in normalise(text).text if ord(c) > 127]
    codes = [c.encode("gb2312", "ignore") for c in read]
    return sum(code[:1] <= b"\xd7" for code in codes if code) / max(len(read), 1)
