"""The documentation is true: each block of code runs, each link leads somewhere, and it builds without a warning."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Container
from pathlib import Path

import pytest

import assay
from assay.commands import main as cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Pages whose code is tested elsewhere, beside what they describe.
ELSEWHERE = {"contracts.md", "your_data.md"}
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.name not in ELSEWHERE)
#: Pages that take a second at most.
CHEAP = {"concepts/time.md", "concepts/costs.md", "concepts/receipts.md", "concepts/evidence.md",
         "concepts/conventions.md", "tutorials/auditing_a_report.md"}  # fmt: skip
NOTEBOOKS = sorted(path.name for path in (ROOT / "docs" / "notebooks").glob("*.ipynb"))
_BLOCK = re.compile(
    r'^(?:<!-- needs: ([^>]+) -->\n)?```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
#: What a block may need that is not part of the tests' environment: a package to import, or what no test has.
_PACKAGES, _NEVER = {"ray": "ray", "moto": "moto.server"}, {"several machines"}
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_KNOWN = {"sh", "python", "toml", "markdown", "text", "yaml"}


def run_page(page: str, capsys: pytest.CaptureFixture[str], there: Container[str] = ()) -> None:
    """Run the blocks of a page in their order, in the working folder; of those that need something what is there."""
    namespace: dict[str, object] = {"__name__": f"docs_{Path(page).stem}"}
    module = type(sys)(str(namespace["__name__"]))
    printed = ""
    for need, kind, title, body in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        assert kind in _KNOWN, (page, kind)
        assert not need or need in {*_PACKAGES, *_NEVER}, (page, need)
        if need and need not in there:
            continue
        if title:
            Path(title).write_text(body, encoding="utf-8")
        elif kind == "sh":
            printed = ""
            for line in body.strip().splitlines():
                command, _, about = line.partition("  # exit ")
                program, *arguments = shlex.split(command)
                assert program == "assay", (page, line)
                code = cli.main(arguments)
                output = capsys.readouterr()
                assert code == int(about or 0), (page, line, output.err[-500:])
                printed += output.out
        elif kind == "python":
            sys.modules[module.__name__] = module
            exec(compile(body, f"{page}.py", "exec"), module.__dict__)
        elif kind == "text":
            for line in body.strip().splitlines():
                assert line.strip() in printed, (page, line, printed[-2000:])


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=() if page in CHEAP else pytest.mark.slow) for page in PAGES]
)
def test_every_block_of_a_page_runs(page: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("need", _PACKAGES)
def test_blocks_that_need_a_package_run_where_it_is(need: str, tmp_path: Path, monkeypatch, capsys) -> None:
    pytest.importorskip(_PACKAGES[need], reason=f"these blocks need {need}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "local")
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "")  # what a block sets is gone afterwards
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    for page in PAGES:
        if f"<!-- needs: {need} -->" in (DOCS / page).read_text(encoding="utf-8"):
            run_page(page, capsys, {need})


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_notebook_runs(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    book = json.loads((DOCS / "notebooks" / name).read_text(encoding="utf-8"))
    module = type(sys)(f"notebook_{Path(name).stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 3
    for cell in cells:
        assert not cell["outputs"], "keep notebooks without outputs"
        exec(compile("".join(cell["source"]), name, "exec"), module.__dict__)


def test_there_are_five_tutorials_a_page_a_concept_and_three_notebooks() -> None:
    assert sum(page.startswith("tutorials/") for page in PAGES) == 5
    concepts = {"time", "costs", "receipts", "evidence", "ledger", "conventions", "proof", "cluster"}
    assert {Path(page).stem for page in PAGES if page.startswith("concepts/")} == {*concepts, "larger_than_memory"}
    assert len(NOTEBOOKS) == 3


def anchors(text: str) -> set[str]:
    """Ids of a page's headings, as they are made of their words."""
    found = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in found}


@pytest.mark.parametrize("path", [*DOCS.rglob("*.md"), DOCS / "llms.txt", ROOT / "README.md", ROOT / "CONTRIBUTING.md"],
                         ids=lambda path: path.name)  # fmt: skip
def test_every_link_leads_somewhere(path: Path) -> None:
    for link, picture in _LINK.findall(re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"),
                                              flags=re.MULTILINE | re.DOTALL)):  # fmt: skip
        target, _, anchor = (link or picture).partition("#")
        if re.match(r"https?:", target):
            continue
        place = path if not target else (path.parent / target).resolve()
        if place == (DOCS / "api.md").resolve():
            continue
        assert place.exists(), (path.name, link or picture)
        if anchor:
            assert anchor in anchors(place.read_text(encoding="utf-8")), (path.name, link)


def test_ci_builds_the_documentation_and_the_workflows_shown_are_whole() -> None:
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8"))["jobs"]
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert any("mkdocs build --strict" in line for line in commands)
    assert ".ci/run" in commands
    for page in PAGES:
        for _, kind, _, body in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
            shown = yaml.safe_load(body) if kind == "yaml" else {}
            steps = shown.get("steps", [])
            fetched = {f"./{step['with']['path']}" for step in steps if "repository" in step.get("with", {})}
            assert {step["uses"] for step in steps if step.get("uses", "").startswith("./")} <= fetched, page


def test_the_pages_of_the_site_are_those_that_are_there() -> None:
    yaml = pytest.importorskip("yaml")
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed: list[str] = []
    for item in config["nav"]:
        listed += [item] if isinstance(item, str) else next(iter(item.values()))
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert {*listed} - {"api.md"} <= there
    assert {*PAGES} <= {*listed}
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    assert all(f"({page})" in text for page in PAGES if page != "index.md")


def test_the_api_page_has_every_public_name() -> None:
    sys.path.insert(0, str(DOCS))
    try:
        from api_page import api_page
    finally:
        sys.path.remove(str(DOCS))
    page = api_page()
    for name in assay.__all__:
        assert f"\n## {name}\n" in page
    assert "**Parameters**" in page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built documentation."""
    pytest.importorskip("material")
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
                          cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(site: Path) -> None:
    assert (site / "api.html").is_file()
    assert (site / "llms.txt").is_file()
    assert "knowledge cutoff" in (site / "search" / "search_index.js").read_text(encoding="utf-8")
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="(https?:[^"]+)"', text), page.name
        for place in re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="([^"#?:]+)"', text):
            assert page.name == "404.html" or (page.parent / place).exists(), (page.name, place)


@pytest.mark.browser
def test_the_search_works_from_the_file_system_without_a_network(site: Path) -> None:
    play = pytest.importorskip("playwright.sync_api")
    with play.sync_playwright() as driver:
        try:
            path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
            browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        except play.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        page = browser.new_page()
        asked: list[str] = []
        page.route("http*://**", lambda route: (asked.append(route.request.url), route.abort()))
        page.goto((site / "concepts" / "time.html").as_uri())
        page.fill("input[name=query]", "knowledge")
        page.wait_for_selector(".md-search-result__item", timeout=20_000)
        found = page.eval_on_selector_all(".md-search-result__link", "links => links.map(link => link.href)")
        assert any("receipts.html" in link for link in found)
        assert asked == []
        browser.close()


def test_the_page_on_claims_files_names_every_key() -> None:
    from assay.audit.claims import model
    from assay.audit.claims.files import _keys

    page = (DOCS / "tutorials" / "auditing_a_report.md").read_text(encoding="utf-8")
    schema = [getattr(model, name) for name in model.__all__ if isinstance(getattr(model, name), type)]
    keys = {key for kind in schema if kind is not model.MetricInfo for key in _keys(kind) if key}
    assert keys == keys & set(re.findall(r"\w+", page))
