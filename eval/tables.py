"""The figures of eval/results.json as Markdown: what evaluate.py prints and card.py writes into the cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from duban.labels import LABELS

Result = dict[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def percent(share: float) -> str:
    """0.9163 as 91.6."""
    return f"{100 * share:.1f}"


def interval(score: Result) -> str:
    """The 95 % interval of an F1, as (90.1–93.0); empty where none was computed."""
    low, high = score.get("interval", (None, None))
    return "" if low is None else f" ({percent(low)}–{percent(high)})"


def scores(split: str, result: Result) -> str:
    """Precision, recall and F1 by label: duban on clean and on distorted reports, and the rules."""
    columns = {"duban": result["all"], "duban, distorted": result["distorted"], "rules": result["rules"]}
    rows: list[list[object]] = []
    for label in (*LABELS, "micro avg", "macro avg"):
        found = [column["labels"][label] for column in columns.values()]
        rows.append(
            [
                label,
                f"{found[0]['support']:.0f}",
                *(
                    f"{percent(s['precision'])} / {percent(s['recall'])} / **{percent(s['f1'])}**{interval(s)}"
                    for s in found
                ),
            ]
        )
    issuers = [column["issuer"] for column in columns.values()]
    rows.append(["issuer accuracy", issuers[0]["directives"], *(percent(issuer["accuracy"]) for issuer in issuers)])
    title = f"**{split}: {result['all']['documents']} reports, P / R / F1**"
    return f"{title}\n\n{table(['', 'n', *columns], rows)}"


def summary(split: str, result: Result) -> str:
    """F1 alone by label, for a reader in a hurry."""
    rows = []
    for label in (*LABELS, "micro avg"):
        clean, distorted, rules = (result[name]["labels"][label] for name in ("all", "distorted", "rules"))
        f1 = f"**{percent(clean['f1'])}**{interval(clean)}"
        rows.append([label, f"{clean['support']:.0f}", f1, percent(distorted["f1"]), percent(rules["f1"])])
    issuers = [result[name]["issuer"]["accuracy"] for name in ("all", "distorted", "rules")]
    rows.append(["issuer accuracy", str(result["all"]["issuer"]["directives"]), *map(percent, issuers)])
    head = [f"{split}: {result['all']['documents']} reports", "n", "duban", "duban, distorted", "rules"]
    return table(head, rows)


def groups(split: str, result: Result) -> str:
    """F1 by label of real news and of composed reports, and of each kind of report."""
    rows = [
        [
            name,
            group["documents"],
            *(percent(group["labels"][label]["f1"]) for label in (*LABELS, "micro avg")),
            percent(group["issuer"]["accuracy"]),
        ]
        for name, group in result.items()
        if name.startswith(("real", "composed", "kind"))
    ]
    return table([f"{split} F1", "reports", *LABELS, "micro", "issuer"], rows)


def errors(split: str, result: Result) -> str:
    """What became of the annotated spans of each label, and what was marked where there is none or another."""
    names = {
        "right": "right",
        "edges": "found with other edges",
        "wrong label": "found as another label",
        "missed": "missed",
        "invented": "marked where there is none",
        "for another": "marked for another label",
    }
    rows = [[label, *(of[kind] for kind in names)] for label, of in result.items()]
    return table([f"{split}, spans", *names.values()], rows)


def trust(split: str, result: Result) -> str:
    """How far the scores can be trusted, and how many spans distortion costs."""
    s = result["stability"]
    return (
        f"{split}: expected calibration error {percent(result['all']['calibration_error'])} points; "
        f"of {s['spans']} spans found in clean text {percent(s['lost'])} % are not found in its distorted copy "
        f"(the scores leave room for {percent(s['expected_from_scores'])} %; of those scored 0.9 or more "
        f"{percent(s['lost_of_those_scored_over_0.9'])} %)"
    )
