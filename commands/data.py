"""Describe, validate, pack, fetch and make prices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from assay.commands.options import NUMBER, PATH, SEED, WHOLE, Reading, json_option, reading_options
from assay.commands.output import echo_json
from assay.commands.values import DATA

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PredictionPanel, PricePanel
    from assay.data.synthetic import MarketKind

__all__ = ["data"]


@click.group()
def data() -> None:
    """Describe, validate, pack, fetch or make prices.

    \b
    Examples:
      python cli.py data describe
      python cli.py data validate prices.parquet
      python cli.py data fetch AAPL MSFT --start 2015-01-01 --end 2024-12-31 --out prices.parquet
      python cli.py data synthetic --sessions 1500 --assets 100 --ic 0.05 --out prices.parquet
      python cli.py data pack prices.parquet
    """


@data.command()
@click.argument("file", type=DATA)
@click.option("--as", "kind", type=click.Choice(["prices", "predictions"]), default="prices", show_default=True)
@click.option("--out", type=PATH, help="Folder to make; default: beside the file, its name ending in .pack.")
@click.option("--repair", type=click.Choice(["drop"]), help="Of prices: leave out the rows that cannot be, and say so.")
@click.option("--unit", type=click.Choice(["return", "rank"]), default="return", show_default=True,
              help="What a score means.")
@click.option("--horizon", type=WHOLE, default=1, show_default=True, help="Sessions that a prediction spans.")
@reading_options
@json_option
def pack(
    file: Path,
    kind: str,
    out: Path | None,
    repair: str | None,
    unit: Literal["return", "rank"],
    horizon: int,
    reading: Reading,
    as_json: bool,
) -> None:
    """Write a file of prices or predictions as a folder of plain arrays, which is mapped into memory and not read.

    The folder stands in for the file wherever prices or predictions are asked for, with the same figures; opening it
    reads it once, to see that it is what was written. `backtest --keep returns` of two packed panels works them a block
    of sessions at a time, in a fraction of the memory. Sealed sessions (`data seal`) are left out; receipts of
    predictions stay in their file, to be given with --receipts.

    \b
    Examples:
      python cli.py data pack prices.parquet
      python cli.py data pack scores.parquet --as predictions --horizon 5
      python cli.py backtest --prices prices.pack --predictions scores.pack --keep returns
    """  # fmt: skip
    from assay.data.files.packed import SUFFIX, pack_predictions, pack_prices

    target = file.with_suffix(SUFFIX) if out is None else out
    panel: PricePanel | PredictionPanel
    if kind == "prices":
        from assay.results.workflow.market import load_prices

        panel = load_prices(file, options=reading.of("prices"), repair="drop" if repair else None)
        pack_prices(panel, target)
    else:
        from assay.data.files.predictions import load_predictions

        panel = load_predictions(file, unit=unit, horizon=horizon, options=reading.of("predictions"))
        pack_predictions(panel, target)
    size = sum(item.stat().st_size for item in target.iterdir())
    sessions, assets = panel.shape
    if as_json:
        echo_json({"folder": str(target), "kind": kind, "sessions": sessions, "assets": assets, "bytes": size})
        return
    click.echo(f"{target}: {kind} of {assets:,} assets × {sessions:,} sessions, {size / 1e6:,.1f} MB")
    for warning in panel.warnings:
        click.echo(f"warning: {warning}", err=True)


@data.command()
@click.argument("prices", type=DATA, required=False)
@reading_options
@click.option("--repair", type=click.Choice(["drop"]), help="Leave out the rows that cannot be, and say so.")
@click.option("--assets", "show_assets", is_flag=True, help="A row for every asset, not only the first twenty.")
@json_option
def describe(prices: Path | None, reading: Reading, repair: str | None, show_assets: bool, as_json: bool) -> None:
    """What a price file holds: span, fields, coverage and each asset's returns. Default: the embedded sample.

    \b
    Examples:
      python cli.py data describe
      python cli.py data describe prices.csv --column close="Adj Close" --json
    """
    if prices is None:
        from assay.results.workflow.market import load_sample

        panel, _ = load_sample()
    else:
        from assay.results.workflow.market import load_prices

        panel = load_prices(prices, options=reading.of("prices"), repair="drop" if repair else None)
    facts, table = _facts(panel), _by_asset(panel)
    if as_json:
        echo_json({**facts, "by_asset": table.to_dict(orient="records")})
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        if name != "warnings":
            click.echo(f"{name:<{width}}  {value}")
    shown = table if show_assets else table.head(20)
    click.echo()
    _print_table(_as_text(shown))
    if len(shown) < len(table):
        click.echo(f"and {len(table) - len(shown)} more; --assets shows all")
    for warning in panel.warnings:
        click.echo(f"warning: {warning}", err=True)


@data.command()
@click.argument("prices", type=DATA)
@click.option("--predictions", type=DATA, help="Also join these predictions, and count what does not join.")
@reading_options
@click.option("--quality-check", "own_checks", multiple=True, metavar="PART", help="Your own check; repeatable.")
@click.option("--calendar", help="Compare the sessions with an exchange's, e.g. XNYS (needs the calendars extra).")
@click.option("--repair", type=click.Choice(["drop"]), help="With --out: leave out the rows that cannot be.")
@click.option("--out", type=PATH, help="Write the prices that passed, as long .parquet or .csv.")
@json_option
def validate(
    prices: Path,
    predictions: Path | None,
    reading: Reading,
    own_checks: tuple[str, ...],
    calendar: str | None,
    repair: str | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Check a price file: what was found, how often and where. Exit code 1 if there are errors that were not dropped.

    \b
    Examples:
      python cli.py data validate prices.csv
      python cli.py data validate prices.csv --repair drop --out clean.parquet
      python cli.py data validate prices.parquet --predictions preds.parquet
      python cli.py data validate bars.csv --tz America/New_York --column close=PX --calendar XNYS
    """
    from assay.data.errors import InputError
    from assay.data.files.prices import inspect_prices, load_prices

    if repair and out is None:
        raise InputError("--repair: needs --out, the file that the repaired prices are written to")
    options = reading.of("prices")
    panel, report = inspect_prices(prices, options=options)
    if own_checks:
        from assay.data.own_quality import own_findings
        from assay.data.quality import QualityReport

        found = (*report.findings, *own_findings(own_checks, panel))
        report = QualityReport(report.source, tuple(sorted(found, key=lambda finding: finding.severity != "error")))
    if calendar is not None:
        from assay.data.quality import QualityReport, check_calendar

        report = QualityReport(report.source, (*report.findings, *check_calendar(panel, calendar)))
    summary: dict[str, Any] = {
        "source": str(prices),
        "ok": not report.errors,
        "errors": [finding.message for finding in report.errors],
        "warnings": [finding.message for finding in report.warnings],
        "table": report.table().to_dict(orient="records"),
    }
    if out is not None:
        from assay.data.files.prices import write_prices

        kept = load_prices(prices, options=options, repair="drop" if repair else None)
        summary["written"] = str(write_prices(kept, out))
        summary["dropped"] = [warning for warning in kept.warnings if warning.startswith("dropped")]
    if predictions is not None:
        from assay.data.align import align
        from assay.data.files.predictions import load_predictions

        _, joined = align(load_predictions(predictions, options=reading.of("predictions")), panel)
        summary["join"] = {"given": joined.given, "joined": joined.joined, "lost": joined.losses.to_dict("records")}
    if as_json:
        echo_json(summary)
    else:
        _print_validation(panel, report.table(), summary)
    return 0 if summary["ok"] or summary.get("dropped") else 1


