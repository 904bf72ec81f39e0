"""Show that the cost grows linearly: time(2n) / time(n) on runs of one character or piece, which break other tools.

    python eval/linear.py

Prints, for each, the two times in seconds (the better of two tries) and their ratio; a ratio of 3 or more is a failure.
"""

from __future__ import annotations

import sys
import time

from duban import load

RUNS = (
    "指出，",
    "说说，",
    "孙志强调，要守住底线。",
    "要",
    "，",
    "。",
    "“",
    "(",
    "<",
    "&",
    "<p ",
    "<!--",
    "强(qiáng)",
    "\n",
    "\u3000",
    "\u200b",
    "?",
    "8",
    "·",
    "a",
    "\ud800",
)
LENGTH = 2_000


def main() -> int:
    """Time every run; returns 1 when one grows faster than linearly."""
    tagger = load(device="cpu")
    tagger.predict("要" * 1000)  # warm up
    worst = 0.0
    for run in RUNS:
        seconds = []
        for length in (LENGTH, 2 * LENGTH):
            text = (run * length)[:length]
            tries = []
            for _ in range(2):
                start = time.perf_counter()
                tagger.predict(text)
                tries.append(time.perf_counter() - start)
            seconds.append(min(tries))
        ratio = seconds[1] / seconds[0]
        worst = max(worst, ratio)
        print(f"{run!a:12} {seconds[0]:7.3f} {seconds[1]:7.3f} {ratio:5.2f}")
    print(f"worst ratio {worst:.2f}")
    return int(worst >= 3)


if __name__ == "__main__":
    sys.exit(main())
