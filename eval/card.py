"""Write the figures into README.md and the cards of model, data and base, and check that they are the measured ones.

    python eval/card.py             # fill the marked regions
    python eval/card.py --check     # change nothing; name each region that differs, and exit 1 if one does

A region stands between `<!-- figures: NAME -->` and `<!-- /figures -->`; in the metadata of a card between
`# figures: NAME` and `# /figures`. Its text comes from eval/results.json (by evaluate.py), from the scripts of data/,
and, where they are there, from training.json beside the default model, eval/peers.json, speed.json and corpora.json.
The latter three are {"columns": [...], "rows": [[...], ...], "note": "..."}, with further such "tables", each under its
"title", where there are any; eval/trials.json has such "tables" too. A region whose source is absent is left empty.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import tables
from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index
from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]

from duban.checkpoint import DEFAULT
from duban.labels import LABELS

ROOT = Path(__file__).resolve().parent.parent
FILES = ("README.md", "model_card.md", "data/README.md", "model/base/README.md")
REGION = re.compile(r"(<!-- figures: ([\w -]+) -->)(\n?).*?(<!-- /figures -->)", re.DOTALL)
METADATA = re.compile(r"(# figures: ([\w -]+)\n)()(?:.*?\n)??(# /figures)", re.DOTALL)


def read(path: Path) -> dict[str, Any]:
    """A JSON object; empty when the file is absent."""
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


@cache
def results() -> dict[str, Any]:
    """What evaluate.py measured."""
    return read(ROOT / "eval" / "results.json")


def of(show: Callable[[str, Any], str], split: str, part: str | None = None) -> Callable[[], str]:
    """A region that shows the figures of a split."""

    def region() -> str:
        result = results().get(split, {})
        chosen = result if part is None else result.get(part)
        return show(split, chosen) if chosen else ""

    return region


def printed(script: str, needs: str) -> Callable[[], str]:
    """A region that shows what a script prints, when the folder that it needs is there."""

    def region() -> str:
        if not (ROOT / needs).is_dir():
            return ""
        done = subprocess.run(
            [sys.executable, ROOT / script], capture_output=True, text=True, encoding="utf-8", check=True
        )
        return done.stdout.strip()

    return region


def measured(name: str, title: str) -> Callable[[], str]:
    """A section with the tables of a JSON file beside this one."""

    def region() -> str:
        found = read(ROOT / "eval" / name)
        if not found:
            return ""
        parts = [title, tables.table(found["columns"], found["rows"]), found.get("note", "")]
        for further in found.get("tables", []):
            parts += [f"**{further['title']}**", tables.table(further["columns"], further["rows"])]
        return "\n\n".join(filter(None, parts))

    return region


def fast() -> str:
    """The speed in a sentence."""
    found = read(ROOT / "eval" / "speed.json")
    if not found:
        return ""
    rows = [dict(zip(["system", *found["columns"][1:]], row, strict=True)) for row in found["rows"]]
    rates = {(row["system"], row["numbers"]): int(row["median"].replace(",", "")) for row in rows}
    ours = rows[0]
    best: dict[str, int] = {}  # of the pipeline, over its batch sizes
    for (name, form), rate in rates.items():
        if name.startswith("pipeline"):
            best[form] = max(rate, best.get(form, 0))
    beside = " and ".join(
        f"{rates[ours['system'], ours['numbers']] / rate:.1f} times transformers' pipeline in {form}"
        for form, rate in best.items()
    )
    return (
        f"{ours['median']} characters a second, {beside}; a report of 1,000 characters takes {ours['p50 ms']} ms "
        f"(median) or {ours['p95 ms']} ms (95 % of them less), the process {ours['peak MB']} MB at most."
    )


def trials(*titles: str) -> Callable[[], str]:
    """Tables of trials.py, with its note."""

    def region() -> str:
        found = read(ROOT / "eval" / "trials.json")
        chosen = [table for title in titles for table in found.get("tables", []) if table["title"] == title]
        parts = [tables.table(table["columns"], table["rows"]) for table in chosen if len(table["rows"]) > 1]
        return "\n\n".join([*parts, found["note"]]) if parts else ""

    return region


def size() -> str:
    """Parameters and bytes of the measured model."""
    about = results()["about"]
    return f"{about['parameters'] / 1e6:.1f} million parameters ({about['bytes'] / 1e6:.0f} MB)"


def when() -> str:
    """Which model was measured, when."""
    about = results()["about"]
    weights = f"SHA-256 of the weights `{about['weights'][:16]}…`"
    return f"Measured on {about['date']} with duban {about['duban']}; {weights}."


def training() -> str:
    """How the default model was trained, as train.py noted it: the last run first, before it those it went on from."""
    t = read(DEFAULT / "training.json")
    if not t:
        return ""
    told = f"dev F1 {tables.percent(t['dev_f1'])}. Energy was not measured."
    runs = []
    while t:
        hours, cores = t["seconds"] / 3600, t["processes"] * t.get("threads", 1)
        start = f"{t['base']}, averaged with it" if t.get("averaged") else t["base"]
        part = f" of the {t['top']} topmost layers and the classifier" if t.get("top") is not None else ""
        runs.append(
            f"{t['epochs']} epochs{part} over {t['windows']} windows, seed {t['seed']}, rate {t['lr']}, from {start}, "
            f"on {cores} cores ({t['device']}) in {hours:.1f} hours, {hours * cores:.1f} core hours"
        )
        t = t.get("before") or {}
    return f"This model: {'; before that '.join(runs)}; {told}"


def model_index() -> str:
    """The model-index of the Hub: strict seqeval figures of the test split."""
    test = results()["test"]["all"]
    micro = test["labels"]["micro avg"]
    metrics = [(key, f"{key.capitalize()} (micro)", micro[key]) for key in ("precision", "recall", "f1")]
    metrics += [("f1", f"F1 of {label}", test["labels"][label]["f1"]) for label in LABELS]
    metrics.append(("accuracy", "Accuracy of issuers", test["issuer"]["accuracy"]))
    found = [
        EvalResult(
            task_type="token-classification",
            task_name="Officials, posts, addressees, targets and directives",
            dataset_type="ORG/NAME",
            dataset_name="duban corpus",
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=round(value, 4),
            metric_args={"mode": "strict", "scheme": "IOB2"} if kind != "accuracy" else None,
        )
        for kind, name, value in metrics
    ]
    return yaml_dump({"model-index": eval_results_to_model_index("duban", found)}, sort_keys=False)


REGIONS: dict[str, Callable[[], str]] = {
    "summary": of(tables.summary, "test"),
    "dev": of(tables.scores, "dev"),
    "test": of(tables.scores, "test"),
    "dev groups": of(tables.groups, "dev"),
    "test groups": of(tables.groups, "test"),
    "errors": of(tables.errors, "test", "errors"),
    "dev trust": of(tables.trust, "dev"),
    "test trust": of(tables.trust, "test"),
    "size": size,
    "when": when,
    "training": training,
    "peers": measured("peers.json", "### Beside other systems"),
    "fast": fast,
    "speed": measured("speed.json", "## Speed"),
    "corpora": measured("corpora.json", "### Many documents"),
    "encoders": trials("encoders"),
    "trials": trials("ways of training", "learning curve"),
    "model-index": model_index,
    "statistics": printed("data/statistics.py", "data/annotations"),
    "agreement": printed("data/agreement.py", "data/second"),
}


def filled(text: str) -> tuple[str, list[str]]:
    """A text with its regions filled, and the names of those that were different.

    Raises:
        KeyError: for a region of an unknown name.
    """
    changed: list[str] = []

    def fill(match: re.Match[str]) -> str:
        opening, name, newline, closing = match.groups()
        content = REGIONS[name]()
        new = opening + newline + content + ("\n" if newline and content else "") + closing
        if new != match.group():
            changed.append(name)
        return new

    for pattern in (REGION, METADATA):
        text = pattern.sub(fill, text)
    return text, changed


def main() -> int:
    """Fill or check; 1 when a check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if something differs")
    args = parser.parse_args()
    differ = False
    for name in FILES:
        path = ROOT / name
        text, changed = filled(path.read_text("utf-8"))
        if args.check:
            for region in changed:
                print(f"{name}: the region '{region}' differs; run python eval/card.py", file=sys.stderr)
            differ |= bool(changed)
        elif changed:
            path.write_text(text, encoding="utf-8")
            print(f"{name}: {', '.join(changed)}")
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
