"""What a folder says of its model, whichever runtime computes it: tokenizer, labels, positions, temperature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from duban.labels import TAGS

#: The model that comes with the package.
DEFAULT = Path(__file__).parent / "default"
#: What every runtime needs of a model of the Hub; no pickles.
DESCRIPTION = ("config.json", "tokenizer.json", "tokenizer_config.json")
#: Of each runtime the weights, beside those.
ONNX, SAFETENSORS = "onnx/model.onnx", "*.safetensors"


class Special(NamedTuple):
    """Ids of the tokens that stand around a row (`cls`, `sep`) and behind it (`pad`)."""

    cls: int
    sep: int
    pad: int


@dataclass(frozen=True)
class Checkpoint:
    """A token classifier without its weights.

    `columns` (tags,) are the model's outputs in the order of `duban.labels.TAGS`; `positions` bounds a row, [CLS] and
    [SEP] included; `temperature` divides the logits before scores are computed.
    """

    tokenizer: Tokenizer
    special: Special
    columns: np.ndarray
    positions: int
    temperature: float

    @classmethod
    def of(cls, config: Mapping[str, Any], tokenizer: Tokenizer, tokens: Mapping[str, Any], name: str) -> Checkpoint:
        """The checkpoint of a model.

        Args:
            config: what its config.json holds.
            tokenizer: its tokenizer, which from now on reads texts whole.
            tokens: its special tokens, as tokenizer_config.json names them; BERT's own for those not there.
            name: what errors call it.

        Raises:
            OSError: when the tokenizer does not fit the model.
            ValueError: when the model has other labels than TAGS.
        """
        label2id = {str(label): int(i) for i, label in (config.get("id2label") or {}).items()}
        if set(label2id) != set(TAGS):
            its = f"the labels {', '.join([*label2id][:5])}, …" if label2id else "no labels"
            raise ValueError(
                f"the model {name!r} has {its}; duban reads "
                f"models trained by its train.py, whose {len(TAGS)} labels begin {', '.join(TAGS[:4])}"
            )
        written = [tokens.get(f"{key}_token") or f"[{key.upper()}]" for key in Special._fields]
        found = [tokenizer.token_to_id(t["content"] if isinstance(t, dict) else t) for t in written]
        ids = [i for i in found if i is not None]
        if tokenizer.get_vocab_size() > config["vocab_size"] or len(ids) < len(found):
            raise OSError(f"the tokenizer at {name!r} does not fit its model; save both into one folder")
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # "[SEP]" in a text is five characters like others
        return cls(
            tokenizer,
            Special(*ids),
            np.array([label2id[tag] for tag in TAGS]),
            int(config["max_position_embeddings"]),
            float(config.get("calibration_temperature", 1.0)),
        )

    @classmethod
    def read(cls, folder: Path, name: str) -> Checkpoint:
        """The checkpoint in a folder. Raises OSError for a file that is missing or broken, else as `of` does."""
        if not (folder / "tokenizer.json").is_file():
            raise OSError(f"no tokenizer at {name!r}: save its tokenizer.json beside the model, as train.py does")
        try:
            config = json.loads((folder / "config.json").read_text("utf-8"))
            described = folder / "tokenizer_config.json"
            tokens = json.loads(described.read_text("utf-8")) if described.is_file() else {}
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises nothing narrower
            raise no_model(name, error) from error
        return cls.of(config, tokenizer, tokens, name)


def no_model(name: str, why: object) -> OSError:
    """The error of a model that is not there, or broken."""
    return OSError(
        f"no model at {name!r}: expected a folder or Hub id with config, tokenizer and weights "
        f"({' '.join(str(why).split())})"
    )


def fetch(name: str, revision: str | None, *files: str) -> Path:
    """The folder of a model: itself, or what the Hub has of these files (patterns, besides DESCRIPTION), in the cache.

    Raises OSError when there is neither; the message says what was looked for.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silent = are_progress_bars_disabled()
    disable_progress_bars()  # a library prints nothing
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*DESCRIPTION, *files]))
    except (OSError, ValueError) as error:
        raise no_model(name, error) from error
    finally:
        if not silent:
            enable_progress_bars()
