"""A page to try duban on: paste a report, see who ordered what (`duban demo`; needs `duban[demo]`).

The page is one HTML string made here: its downloads are data: links, so that no report is ever written to disk.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from html import escape
from importlib.resources import files
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
try:
    import gradio as gr
except ImportError as error:
    raise ImportError("the demo needs gradio; install it with: pip install 'duban[demo]'") from error

from duban.document import Directive, Document
from duban.schema import LONE_SURROGATE
from duban.tagger import Tagger
from duban.writing import HEADS, Format, json_line, part

#: Characters of the longest report that is read, some ten pages.
LONGEST = 20_000
#: What the page says, in each of its languages.
WORDS = {
    "中文": {
        "about": "粘贴一篇会议或调研报道，看谁部署了什么、要求谁做、达到什么目标。指向彩色文字可看详情。",
        "report": "报道",
        "sample": "或选一个示例",
        "read": "分析",
        "empty": "请先粘贴一篇报道，或选一个示例。",
        "long": "这篇报道有 {:,} 字，此页最多读 {:,} 字。请缩短，或在本机运行 duban extract，不限长度。",
        "none": "没有找到部署。",
        "found": "{} 条部署",
        "legend": "",
        "issuer": "部署者",
        "addressee": "对象",
        "directive": "部署",
        "targets": "目标",
        "score": "可信度",
        "download": "下载",
    },
    "English": {
        "about": "Paste a report of a meeting or an inspection: see who ordered what, of whom, to what end. "
        "Point at coloured text for details.",
        "report": "Report",
        "sample": "Or a sample",
        "read": "Read",
        "empty": "Paste a report first, or choose a sample.",
        "long": "This report has {:,} characters; this page reads at most {:,}. Shorten it, or run duban extract on "
        "your own machine, which has no limit.",
        "none": "No directive was found.",
        "found": "{} directives",
        "legend": "官员 official · 职务 post · 对象 addressee · 目标 target · 部署 directive",
        "issuer": "Issuer",
        "addressee": "Addressee",
        "directive": "Directive",
        "targets": "Targets",
        "score": "Score",
        "download": "Download",
    },
}
#: Gradio's own look with the reader's fonts, so that none is fetched.
THEME = gr.themes.Default(
    font=["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)


def samples() -> list[str]:
    """The reports that come with duban."""
    folder = files("duban") / "samples"
    return [p.read_text(encoding="utf-8") for p in sorted(folder.iterdir(), key=lambda p: p.name)]


def page(document: Document | None, language: str) -> str:
    """What was found in a report as HTML, everything escaped: its text, a table of directives, two files; or "".

    Args:
        document: the report that was read.
        language: a key of WORDS.
    """
    if document is None:
        return ""
    words = WORDS[language]
    text = LONE_SURROGATE.sub("\ufffd", document.to_html())
    legend = f'<div class="legend">{words["legend"]}</div>' if words["legend"] else ""
    found = _table(document.directives, words) if document.directives else f"<p>{words['none']}</p>"
    name = "duban"
    table = HEADS[Format.csv] + part([(name, document)], Format.csv)
    record = json_line({"id": name, **document.to_dict()}).encode()
    links = _link("CSV", "duban.csv", "text/csv", table) + _link("JSON", "duban.json", "application/json", record)
    return f'<div class="found">{legend}{text}{found}<div class="links">{words["download"]}：{links}</div></div>'


def _table(directives: tuple[Directive, ...], words: dict[str, str]) -> str:
    def cell(name: str, html: str) -> str:
        return f'<td data-name="{words[name]}">{html}</td>'

    rows = []
    for d in directives:
        issuer = safe(d.issuer or "") + "".join(f'<span class="posts">{safe(post)}</span>' for post in d.issuer_posts)
        cells = {
            "issuer": issuer,
            "addressee": safe(d.addressee.text if d.addressee else ""),
            "directive": safe(d.text),
            "targets": "<br>".join(safe(t.text) for t in d.targets),
            "score": f"{d.score:.0%}",
        }
        rows.append(f"<tr>{''.join(cell(name, html) for name, html in cells.items())}</tr>")
    heads = "".join(f"<th>{words[n]}</th>" for n in ("issuer", "addressee", "directive", "targets", "score"))
    count = words["found"].format(len(directives))
    return f'<p class="count">{count}</p><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def safe(text: str) -> str:
    """Text as HTML that can be encoded."""
    return escape(LONE_SURROGATE.sub("\ufffd", text))


def _link(label: str, name: str, kind: str, data: bytes) -> str:
    return f'<a download="{name}" href="data:{kind};charset=utf-8;base64,{b64encode(data).decode()}">{label}</a>'


def reader(tagger: Tagger) -> Callable[[str, str], tuple[Document | None, str]]:
    """What the button does: (text, language) → the Document, None where there is nothing to read, and its page."""

    def read(text: str, language: str) -> tuple[Document | None, str]:
        words = WORDS[language]
        if not text.strip():
            return None, f'<div class="found">{words["empty"]}</div>'
        if len(text) > LONGEST:
            return None, f'<div class="found">{words["long"].format(len(text), LONGEST)}</div>'
        document = tagger.predict(text)
        return document, page(document, language)

    return read


def build(tagger: Tagger) -> gr.Blocks:
    """The page, not yet served."""
    language, reports = "中文", samples()
    words = WORDS[language]
    read = reader(tagger)

    def switch(language: str, document: Document | None) -> list[Any]:
        words = WORDS[language]
        shown = [gr.update(value=words["about"]), gr.update(label=words["sample"]), gr.update(label=words["report"])]
        return [*shown, gr.update(value=words["read"]), page(document, language)]

    with gr.Blocks(title="duban 督办", analytics_enabled=False) as blocks:
        document = gr.State(None)
        gr.Markdown("# duban 督办")
        languages = gr.Radio(list(WORDS), value=language, show_label=False, container=False, elem_id="language")
        about = gr.Markdown(words["about"])
        titles = [(text.splitlines()[0], i) for i, text in enumerate(reports)]
        sample = gr.Dropdown(titles, value=None, label=words["sample"], filterable=False, elem_id="sample")
        text = gr.Textbox(label=words["report"], lines=8, max_lines=16, elem_id="report")
        button = gr.Button(words["read"], variant="primary", elem_id="read")
        out = gr.HTML(elem_id="out", js_on_load=None)
        button.click(read, [text, languages], [document, out], api_name="read")
        chosen = sample.input(lambda i: reports[i], sample, text, api_visibility="private")
        chosen.then(read, [text, languages], [document, out], api_visibility="private")
        languages.input(switch, [languages, document], [about, sample, text, button, out], api_visibility="private")
    return blocks


def launch(blocks: gr.Blocks, **options: Any) -> Any:
    """Serve the page, looking as it should; options and what is returned are of `gr.Blocks.launch`.

    Raises OSError when the port is taken.
    """
    return blocks.launch(
        ssr_mode=False, theme=THEME, css_paths=str(files("duban") / "demo.css"), footer_links=[], **options
    )