@data.command()
@json_option
def formats(as_json: bool) -> None:
    """Which files and frames are read: kinds, layouts, whose shapes are known, and what each field may be called.

    \b
    Examples:
      python cli.py data formats
      python cli.py data formats --json
    """
    import textwrap

    from assay.data.files.aliases import KINDS, PREDICTIONS, PRICES, VENDORS
    from assay.data.files.options import LAYOUTS
    from assay.results.workflow.reading import ROLES

    vendors = list(dict.fromkeys(vendor.name for vendor in VENDORS))
    fields = {
        names.kind: {field: list(known) for field, known in names.fields.items()} for names in (PRICES, PREDICTIONS)
    }
    if as_json:
        others = {kind: list(names) for kind, names in ROLES.items() if kind not in fields}
        echo_json(
            {"kinds": list(KINDS), "layouts": dict(LAYOUTS), "vendors": vendors, "fields": fields, "others": others}
        )
        return

    def paragraph(name: str, text: str, indent: int = 18) -> None:
        click.echo(textwrap.fill(f"{name:<{indent}}{text}", 100, subsequent_indent=" " * indent))

    paragraph("files", ", ".join(KINDS))
    click.echo("\nlayouts (--layout)")
    for kind, meaning in LAYOUTS.items():
        paragraph(f"  {kind}", meaning)
    click.echo()
    paragraph("known shapes", ", ".join(vendors))
    for kind, names in fields.items():
        click.echo(f"\n{kind}: field and names it goes by; case, blanks and signs do not matter (--column FIELD=NAME)")
        for field, known in names.items():
            paragraph(f"  {field}", ", ".join(known))
    click.echo("\nother files and the fields of each (--column FILE.FIELD=NAME, e.g. sectors.asset=Ticker)")
    for kind in [kind for kind in ROLES if kind not in fields]:
        paragraph(f"  {kind}", ", ".join(ROLES[kind]), 21)


