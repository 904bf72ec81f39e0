"""Annotate by reading: write reports out as inline mark-up, check what people marked, take it in as JSON Lines.

    python data/annotate.py export 20230117-03 20241125-08 --out work/     # real news to mark, one file a report
    python data/annotate.py check work/*.txt                               # says what is wrong, file by file
    python data/annotate.py import work/*.txt --out data/annotations/x.jsonl

A mark-up file is a head of `# key: value` lines, an empty line, and the report with the marks of `duban.markup` in it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from duban import corpus, formats
from duban.corpus import COMPOSED, Report

ROOT = Path(__file__).resolve().parent.parent
ANNOTATIONS = ROOT / "data" / "annotations"


def read(path: Path, news: dict[str, str]) -> Report:
    """Read a mark-up file. Raises ValueError that says what is wrong: head, marks, hard rules, or a changed text."""
    report = formats.read(path, "markup")[0]
    if report.source != COMPOSED:
        original = news.get(report.id)
        if original is None:
            raise ValueError(f"{path}: the news holds no {report.id}")
        text = report.text
        if text != original:
            at = next((i for i, (a, b) in enumerate(zip(text, original)) if a != b), min(len(text), len(original)))
            raise ValueError(
                f"{path}: text changed at {at}: {text[at - 8 : at + 12]!r} stands for {original[at - 8 : at + 12]!r}"
            )
    return report


def main() -> int:
    """Run the command line; returns 1 when a file has something wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("export", "check", "import"))
    parser.add_argument(
        "items", nargs="+", help="news ids or ids already annotated (export); mark-up files (check, import)"
    )
    parser.add_argument("--out", type=Path, help="a folder (export) or a .jsonl (import)")
    parser.add_argument("--news", type=Path, default=ROOT.parent / "shared" / "news")
    args = parser.parse_args()
    if args.action != "check" and args.out is None:
        parser.error(f"{args.action} needs --out")
    news = corpus.read_news(args.news)
    if args.action == "export":
        done = {report.id: report for report in corpus.load(ANNOTATIONS, args.news)}
        for item in args.items:
            date = f"{item[:4]}-{item[4:6]}-{item[6:8]}"
            if item not in done and item not in news:
                parser.error(f"{item}: neither among the annotated reports at hand nor in the news of {args.news}")
            fresh = Report(item, "xinwenlianbo", news.get(item, ""), date, "meeting", "train", "", "", ())
            formats.write(args.out, "markup", [done.get(item, fresh)])
        return 0
    reports, wrong = [], 0
    for path in map(Path, args.items):
        try:
            reports.append(read(path, news))
        except (ValueError, OSError) as error:
            wrong += 1
            print(error, file=sys.stderr)
    if args.action == "import" and not wrong:
        corpus.save(args.out, reports)
    print(f"{len(reports)} reports in order, {wrong} with something wrong", file=sys.stderr)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
