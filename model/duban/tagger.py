"""The tagger: texts in, Documents out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from duban.attribution import assemble
from duban.decode import Line, ScoredSpan, clamp, decode_lines
from duban.document import Document, Span
from duban.labels import TAGS
from duban.names import settle
from duban.tokens import WINDOW, Tokens, tokenise, window_of, windows

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: The model that comes with the package.
DEFAULT = Path(__file__).parent / "default"
#: `stream` takes in texts until it has this many characters for each place in a batch.
_CHARACTERS_A_PLACE = 8 * WINDOW


class Tagger:
    """A token classifier with its tokenizer. Made by `duban.load`.

    Args:
        model: a token classifier whose labels are the tags of `duban.labels.TAGS`, in any order.
        tokenizer: its fast tokenizer.
        device: where it runs, as torch names devices.
        batch_size: windows (of at most 256 tokens) that the model reads at once.

    Raises:
        ValueError: when the model has other labels, or the batch size is below 1.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: str = "cpu", batch_size: int = 16
    ) -> None:
        import torch

        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, it must be at least 1")
        label2id = {str(label): int(i) for i, label in (model.config.id2label or {}).items()}
        if set(label2id) != set(TAGS):
            raise ValueError(
                f"the model {model.config._name_or_path!r} has the labels {', '.join([*label2id][:5])}, …; duban reads "
                f"models trained by its train.py, whose {len(TAGS)} labels begin {', '.join(TAGS[:4])}"
            )
        self.model = model.eval()
        self.model.to(torch.device(device))
        self.tokenizer = tokenizer
        self.device = device
        self.batch_size = batch_size
        #: Divides the logits before scores are computed; fitted on the dev split by train.py.
        self.temperature = float(getattr(model.config, "calibration_temperature", 1.0))
        self._columns = [label2id[tag] for tag in TAGS]
        self._window = window_of(model.config.max_position_embeddings)

    @overload
    def predict(self, texts: str) -> Document: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, texts: Iterable[str]) -> list[Document]: ...
    def predict(self, texts: str | Iterable[str]) -> Document | list[Document]:
        """One text gives a Document; several give a list of them, in the same order and of the same length.

        Texts of any length are read whole, in windows that overlap; an empty text gives an empty Document.

        Raises:
            TypeError: when an item is not a str; it says which.
        """
        if isinstance(texts, str):
            return next(self.stream([texts]))
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str]) -> Iterator[Document]:
        """Documents of any iterable of texts, lazily, in order, in constant memory.

        Raises:
            TypeError: when an item is not a str, once the Documents before it have been given out.
        """
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
            raise TypeError(f"expected an iterable of str, got {type(texts).__name__}; for one text call predict(text)")
        pending: list[str] = []
        size = 0
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                yield from self._documents(pending)
                raise TypeError(f"item {i} is {type(text).__name__} ({text!r:.60}), expected str")
            pending.append(text)
            size += len(text)
            if size >= _CHARACTERS_A_PLACE * self.batch_size or len(pending) >= 64 * self.batch_size:
                yield from self._documents(pending)
                pending, size = [], 0
        yield from self._documents(pending)

    def _documents(self, texts: list[str]) -> Iterator[Document]:
        tokenised = [tokenise(text, self.tokenizer) for text in texts]
        return self.documents(texts, tokenised, self.logits(tokenised))

    def documents(self, texts: list[str], tokenised: list[Tokens], logits: list[np.ndarray]) -> Iterator[Document]:
        """Documents of texts, their tokens and their logits: (tokens, tags) each, as `logits` gives them."""
        decoded = self._decode(tokenised, logits)
        for i, (text, tokens) in enumerate(zip(texts, tokenised, strict=True)):
            names = settle(tokens, logits[i], decoded[i], self.temperature)
            if names != [span for span in decoded[i] if span.label == "OFFICIAL"]:
                clamped = logits[i].copy()
                for name in names:
                    clamp(clamped, name.start, name.end, name.label)
                scores = {name[:3]: name.score for name in names}
                decoded[i] = [
                    span._replace(score=scores.get(span[:3], span.score))
                    for span in self._decode([tokens], [clamped])[0]
                ]
            spans = []
            for span in decoded[i]:
                start, end = tokens.to_given(span.start, span.end)
                spans.append(Span(span.label, start, end, text[start:end], round(span.score, 4)))
            yield assemble(text, spans, tokens.normalised)

    def _decode(self, tokenised: list[Tokens], logits: list[np.ndarray]) -> list[list[ScoredSpan]]:
        """The spans of each text, in its tokens; the lines of all texts are decoded together."""
        lines = [(i, a, b) for i, tokens in enumerate(tokenised) for a, b in tokens.lines]
        cut = [Line(logits[i][a:b], tokenised[i].edges[a:b], tokenised[i].closes[a:b]) for i, a, b in lines]
        decoded = decode_lines(cut, self.temperature)
        spans: list[list[ScoredSpan]] = [[] for _ in tokenised]
        for (i, first, _), found in zip(lines, decoded, strict=True):
            spans[i] += [span._replace(start=first + span.start, end=first + span.end) for span in found]
        return spans

    def logits(self, tokenised: list[Tokens]) -> list[np.ndarray]:
        """For each tokenised text its logits (tokens, tags), float32, tags in the order of TAGS.

        Windows of all texts are read together, longest first, so that a batch holds little padding.
        """
        import torch

        out = [np.zeros((len(tokens), len(TAGS)), dtype=np.float32) for tokens in tokenised]
        jobs = [(i, window) for i, tokens in enumerate(tokenised) for window in windows(len(tokens), *self._window)]
        jobs.sort(key=lambda job: job[1].start - job[1].end)
        for k in range(0, len(jobs), self.batch_size):
            batch = jobs[k : k + self.batch_size]
            inputs = self._inputs([tokenised[i].ids[w.start : w.end] for i, w in batch])
            with torch.inference_mode():
                scores = self.model(**inputs).logits.float().cpu().numpy()
            for (i, w), row in zip(batch, scores, strict=True):
                kept = row[1 + w.keep_start - w.start : 1 + w.keep_end - w.start]  # after [CLS]
                out[i][w.keep_start : w.keep_end] = kept[:, self._columns]
        return out

    def _inputs(self, rows: list[np.ndarray]) -> dict[str, torch.Tensor]:
        """Token ids with [CLS] and [SEP] around them, padded to the longest of the batch, on the device."""
        return {name: t.to(self.device) for name, t in pad(rows, self.tokenizer).items()}