@data.command()
@click.argument("prices", type=DATA)
@click.option("--after", required=True, metavar="DATE", help="Last session that stays readable.")
@click.option("--out", type=PATH, help="Also write what stays readable, as long .parquet or .csv.")
@reading_options
@json_option
def seal(prices: Path, after: str, out: Path | None, reading: Reading, as_json: bool) -> None:
    """Seal the sessions of a market after a date: no command reads them before --open-lockbox "REASON".

    The seal stands in the trial ledger and holds for every file of the market. Each opening is noted there; at the
    second, `gate` says that the evidence is insufficient.

    \b
    Examples:
      python cli.py data seal prices.parquet --after 2021-12-31
      python cli.py data seal prices.parquet --after 2021-12-31 --out open.parquet
      python cli.py backtest --prices prices.parquet --predictions p.parquet --open-lockbox "the final test"
    """
    from assay.commands.options import parse_date
    from assay.data.files.prices import load_prices, write_prices
    from assay.results.storage.lockbox import seal_market

    panel = load_prices(prices, options=reading.of("prices"))
    date = parse_date(after, "--after")
    assert date is not None
    sealed = seal_market(panel, date)
    if out is not None:
        write_prices(panel.through(date), out)
    inside = int((panel.sessions > date).sum())
    if as_json:
        echo_json({"after": str(date.date()), "last": str(sealed.last.date()), "sessions": inside,
                   "digest": sealed.digest, "out": None if out is None else str(out)})  # fmt: skip
    else:
        click.echo(f"sealed {inside:,} sessions after {date.date()}, through {sealed.last.date()}")


