"""Stored runs in a browser on the same machine: read-only pages without a script, behind a token.

Only the machine's own names are answered to, which keeps out a page of another host whose name was pointed here; only
GET is answered, so there is nothing to forge; a run is looked up among those that are listed, so that no name becomes a
path.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from assay.data.card import plural
from assay.data.errors import BacktestError, InputError
from assay.data.optional import missing_package
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.gate.monitor import stored_monitoring
from assay.results.report.blocks import metric_text
from assay.results.report.compare import compare_runs, render_comparison
from assay.results.report.tables import shown_value
from assay.results.report.tearsheet import render_tearsheet
from assay.results.storage.finding import selected, sorted_rows, values_of
from assay.results.storage.object_store import address
from assay.results.storage.runs import Run, flattened, list_runs, load_run, stored_runs
from assay.results.storage.trial_ledger import read_trials

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["browser_app"]

_TEMPLATES = Path(__file__).parent / "templates"
_NAMES = ("127.0.0.1", "localhost")
_COLUMNS = ("strategy", "model", "sharpe_net", "return_ann_net", "max_drawdown_net", "rank_ic_mean", "tags", "created")
_NUMBERS = ("sharpe_net", "return_ann_net", "max_drawdown_net", "rank_ic_mean")
_LONGEST = 500
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: The form, of which a browser alone would show nothing else.
_STYLE = """
main { padding-bottom: 3rem; }
form.search { display: flex; gap: .6rem; flex-wrap: wrap; align-items: center; margin: 1rem 0; }
form.search button { margin: 0; } .scroll + button { margin-top: .8rem; } td { max-width: 40rem; }
@media (max-width: 640px) { td.long { min-width: 26rem; } }
input[name=filter] { min-width: min(24rem, 80vw); } input, button { font: inherit; padding: .3rem .5rem; }
button { margin: .6rem 0; } th a { text-decoration: none; } th a[aria-current] { text-decoration: underline; }
"""


@dataclass(frozen=True)
class _Cell:
    """What stands in a cell: text, perhaps a link, or a box that chooses a run; numbers stand to the right."""

    text: str
    link: str = ""
    box: str = ""
    sorted: bool = False
    right: bool = False


@dataclass(frozen=True)
class _Table:
    """A table; `compare` puts it into a form."""

    title: str
    columns: Sequence[_Cell]
    rows: Sequence[Sequence[_Cell]]
    compare: bool = False


@dataclass(frozen=True)
class _Pages:
    """The pages over one results folder; matplotlib's settings are of the whole process, so one at a time draws."""

    root: Path
    drawing: threading.Lock = field(default_factory=threading.Lock)

    def found(self, name: str) -> Run:
        """The run of exactly that id."""
        if any(run.id == name for run in list_runs(self.root)):
            return load_run(name, root=self.root)  # with its tables, where the list brought none
        raise InputError("there is no such run")

    def runs(self, query: Mapping[str, str]) -> str:
        """All runs, those that pass the filter, in the order that is asked for."""
        runs, damaged = stored_runs(self.root)
        stored = {run.id: run for run in runs}
        rows: Sequence[Mapping[str, Any]] = [values_of(run) for run in stored.values()]
        tests, order = query.get("filter", "")[:_LONGEST], query.get("sort", "")[:_LONGEST]
        lines = [f"{name} is damaged: {why}" for name, why in damaged.items()]
        total = len(rows)
        try:
            rows = selected(rows, tests.split())
            key = order.removeprefix("-")
            rows = sorted_rows(rows, key, reverse=order.startswith("-")) if key and rows else rows
        except InputError as error:
            lines.insert(0, str(error))
        columns = [_Cell("compare"), _Cell("run")]
        for name in _COLUMNS:
            wanted = f"-{name}" if order == name else name
            link = "/?" + urlencode({"filter": tests, "sort": wanted})
            columns.append(_Cell(name, link, sorted=order.removeprefix("-") == name, right=name in _NUMBERS))
        cells = [
            [_Cell("", box=row["run_id"]), _Cell(row["run_id"], f"/runs/{row['run_id']}"),
             *(_listed(stored[row["run_id"]], name, row.get(name)) for name in _COLUMNS)]
            for row in rows
        ]  # fmt: skip
        lines.insert(0, f"{len(rows):,} of {total:,} runs" if total else f"nothing is stored in {address(self.root)}; "
                     "`backtest` stores a run, and --results says where")  # fmt: skip
        return _page("Runs", lines=lines, tables=[_Table("", columns, cells, compare=True)],
                     search={"filter": tests, "sort": order})  # fmt: skip

    def run(self, name: str) -> str:
        """What was set, what came out, what was checked, and what the sessions since say."""
        run = self.found(name)
        config = flattened(run.manifest.get("config", {}))
        settings = [[_Cell(key), _Cell(shown_value(value))] for key, value in sorted(config.items())]
        metrics = [
            [_Cell(item["name"]), _Cell(_figure(item, item.get("value")), right=True), _Cell(_interval(item)),
             _Cell(_about(item))]
            for item in run.metrics.get("metrics", ())
        ]  # fmt: skip
        made = CheckOutcomes.of(run).sentences
        checks = [[_Cell(kind.replace("_", " ")), _Cell(text)] for kind, text in made.items()]
        watched = stored_monitoring(run)
        lines = [] if watched is None else [f"Since then: {watched['state']}. {watched['sentence']}"]
        links = [] if run.kind == "sweep" else [_Cell("Tear sheet", f"/runs/{run.id}/sheet")]
        heads = [_Cell("name"), _Cell("value")]
        tables = [_Table("Checks", heads, checks), _Table("Settings", heads, settings)]
        if metrics:
            figures = [heads[0], _Cell("value", right=True), _Cell("95% interval"), _Cell("convention")]
            tables.insert(0, _Table("Figures", figures, metrics))
        warnings = run.metrics.get("warnings") or ()
        return _page(run.id, lines=lines, links=links, tables=tables, warnings=warnings)

    def ledger(self) -> str:
        """Every trial of the user's ledger."""
        trials = read_trials().table
        names = ("family", "name", "scenario", "members", "sessions", "first_session", "last_session", "sharpe")
        numbers = ("members", "sessions", "sharpe")
        rows = [
            [_Cell(_counted(name, _plain(row[name])), right=name in numbers) for name in names]
            for _, row in trials.iterrows()
        ]
        lines = [f"{plural(len(rows), 'trial')}; the Sharpe ratio is a session's"]
        heads = [_Cell(name.replace("_", " "), right=name in numbers) for name in names]
        return _page("Ledger", lines=lines, tables=[_Table("", heads, rows)])

    def sheet(self, name: str) -> str:
        """The tear sheet, drawn anew: what lies in the folder may be edited."""
        with self.drawing:
            return render_tearsheet(self.found(name))

    def compared(self, names: Sequence[str]) -> str:
        """The comparison of the chosen runs."""
        with self.drawing:
            return render_comparison(compare_runs([self.found(name) for name in dict.fromkeys(names)], draws=500))


