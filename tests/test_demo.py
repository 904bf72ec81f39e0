"""The demo as its user meets it: in a browser, on a desktop and on a phone; skipped where there is no Chromium."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, SAMPLE

gr = pytest.importorskip("gradio", reason="the demo needs duban[demo]")
demo = pytest.importorskip("duban.demo")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WAIT = 60  # seconds, for slow machines only


@pytest.fixture(scope="module")
def address(tagger):
    blocks = demo.build(tagger)
    _, url, _ = demo.launch(blocks, prevent_thread_lock=True, quiet=True)
    yield url
    blocks.close()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if None in found:
        pytest.skip("no chromium and chromedriver here; Debian: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    with webdriver.Chrome(options, webdriver.ChromeService(found[1])) as driver:
        driver.downloads = tmp_path_factory.mktemp("downloads")
        driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(driver.downloads)}
        )
        yield driver


class Page:
    """The page in a window of some size."""

    def __init__(self, driver, address, width, height):
        self.driver = driver
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(address)
        self.one("#read")

    def until(self, condition):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, WAIT, poll_frequency=0.1).until(lambda _: condition())

    def all(self, css):
        return self.driver.find_elements("css selector", css)

    def one(self, css):
        return self.until(lambda: next(iter(self.all(css)), None))

    def paste(self, text):
        box = self.one("#report textarea")
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
        self.driver.execute_script(script, box, text)
        self.one("#read").click()

    def shown(self, part):
        return self.until(lambda: any(part in e.text for e in self.all(".found")))

    def download(self, name):
        path = Path(self.driver.downloads) / name
        path.unlink(missing_ok=True)
        self.driver.execute_script("arguments[0].click()", self.one(f'a[download="{name}"]'))
        # A browser names the file first and fills it then.
        self.until(lambda: path.exists() and path.stat().st_size and not list(path.parent.glob("*.crdownload")))
        return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_paste_read_and_download(address, chromium, tagger, width, height):
    page = Page(chromium, address, width, height)
    page.paste(SAMPLE)
    page.shown("倒排工期")
    document = tagger.predict(SAMPLE)
    cells = [[cell.text for cell in row.find_elements("css selector", "td")] for row in page.all(".found tbody tr")]
    assert len(cells) == len(document.directives)
    for row, directive in zip(cells, document.directives):
        assert (directive.issuer or "") in row[0]
        assert directive.text in row[2]
    rows = list(csv.DictReader(io.StringIO(page.download("duban.csv"))))
    assert [r["directive"] for r in rows] == [d.text for d in document.directives]
    assert json.loads(page.download("duban.json"))["text"] == SAMPLE
    # nested spans: an entity inside a directive
    assert page.all('.found span[style^="background"] b')
    # nothing sticks out to the side, and nothing came from elsewhere
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
    hosts = "return performance.getEntriesByType('resource').map(e => new URL(e.name).host)"
    assert set(chromium.execute_script(hosts)) <= {address.split("/")[2], ""}


def test_samples_languages_and_limits(address, chromium):
    page = Page(chromium, address, 1280, 900)
    page.one("#sample input").click()
    page.one("[role=option]").click()
    page.shown("孙志")
    page.one("#language label:nth-of-type(2)").click()
    page.shown("Issuer")
    assert page.one("#read").text == "Read"
    page.paste("要" * (demo.LONGEST + 1))
    page.shown("20,001 characters")
    page.paste(" ")
    page.shown("Paste a report first")


def test_what_is_pasted_is_shown_not_run(address, chromium):
    page = Page(chromium, address, 1280, 900)
    evil = "县长王海强调，要抓好<img src=x onerror=\"document.title='run'\">项目${1+1}{{value}}建设，守住</div>底线。"
    page.paste(evil)
    page.shown("${1+1}{{value}}")
    assert evil in page.one(".found").text
    assert chromium.title == "duban 督办"


def test_a_lone_surrogate_can_be_sent(tagger):
    _, html = demo.reader(tagger)("县长王海强调，要抓好\ud800项目。", "中文")
    assert html.encode()
    assert "王海" in html


def test_the_sample_report_is_among_the_samples():
    assert SAMPLE in demo.samples()
    assert "gradio" in (ROOT / "space" / "README.md").read_text(encoding="utf-8")