@data.command()
@click.argument("tickers", nargs=-1, required=True)
@click.option("--start", required=True, help="First day, e.g. 2015-01-01.")
@click.option("--end", required=True, help="Last day, included.")
@click.option("--out", type=PATH, required=True, help="Long .parquet or .csv to write.")
@click.option("--repair", type=click.Choice(["drop"]), help="Leave out the bars that cannot be, and say so.")
@json_option
def fetch(tickers: tuple[str, ...], start: str, end: str, out: Path, repair: str | None, as_json: bool) -> None:
    """Fetch daily bars from Yahoo (needs the yfinance extra), adjusted for splits and dividends.

    \b
    Examples:
      python cli.py data fetch AAPL MSFT --start 2015-01-01 --end 2024-12-31 --out prices.parquet
      python cli.py data fetch RELIANCE.NS --start 2020-01-01 --end 2024-12-31 --out reliance.csv
    """
    from assay.data.atomic import check_target
    from assay.data.files.prices import PRICE_SUFFIXES, write_prices
    from assay.data.files.yahoo import fetch_prices

    check_target(out, PRICE_SUFFIXES)
    panel = fetch_prices(tickers, start, end, repair="drop" if repair else None)
    _report_written(panel, {"prices": str(write_prices(panel, out))}, as_json)


@data.command()
@click.option("--sessions", type=WHOLE, default=1500, show_default=True, help="Length of the panel.")
@click.option("--assets", type=WHOLE, default=100, show_default=True, help="Width of the panel.")
@click.option("--ic", type=NUMBER, default=0.05, show_default=True, help="The oracle's own information coefficient.")
@click.option(
    "--kind",
    type=click.Choice(["reversal", "momentum", "volume", "sign_flip", "none"]),
    default="reversal",
    show_default=True,
    help="What carries the signal.",
)
@click.option("--drift", type=NUMBER, default=0.0, show_default=True, help="Expected log return a session.")
@click.option("--volatility", type=NUMBER, default=0.02, show_default=True, help="Of an asset a session, decimal.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--out", type=PATH, required=True, help="Prices to write: long .parquet or .csv.")
@click.option("--oracle", type=PATH, help="Also write the oracle's predictions here (.parquet), with receipts beside.")
@json_option
def synthetic(
    sessions: int,
    assets: int,
    ic: float,
    kind: MarketKind,
    drift: float,
    volatility: float,
    seed: int,
    out: Path,
    oracle: Path | None,
    as_json: bool,
) -> None:
    """Make a seeded market with a planted signal of known strength.

    \b
    Examples:
      python cli.py data synthetic --sessions 1500 --assets 100 --ic 0.1 --seed 7 \\
          --out market.parquet --oracle oracle.parquet
      python cli.py backtest --prices market.parquet --predictions oracle.parquet --receipts oracle.receipts.csv
    """  # fmt: skip
    from assay.data.atomic import check_target
    from assay.data.files.predictions import write_predictions
    from assay.data.files.prices import PRICE_SUFFIXES, write_prices
    from assay.data.synthetic import synthetic_market

    check_target(out, PRICE_SUFFIXES)
    if oracle is not None:
        check_target(oracle, (".parquet",))
    panel, scores = synthetic_market(
        sessions, assets, ic=ic, kind=kind, drift=drift, volatility=volatility, seed=seed
    )
    written = {"prices": str(write_prices(panel, out))}
    if oracle is not None:
        written["oracle"] = str(write_predictions(scores, oracle))
    _report_written(panel, written, as_json)


def _facts(panel: PricePanel) -> dict[str, object]:
    present = panel.close.notna().to_numpy()
    return {
        "source": panel.source,
        "sessions": len(panel.sessions),
        "assets": len(panel.assets),
        "first": str(panel.sessions[0].date()),
        "last": str(panel.sessions[-1].date()),
        "fields": ", ".join(panel.fields),
        "adjusted": panel.adjusted,
        "coverage": f"{present.mean():.2%} of {present.size:,} closes",
        "fingerprint": panel.fingerprint[:16],
        "warnings": list(panel.warnings),
    }


