"""Say how much the composed reports repeat each other, the most alike first.

    python data/sameness.py                                  # the reports of data/annotations
    python data/sameness.py --most 20

Counts, for each report, the share of its runs of 8 characters (Han characters and digits alone) that stand in another
composed report too. Set phrases and slogans stand in many; a high share says that two came from one mould.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from duban import corpus
from duban.corpus import COMPOSED, Report

ROOT = Path(__file__).resolve().parent.parent
RUN = 8


def runs(text: str) -> set[str]:
    """The runs of RUN characters of a text, of its Han characters and digits alone."""
    kept = "".join(c for c in text if "\u4e00" <= c <= "\u9fff" or c.isdigit())
    return {kept[i : i + RUN] for i in range(len(kept) - RUN + 1)}


def sameness(reports: Sequence[Report]) -> list[tuple[float, str, str, int]]:
    """Share of its runs that stand in others, id, the likest other's id, runs shared with that; highest first."""
    of = {report.id: runs(report.text) for report in reports}
    holders: dict[str, list[str]] = defaultdict(list)
    for id_, its in of.items():
        for run in its:
            holders[run].append(id_)
    found = []
    for id_, its in of.items():
        shared = [run for run in its if len(holders[run]) > 1]
        others = Counter(other for run in shared for other in holders[run] if other != id_)
        likest, count = others.most_common(1)[0] if others else ("", 0)
        found.append((len(shared) / max(len(its), 1), id_, likest, count))
    return sorted(found, reverse=True)


def main() -> None:
    """Print the mean and the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "annotations")
    parser.add_argument("--most", type=int, default=10, help="how many to list")
    args = parser.parse_args()
    rows = sameness([r for r in corpus.load(args.data) if r.source == COMPOSED])
    shares = [share for share, *_ in rows]
    mean = 100 * sum(shares) / len(shares)
    print(f"Of the runs of {RUN} characters in one of {len(rows)} composed reports {mean:.1f} % stand in another.\n")
    print("| report | share | likest | runs shared with it |\n|---|---|---|---|")
    for share, id_, likest, count in rows[: args.most]:
        print(f"| {id_} | {100 * share:.1f} % | {likest} | {count} |")


if __name__ == "__main__":
    main()
