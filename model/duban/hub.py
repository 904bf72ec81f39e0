"""Publish a model or the corpus on the Hugging Face Hub: everything is checked first, then sent as one commit.

A model's card and evaluation are README.md and evaluation.json of its folder, or else model_card.md and
eval/results.json of the checkout that duban runs from. `ORG/NAME` in a card stands for the id published under.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DatasetCard, HfApi, ModelCard
from huggingface_hub.errors import HTTPError, RepositoryNotFoundError  # type: ignore[attr-defined]
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
from safetensors import SafetensorError, safe_open

from duban import __version__, corpus
from duban.checkpoint import DEFAULT
from duban.models import load

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = "model.safetensors"
MODEL = ("config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json")
#: What a card must say for the Hub to list and show it rightly.
METADATA = {
    "model": ("language", "license", "library_name", "pipeline_tag"),
    "dataset": ("language", "license", "configs"),
}
_STAND_IN = "ORG/NAME"


class PublishError(Exception):
    """What stands in the way of publishing, in one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What is to be published: `files` by their path on the Hub, and `owned`, the paths that publishing decides on.

    Files on the Hub under an owned path (a name, or a folder ending in /) that are not in `files` are removed.
    """

    repo: str
    kind: str
    files: dict[str, Path | bytes]
    owned: tuple[str, ...]

    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(f) if isinstance(f, bytes) else f.stat().st_size for f in self.files.values())


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def parameters(weights: Path) -> int:
    """How many parameters a safetensors file holds. Raises PublishError when the file is not whole."""
    try:
        with safe_open(weights, framework="numpy") as tensors:
            return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise PublishError(f"{weights} is not a whole safetensors file ({error}); save the model again") from None


def model(repo: str, folder: Path = DEFAULT) -> Upload:
    """A model folder, checked.

    Raises:
        PublishError: when a file is missing or broken, the model does not load, the card's metadata is not what the
            Hub expects, or the evaluation is of another model.
    """
    _check_id(repo)
    missing = [name for name in MODEL if not (folder / name).is_file()]
    if missing:
        raise PublishError(
            f"{folder} lacks {', '.join(missing)}; name a folder that train.py saved, as runs/train/model"
        )
    parameters(folder / WEIGHTS)
    card, evaluation = folder / "README.md", folder / "evaluation.json"
    if not card.is_file():
        card, evaluation = ROOT / "model_card.md", ROOT / "eval" / "results.json"
        _check_figures(f"no card: write {folder / 'README.md'}, or run this in a checkout of duban, which has one")
    try:
        measured = json.loads(evaluation.read_text("utf-8"))["about"]["weights"]
    except (OSError, ValueError, LookupError) as error:
        again = f"python eval/evaluate.py --model {folder} --out {evaluation}"
        raise PublishError(f"{evaluation} is no evaluation ({type(error).__name__}); write it with {again}") from error
    if measured != fingerprint(folder / WEIGHTS):
        raise PublishError(
            f"{evaluation} measured another model than {folder}: run python eval/evaluate.py --model {folder}, then "
            "python eval/card.py"
        )
    try:
        load(folder, device="cpu")
    except (OSError, ValueError) as error:
        raise PublishError(str(error)) from error
    optional = [path for path in (folder / "training.json", *sorted((folder / "onnx").glob("*"))) if path.is_file()]
    files: dict[str, Path | bytes] = {name: folder / name for name in MODEL}
    files |= {path.relative_to(folder).as_posix(): path for path in optional}
    files |= {"README.md": _card(card, repo, "model"), "evaluation.json": evaluation}
    return Upload(repo, "model", files, (*MODEL, "README.md", "evaluation.json", "training.json", "onnx/"))


def dataset(repo: str, folder: Path = ROOT / "data") -> Upload:
    """The annotated corpus, checked; on the Hub a file a split, real news without its text.

    Raises:
        PublishError: when there is no corpus, a record breaks the format, or a news record carries text.
    """
    _check_id(repo)
    annotations = folder / "annotations"
    if not annotations.is_dir():
        raise PublishError(f"no corpus at {folder}: an installed duban carries none; run this in a checkout of duban")
    try:
        corpus.load(annotations)
    except (corpus.AnnotationError, FileNotFoundError) as error:
        raise PublishError(str(error)) from error
    _check_figures(f"no cards beside {folder}; run this in a checkout of duban")
    lines: dict[str, list[str]] = {split: [] for split in corpus.SPLITS}
    for where, record in corpus.records(annotations):
        if record["source"] != corpus.COMPOSED and record["text"] is not None:
            raise PublishError(f"{where}: the text of {record['id']} is its publisher's; make it null")
        lines[record["split"]].append(json.dumps(record, ensure_ascii=False) + "\n")
    files: dict[str, Path | bytes] = {
        f"annotations/{split}.jsonl": "".join(rows).encode() for split, rows in lines.items()
    }
    files |= {f"annotations/{path.name}": path for path in sorted(annotations.glob("*.md"))}
    files |= {"README.md": _card(folder / "README.md", repo, "dataset"), "join_news.py": folder / "join_news.py"}
    return Upload(repo, "dataset", files, ("README.md", "join_news.py", "annotations/"))


def send(upload: Upload, *, private: bool = False, revision: str | None = None, token: str | None = None) -> str:
    """Publish in one commit; all of it is there afterwards, or none.

    Args:
        upload: what `model` or `dataset` gave.
        private: whether a repository that is made now is private.
        revision: the branch, made when absent; None for main.
        token: of an account that may write there; None for HF_TOKEN or the one that `hf auth login` stored.

    Returns:
        The address of the commit.

    Raises:
        PublishError: when the Hub cannot be reached or refuses; it says what was left behind, if anything.
    """
    api = HfApi(token=token)
    made: list[str] = []
    try:
        try:
            there = api.repo_info(upload.repo, repo_type=upload.kind)
        except RepositoryNotFoundError:
            api.create_repo(upload.repo, repo_type=upload.kind, private=private)
            made.append(f"the {upload.kind} {upload.repo} was made and is empty")
        else:
            if private and not there.private:
                raise PublishError(f"{upload.repo} is there already and public: make it private in its settings first")
        if revision and not api.revision_exists(upload.repo, revision, repo_type=upload.kind):
            api.create_branch(upload.repo, branch=revision, repo_type=upload.kind)
            made.append(f"the branch {revision} was made and holds nothing new")
        old = api.list_repo_files(upload.repo, revision=revision, repo_type=upload.kind)
        stale = [path for path in old if path not in upload.files and _is_owned(path, upload.owned)]
        commit = api.create_commit(
            upload.repo,
            [
                *(CommitOperationAdd(path, file) for path, file in upload.files.items()),
                *(CommitOperationDelete(path) for path in stale),
            ],
            commit_message=f"Publish with duban {__version__}",
            repo_type=upload.kind,
            revision=revision,
        )
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        left = f" Nothing was published; {' and '.join(made)}." if made else " Nothing was published."
        raise PublishError(f"{_advice(error, upload, api.endpoint)}{left}") from error
    return commit.commit_url


def _advice(error: Exception, upload: Upload, endpoint: str) -> str:
    """What went wrong at the Hub and what to do, a sentence."""
    response = getattr(error, "response", None)
    told = getattr(error, "server_message", None) or " ".join(str(error).split())
    match getattr(response, "status_code", None):
        case 401:
            return (
                f"{endpoint} does not take this token, or was given none: make one that may write at "
                f"{endpoint}/settings/tokens and give it with hf auth login, HF_TOKEN or --token."
            )
        case 403:
            return f"this token may not write to {upload.repo}: use one that may, or publish under another name."
        case int() as status:
            return f"{endpoint} answered {status}: {told}. Try again later if it is not yours to mend."
    if isinstance(error, ValueError):
        return f"the Hub does not take the card or the name: {told}."
    return f"{endpoint} could not be reached, or the connection broke ({told or type(error).__name__}): run it again."


def _check_id(repo: str) -> None:
    try:
        validate_repo_id(repo)
    except ValueError as error:
        raise PublishError(f"{repo!r} is no id of the Hub: {error}") from None
    if "/" not in repo:
        raise PublishError(f"{repo!r} names no owner: give ORG/NAME, as my-university/{repo}")


def _check_figures(absent: str) -> None:
    """Whether the cards of the checkout show the figures of its evaluation."""
    script = ROOT / "eval" / "card.py"
    if not script.is_file():
        raise PublishError(absent)
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    if done.returncode:
        raise PublishError(" ".join(done.stderr.split()[-60:]))


def _card(path: Path, repo: str, kind: str) -> bytes:
    """A card with its id filled in, its metadata checked as far as that goes offline."""
    text = path.read_text("utf-8").replace(_STAND_IN, repo)
    try:
        data = (ModelCard if kind == "model" else DatasetCard)(text).data.to_dict()
    except ValueError as error:
        raise PublishError(f"{path}: {error}") from None
    missing = [key for key in METADATA[kind] if key not in data]
    if missing:
        raise PublishError(f"{path}: the metadata between its --- lines lacks {', '.join(missing)}")
    return text.encode()


def _is_owned(path: str, owned: tuple[str, ...]) -> bool:
    return any(path.startswith(name) if name.endswith("/") else path == name for name in owned)