def _by_asset(panel: PricePanel) -> pd.DataFrame:
    """A row an asset: its life, what is missing in it, and its close-to-close returns (decimals)."""
    import numpy as np
    import pandas as pd

    from assay.data.conventions import SESSIONS_A_YEAR
    from assay.data.quality import moves
    from assay.data.returns import simple_returns

    close = panel.close.to_numpy()
    present = np.isfinite(close)
    count, ever = present.sum(axis=0), present.any(axis=0)
    first, last = present.argmax(axis=0), len(close) - 1 - present[::-1].argmax(axis=0)
    days = panel.sessions.strftime("%Y-%m-%d").to_numpy(dtype=object)
    returns, change = simple_returns(panel.close), moves(close)
    return pd.DataFrame(
        {
            "asset": panel.assets.astype(object),
            "first": np.where(ever, days[first], None),
            "last": np.where(ever, days[last], None),
            "closes": count,
            "missing": np.where(ever, last + 1 - first - count, 0),
            "last_close": np.where(ever, close[last, np.arange(close.shape[1])], np.nan),
            "volatility_ann": returns.std(ddof=1).to_numpy() * np.sqrt(SESSIONS_A_YEAR),
            "largest_return": np.fmax.reduce(np.abs(change), axis=0),  # across gaps
        }
    )


def _as_text(by_asset: pd.DataFrame) -> pd.DataFrame:
    """The same table for the eye: percent, two decimals, blanks for what is not known."""
    import numpy as np

    out = by_asset.fillna({"first": "", "last": ""})
    out["last_close"] = [f"{value:,.2f}" if np.isfinite(value) else "" for value in by_asset["last_close"]]
    for name in ("volatility_ann", "largest_return"):
        out[name] = [f"{value:.1%}" if np.isfinite(value) else "" for value in by_asset[name]]
    return out.rename(columns={"last_close": "last close", "volatility_ann": "volatility a year",
                               "largest_return": "largest return"})  # fmt: skip


def _print_validation(panel: PricePanel, table: pd.DataFrame, summary: dict[str, Any]) -> None:
    errors, warnings = len(summary["errors"]), len(summary["warnings"])
    click.echo(
        f"{panel.source}: {len(panel.sessions):,} sessions x {len(panel.assets):,} assets, "
        f"{panel.sessions[0].date()} to {panel.sessions[-1].date()}, {', '.join(panel.fields)}"
    )
    click.echo(f"{errors} kinds of error, {warnings} kinds of warning")
    for kind in ("errors", "warnings"):
        for message in summary[kind]:
            click.echo(f"  {kind[:-1]:<8} {message}")
    if len(table):
        click.echo()
        _print_table(table.fillna("").head(40))
        if len(table) > 40:
            click.echo(f"and {len(table) - 40} more rows; --json has them all")
    if "join" in summary:
        join = summary["join"]
        click.echo(f"\npredictions: {join['joined']:,} of {join['given']:,} join a price")
        for row in join["lost"]:
            span = f"{row['assets']} assets, {row['first']} to {row['last']}"
            click.echo(f"  {row['side']:<12} {row['reason']:<32} {row['rows']:>10,}  {span}")
    if "written" in summary:
        click.echo(f"\nwritten: {summary['written']}")
        for message in summary["dropped"]:
            click.echo(f"  {message}")


def _report_written(panel: PricePanel, written: dict[str, str], as_json: bool) -> None:
    if as_json:
        echo_json({**_facts(panel), "written": written})
        return
    for what, path in written.items():
        click.echo(f"{what}: {path}")
    click.echo(
        f"{len(panel.sessions):,} sessions x {len(panel.assets):,} assets, {panel.sessions[0].date()} to "
        f"{panel.sessions[-1].date()}, {', '.join(panel.fields)}"
    )
    for warning in panel.warnings:
        click.echo(f"warning: {warning}", err=True)


def _print_table(frame: pd.DataFrame) -> None:
    """A plain table on stdout; cells are text, never markup."""
    import sys

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=160)
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in frame.columns:
        numeric = frame[name].map(lambda cell: isinstance(cell, (int, float))).all()
        table.add_column(str(name), justify="right" if numeric else "left", no_wrap=True)
    for row in frame.itertuples(index=False, name=None):
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    console.print(table)