def _plain(value: Any) -> object:
    return value.item() if hasattr(value, "item") else value


def _interval(item: Mapping[str, Any]) -> str:
    low, high = item.get("low"), item.get("high")
    known = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (low, high))
    return f"[{_figure(item, low)}, {_figure(item, high)}]" if known else ""


def _figure(item: Mapping[str, Any], value: Any) -> str:
    """A value of a metric, in its unit; of what is none of a sheet's, in four digits."""
    return metric_text(dict(item), value) if isinstance(value, (int, float)) else shown_value(value)


def _about(item: Mapping[str, Any]) -> str:
    """Its convention, and before it why there is no value."""
    reason = item.get("reason") if item.get("value") is None else ""
    return " · ".join(filter(None, [reason, str(item.get("convention") or "")]))


def _listed(run: Run, name: str, value: Any) -> _Cell:
    """A cell of the list of runs: a figure in its unit, a time to the minute."""
    if name == "created":
        return _Cell(str(value)[:16].replace("T", " "))
    item = run.metric(name) if name in _NUMBERS else None
    return _Cell(shown_value(value) if item is None else _figure(item, value), right=name in _NUMBERS)


def _counted(name: str, value: Any) -> str:
    """A value of a trial: a Sharpe ratio of a session in four decimals, and none of what was not traded."""
    if isinstance(value, float) and math.isnan(value):
        return "–"
    return f"{value:.4f}" if name == "sharpe" else f"{value:,}" if isinstance(value, int) else shown_value(value)


