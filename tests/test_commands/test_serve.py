"""Runs in a browser: the pages are there for who has the token, and for nobody else; nothing outside is ever sent."""

from __future__ import annotations

import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from assay.commands import main as cli
from assay.data.panel import PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.results.evidence.backtest import evaluate, store_backtest
from assay.results.storage.runs import Run
from assay.strategies.catalog import load_strategy

try:
    from starlette.testclient import TestClient
except (ImportError, RuntimeError):  # the client needs httpx2 beside starlette
    pytest.skip("the extra serve, or httpx2, is not installed", allow_module_level=True)

from assay.results.report.browser import browser_app

TOKEN = "a token of thirty two characters"
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two runs on a market one of whose assets has a hostile name, beside a secret."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "secret.txt").write_text("a secret")
    prices, oracle = synthetic_market(120, 8, ic=0.1, seed=3)
    title = {prices.assets[0]: EVIL}
    prices = PricePanel(**{name: getattr(prices, name).rename(columns=title) for name in prices.fields})
    oracle = oracle.map(lambda frame: frame.rename(columns=title))
    stored = []
    for strategy in ("quintile_long_short", "s5_long_only"):
        result = run_backtest(load_strategy(strategy), oracle, prices)
        stored.append(store_backtest(result, evaluate(result, oracle, prices), root=folder / "runs"))
    return stored


def client(runs: list[Run], host: str = "127.0.0.1:8765", *, entered: bool = True) -> TestClient:
    made = TestClient(browser_app(runs[0].path.parent, TOKEN), base_url=f"http://{host}", raise_server_exceptions=False)
    if entered:
        assert made.get("/", params={"token": TOKEN}).status_code == 200
    return made


def test_runs_are_listed_sorted_filtered_shown_and_compared(runs: list[Run]) -> None:
    visitor = client(runs)
    page = visitor.get("/").text
    assert "2 of 2 runs" in page
    assert all(f"/runs/{run.id}" in page for run in runs)
    assert "1 of 2 runs" in visitor.get("/", params={"filter": "strategy=s5*"}).text
    ids = [run.id for run in sorted(runs, key=lambda run: -run.metric("sharpe_net")["value"])]  # type: ignore[index]
    page = visitor.get("/", params={"sort": "sharpe_net"}).text
    assert page.index(f'/runs/{ids[0]}"') < page.index(f'/runs/{ids[1]}"')
    assert "did you mean" in visitor.get("/", params={"sort": "sharpenet"}).text
    page = visitor.get(f"/runs/{runs[0].id}").text
    assert "sharpe_net" in page
    assert "costs.commission_bps" in page
    sheet = visitor.get(f"/runs/{runs[0].id}/sheet")
    assert f"Tear sheet · {runs[0].id}" in sheet.text
    assert EVIL not in sheet.text
    assert "sandbox allow-scripts" in sheet.headers["content-security-policy"]
    assert "script-src 'sha256-" in sheet.headers["content-security-policy"]
    assert visitor.get("/ledger").status_code == 200
    compared = visitor.get("/compare", params={"run": [run.id for run in runs]})
    assert "2 runs compared" in compared.text
    assert visitor.get("/compare", params={"run": runs[0].id}).status_code == 404


def test_who_has_no_token_or_comes_by_another_name_sees_nothing(runs: list[Run]) -> None:
    stranger = client(runs, entered=False)
    paths = ["/", "/ledger", f"/runs/{runs[0].id}", f"/runs/{runs[0].id}/sheet", "/compare"]
    for path in paths:
        for params in ({}, {"token": "x"}, {"token": ""}, {"token": TOKEN[:-1]}):
            answer = stranger.get(path, params=params)
            assert answer.status_code == 403
            assert runs[0].id not in answer.text
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil:8765", "[::1]:8765", "0.0.0.0:8765"):
        other = client(runs, host, entered=False)
        for path in paths:
            assert other.get(path, params={"token": TOKEN}).status_code == 421
    visitor = client(runs)
    cookie = visitor.cookies.jar.__iter__().__next__()
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "strict"
    other = TestClient(browser_app(runs[0].path.parent, TOKEN[::-1]), base_url="http://127.0.0.1:8766")
    other.get("/", params={"token": TOKEN[::-1]})
    assert cookie.name not in [beside.name for beside in other.cookies.jar]  # cookies know no port: two may be open
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert visitor.request(method, "/").status_code == 405
    for path in paths[:3]:
        policy = visitor.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "<script" not in visitor.get(path).text


