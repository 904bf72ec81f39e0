"""The examples of docs/examples.md print what the page shows."""

import contextlib
import io
import re

import pytest
from conftest import ROOT

pytest.importorskip("matplotlib", reason="the examples need duban[docs]")


def test_the_examples_print_what_is_shown(tmp_path, monkeypatch):
    import matplotlib

    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "model"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == page.count("```python")
    names = {}
    for code, shown in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, names)
        assert out.getvalue() == shown, code
    assert (tmp_path / "targets.png").stat().st_size > 1000