def _page(
    title: str,
    *,
    lines: Sequence[str] = (),
    links: Sequence[_Cell] = (),
    tables: Sequence[_Table] = (),
    search: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    return environment.get_template("browser.html").render(
        title=title, lines=lines, links=links, tables=tables, search=search, warnings=warnings
    )


def browser_app(root: Path, token: str) -> Starlette:
    """The pages as an ASGI application.

    Parameters
    ----------
    root : the results folder.
    token : what a visitor must show, once, as ``?token=``; a cookie then stands for it.

    Raises
    ------
    InputError
        If starlette is not installed.

    """
    try:
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
        from starlette.routing import Route
    except ImportError as error:
        raise missing_package(error, what="serve") or error from None

    pages = _Pages(root)
    # Cookies know no port: one of its own for each server, so that two may be open at once.
    cookie = f"assay_{hashlib.sha256(token.encode()).hexdigest()[:16]}"

    def shown_page(text: str, status: int = 200, policy: str = _POLICY) -> Response:
        return HTMLResponse(text, status, {**_HEADERS, "Content-Security-Policy": policy})

    def answer(make: Callable[[Request], str], *, drawn: bool = False) -> Callable[[Request], Awaitable[Response]]:
        """A page: who may see it, what its errors are, and what it may load."""

        async def respond(request: Request) -> Response:
            host, _, port = request.headers.get("host", "").partition(":")
            if host not in _NAMES or (port and not port.isdecimal()):
                return PlainTextResponse("this is served to 127.0.0.1 alone", 421, _HEADERS)
            shown = request.query_params.get("token")
            if shown is not None and secrets.compare_digest(shown.encode(), token.encode()):
                entered = RedirectResponse("/", 303, _HEADERS)
                entered.set_cookie(cookie, token, httponly=True, samesite="strict")
                return entered
            if not secrets.compare_digest(request.cookies.get(cookie, "").encode(), token.encode()):
                return PlainTextResponse("open the address with its token, as `serve` printed it", 403, _HEADERS)
            try:
                text = await run_in_threadpool(make, request)
            except BacktestError as error:
                return shown_page(_page("Not shown", lines=[" ".join(str(error).split())]), 404)
            except Exception as error:
                return shown_page(_page("Not shown", lines=[f"this page cannot be made: {type(error).__name__}"]), 500)
            return shown_page(text, policy=_drawn(text) if drawn else _POLICY)

        return respond

    async def style(request: Request) -> Response:
        text = (_TEMPLATES / "page.css").read_text(encoding="utf-8") + _STYLE
        return PlainTextResponse(text, headers=_HEADERS, media_type="text/css")

    return Starlette(
        routes=[
            Route("/", answer(lambda request: pages.runs(request.query_params)), methods=["GET"]),
            Route("/ledger", answer(lambda request: pages.ledger()), methods=["GET"]),
            Route("/runs/{run}", answer(lambda request: pages.run(request.path_params["run"])), methods=["GET"]),
            Route("/runs/{run}/sheet", answer(lambda request: pages.sheet(request.path_params["run"]), drawn=True),
                  methods=["GET"]),
            Route("/compare", answer(lambda request: pages.compared(request.query_params.getlist("run")), drawn=True),
                  methods=["GET"]),
            Route("/style.css", style, methods=["GET"]),
        ]
    )  # fmt: skip


def _drawn(page: str) -> str:
    """The policy that a drawn page carries, in a sandbox of its own: its script cannot read other pages."""
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    policy = "default-src 'none'" if found is None else found[1].replace("&#39;", "'")
    return f"{policy}; frame-ancestors 'none'; sandbox allow-scripts"