def test_pages_that_are_drawn_are_drawn_one_at_a_time(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, inside, most = client(runs), [], []

    def drawn(_run: Run) -> str:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return "a sheet"

    monkeypatch.setattr("assay.results.report.browser.render_tearsheet", drawn)
    visits = [threading.Thread(target=visitor.get, args=(f"/runs/{runs[0].id}/sheet",)) for _ in range(4)]
    for visit in visits:
        visit.start()
    for visit in visits:
        visit.join()
    assert most == [1] * 4


@pytest.mark.parametrize("count", [150, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_request_gets_a_file_or_a_traceback(runs: list[Run], count: int) -> None:
    visitor, rng = client(runs), random.Random(4)
    parts = ["..", "/", "%2e%2e", "%2f", "\\", "secret.txt", "runs", runs[0].id, "sheet", "?run=", "?sort=", "&filter=",
             "style.css", "é", "*", "[", "sharpe_net>", "=", "compare", "%00", "~", EVIL, "-" * 50,
             "etc/passwd"]  # fmt: skip
    for _ in range(count):
        path = "/" + "".join(rng.choice(parts) for _ in range(rng.randint(1, 7))).lstrip("/")  # else it names a host
        answer = visitor.get(path, follow_redirects=False)
        assert answer.status_code in (200, 303, 307, 400, 403, 404, 405), (path, answer.text[:200])
        assert "a secret" not in answer.text
        assert "Traceback" not in answer.text
        assert EVIL not in answer.text


def test_without_starlette_one_line_says_what_to_install(runs: list[Run], monkeypatch, capsys) -> None:
    import sys

    for name in [*sys.modules]:
        if name.partition(".")[0] == "starlette":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert cli.main(["serve", "--port", "0", "--results", str(runs[0].path.parent)]) == 2
    answer = capsys.readouterr().err
    assert "assay[serve]" in answer
    assert answer.count("\n") == 1


@pytest.fixture(scope="module")
def served(runs: list[Run]) -> Iterator[tuple[Any, str]]:
    """A real Chromium, and the address that the pages are served under."""
    play = pytest.importorskip("playwright.sync_api")
    import uvicorn

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server: Any = uvicorn.Server(uvicorn.Config(browser_app(runs[0].path.parent, TOKEN), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    with play.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser, f"http://127.0.0.1:{listener.getsockname()[1]}"
        browser.close()
    server.should_exit = True
    thread.join(10)


def places(runs: list[Run]) -> list[str]:
    """Every kind of page."""
    one, two = (run.id for run in runs)
    return ["/", "/?filter=nonsense", "/ledger", f"/runs/{one}", f"/compare?run={one}&run={two}"]


@pytest.mark.browser
def test_a_browser_sorts_by_keyboard_opens_a_sheet_and_fits_a_phone(runs: list[Run], served: tuple[Any, str]) -> None:
    browser, address = served
    page = browser.new_page(viewport={"width": 360, "height": 740})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{address}/?token={TOKEN}")
    assert TOKEN.split()[0] not in page.url
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.focus("text=sharpe_net")
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=sharpe_net*")
    page.click(f"td a >> text={runs[0].id}")
    page.click("text=Tear sheet")
    page.wait_for_selector("svg", state="attached")
    assert not said
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1600])
def test_every_page_fits_is_reached_by_the_tab_key_and_has_nothing_that_axe_finds(
    runs: list[Run], served: tuple[Any, str], width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the extra accessibility").Axe()
    browser, address = served
    # What axe runs in the page is forbidden by the pages' own policy.
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{address}/?token={TOKEN}")
    for place in places(runs):
        page.goto(address + place)
        found = axe.run(page).response["violations"]
        assert found == [], (place, [(item["id"], item["nodes"][0]["html"][:200]) for item in found])
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        if width != 800:
            continue
        acts = "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary')]"
        acts += ".filter((item) => item.checkVisibility())"
        count, seen = page.evaluate(f"{acts}.length"), set()
        for _ in range(count + 40):
            page.keyboard.press("Tab")
            seen.add(page.evaluate(f"{acts}.indexOf(document.activeElement)"))
        assert len(seen - {-1}) == count, place
    context.close()