def pad(rows: list[np.ndarray], tokenizer: PreTrainedTokenizerBase) -> dict[str, torch.Tensor]:
    """A batch for a BERT: `input_ids` and `attention_mask`, (rows, longest + 2) int64, with [CLS] and [SEP]."""
    import torch

    longest = max(map(len, rows)) + 2
    ids = np.full((len(rows), longest), tokenizer.pad_token_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row) + 2] = [tokenizer.cls_token_id, *row, tokenizer.sep_token_id]
        mask[i, : len(row) + 2] = 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def load(
    source: str | Path | None = None, *, device: str = "auto", batch_size: int = 16, revision: str | None = None
) -> Tagger:
    """A Tagger from the model that comes with duban, a folder, or a model of the Hugging Face Hub.

    Args:
        source: a folder or a Hub id; None for the default model.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:N" or "mps".
        batch_size: windows that the model reads at once.
        revision: branch, tag or commit of the Hub model.

    Raises:
        OSError: when there is no such folder or model; the message says what was looked for.
        ValueError: for a device that this machine lacks, or a model with other labels.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from transformers.utils import logging

    name = str(DEFAULT if source is None else source)
    place = _device(device)
    kwargs: dict[str, Any] = {"revision": revision or "main", "trust_remote_code": False}
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a library prints nothing
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **kwargs)
        model = AutoModelForTokenClassification.from_pretrained(
            name, dtype=torch.float32, use_safetensors=True, **kwargs
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        why = " ".join(str(error).split())
        raise OSError(
            f"no model at {name!r}: expected a folder or Hub id with config, tokenizer and safetensors ({why})"
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()
    if len(tokenizer) > model.config.vocab_size or None in (tokenizer.cls_token_id, tokenizer.sep_token_id):
        raise OSError(f"the tokenizer at {name!r} does not fit its model; save both into one folder")
    if len(tokenizer) < 100:  # what transformers makes up where a folder has none
        raise OSError(f"no tokenizer at {name!r}: save it beside the model, as train.py does")
    return Tagger(model, tokenizer, place, batch_size)


def _device(device: str) -> str:
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = device.partition(":")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind not in there or (number and not number.isdecimal()) or (number and kind != "cuda"):
        raise ValueError(f"unknown device {device!r}: expected 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'")
    if int(number or 0) >= there[kind]:
        raise ValueError(
            f"device {device!r} is not on this machine, which has {there['cuda']} CUDA devices; try 'auto'"
        )
    return device


@cache
def default() -> Tagger:
    """The Tagger that `duban.predict` uses: the default model on the best device, loaded at the first call."""
    return load()
