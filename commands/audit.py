"""Say of every figure in a report whether it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from assay.commands.options import NUMBER, WHOLE, Reading, by_default, reading_options
from assay.commands.values import DATA

if TYPE_CHECKING:
    from assay.audit.claims.model import ClaimSet
    from assay.audit.read.sheet import Draft
    from assay.audit.report import Audit

__all__ = ["audit"]

PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class _Data:
    """What figures are recomputed from or retrained on."""

    predictions: Path | None
    prices: Path | None
    returns: Path | None
    positions: Path | None
    fills: Path | None
    run: str | None
    strategy: str
    unit: Literal["return", "rank"]
    horizon: int
    risk_free: float | None
    kind: str
    column: str | None
    capital: float | None
    reading: Reading


def _print_checks(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from assay.audit.rules.identity import render_checks

        click.echo(render_checks())
        context.exit()


@click.command()
@click.argument("sources", metavar="CLAIMS_OR_REPORT…", type=PATH, nargs=-1, required=True)
@click.option(
    "--checks", is_flag=True, is_eager=True, expose_value=False, callback=_print_checks,
    help="Print every check with its formula and source, and stop.",
)  # fmt: skip
@click.option("--predictions", type=DATA, help="Recompute: what the model said (date, asset, score, …).")
@click.option("--prices", type=DATA, help="Recompute or retrain: prices, long or wide, CSV or Parquet.")
@click.option(
    "--returns",
    type=DATA,
    help="Recompute: a return series, with or without dates; beside --predictions, the report's own, day by day.",
)
@click.option(
    "--positions", type=DATA,
    help="Recompute exposure and turnover: dates and a column of weights for each asset, fractions of NAV.",
)  # fmt: skip
@click.option(
    "--fills", type=DATA,
    help="Recompute trades from what was filled (date, asset, shares or side and quantity, price, fee); with --prices"
    " and --capital also the returns, exposure and turnover of that book.",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice(["returns", "pnl", "trades", "trade-pnl"]), default="returns", show_default=True,
    help="What --returns holds: returns or profits a session, returns or profits a closed trade.",
)  # fmt: skip
@click.option("--returns-column", "column", help="The column of --returns to read, where several could be meant.")
@click.option("--capital", type=NUMBER, help="Money at the start, for --kind pnl and for --fills.")
@click.option("--run", help="The run the data is of: GROUP or GROUP/SPLIT of the claims.")
@click.option(
    "--strategy", default="quintile_long_short", show_default=True, help="Trades --predictions for portfolio figures."
)
@click.option(
    "--unit", type=click.Choice(["return", "rank"]), default="return", show_default=True, help="What a score means."
)
@click.option("--horizon", type=WHOLE, default=1, show_default=True, help="Sessions a prediction spans.")
@click.option("--risk-free", type=NUMBER, help="Annual rate the report states, in decimals; tried first after 0.")
@click.option("--model", metavar="NAME", help="Retrain this model walk-forward on --prices (or the embedded sample).")
@click.option("--seeds", type=click.IntRange(1, 100), default=5, show_default=True, help="Retrain with so many seeds.")
@click.option("--epochs", type=click.IntRange(min=1), help="Retrain with at most so many epochs.")
@click.option(
    "--checkpoint",
    type=PATH,
    help="Count what a model's file holds (.pt, .pth, .safetensors, .keras, .h5): "
    "shapes and settings are read, nothing in it is run.",
)
@click.option("--draft", "draft_file", type=PATH, help="Write the drafted claims file here, for a person to correct.")
@click.option("--html", "html_file", type=PATH, help="Write a page that stands alone.")
@click.option("--markdown", "markdown_file", type=PATH,
              help="Write the same as Markdown, for a review, without the lists of the page: figures that stand alone, "
                   "runs, what was left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--all", "every", is_flag=True, help="List figures that nothing bears on, too.")
@click.option(
    "--strict", is_flag=True, help="Exit 1 also for what is implausible, explained by a baseline or not significant."
)
@click.option("--allow-empty", is_flag=True, help="Exit 0, not 3, where no figure is found: for commits.")
@click.option("--force", is_flag=True, help="Let --draft replace a file.")
@reading_options
def audit(
    sources: tuple[Path, ...],
    predictions: Path | None,
    prices: Path | None,
    returns: Path | None,
    positions: Path | None,
    fills: Path | None,
    run: str | None,
    strategy: str,
    unit: Literal["return", "rank"],
    horizon: int,
    risk_free: float | None,
    kind: str,
    column: str | None,
    capital: float | None,
    model: str | None,
    seeds: int,
    epochs: int | None,
    checkpoint: Path | None,
    draft_file: Path | None,
    html_file: Path | None,
    markdown_file: Path | None,
    as_json: bool,
    every: bool,
    strict: bool,
    allow_empty: bool,
    force: bool,
    reading: Reading,
) -> int:
    """Say of every figure in a report whether it holds.

    CLAIMS_OR_REPORT is a claims file (TOML), or a report (Markdown, text, HTML, JSON, YAML, CSV, a log, a notebook,
    a PDF with a text layer) from which the claims are drafted, or several of a project, or its folder: one quantity
    is then tied across the files. Each figure gets two verdicts, arithmetic and substance, and one sentence that can
    be checked by hand.
    Exit code 1 if anything is inconsistent or refuted by the data.

    \b
    Examples:
      python cli.py audit data/claims/reliance_training_results.toml
      python cli.py audit MODEL_CARD.md --draft claims.toml --html audit.html
      python cli.py audit docs/ results.json logs/
      python cli.py audit claims.toml --returns returns.csv --run final/test
      python cli.py audit claims.toml --returns trades.csv --kind trades --returns-column pct
      python cli.py audit claims.toml --positions weights.csv
      python cli.py audit claims.toml --fills fills.csv --prices prices.parquet --capital 100000
      python cli.py audit claims.toml --predictions p.parquet --prices prices.parquet --strategy s2_filter_negative
      python cli.py audit claims.toml --predictions p.parquet --prices prices.parquet --returns reported.csv
      python cli.py audit claims.toml --model stock_lstm_close --seeds 5 --run model
      python cli.py audit claims.toml --strict --json
    """
    from assay.audit.judge import audit_claims
    from assay.audit.report import Audit, to_json

    data = _Data(
        predictions, prices, returns, positions, fills, run, strategy, unit, horizon, risk_free, kind, column, capital,
        reading,
    )  # fmt: skip
    _check(data, model)
    claims, draft = _read(sources, allow_empty)
    if draft_file is not None:
        _write_draft(draft_file, draft, sources[0], force)
    result = Audit(audit_claims(claims), draft=draft)
    if any(given is not None for given in (returns, positions, fills, predictions)):
        result = _recomputed(result, data)
    if model is not None:
        result = _retrained(result, data, model, seeds, epochs)
    counted = None if checkpoint is None else _counted(checkpoint, claims)
    for path, form in ((html_file, "html"), (markdown_file, "md")):
        if path is not None:
            from assay.audit.report import render_audit

            _write(path, render_audit(result, form))
    if as_json:
        import json

        told = to_json(result) | ({} if counted is None else {"checkpoint": counted})
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _echo(result, every)
        if counted is not None:
            _echo_counted(counted)
    return 1 if result.report.refuted or (strict and _doubtful(result)) else 0


def _check(data: _Data, model: str | None) -> None:
    from assay.data.errors import InputError

    if data.predictions is not None and data.prices is None:
        raise InputError("--predictions: needs --prices too, the prices that the predictions are about")
    if data.prices is not None and data.predictions is None and data.fills is None and model is None:
        raise InputError("--prices: needs --predictions or --fills to recompute from, or --model to retrain")
    if data.returns is None and (data.kind != "returns" or data.column):
        raise InputError("--kind and --returns-column: say what --returns holds; give it too")
    if data.capital is not None and data.kind != "pnl" and (data.fills is None or data.prices is None):
        raise InputError("--capital: the money at the start of --returns of --kind pnl, or of --fills with --prices")
    if data.kind.startswith("trade") and data.predictions is not None:
        raise InputError(f"--kind {data.kind}: trades are no series of sessions; leave --predictions out")
    if data.fills is not None and (data.predictions is not None or data.kind.startswith("trade")):
        raise InputError("--fills: fills are a book and its trades already; leave --predictions and --kind trades out")
    if data.fills is not None and data.prices is not None and data.returns is not None:
        raise InputError("--fills: with --prices fills give the returns themselves; leave --returns or --prices out")
    given = {"--predictions": data.predictions, "--model": model}
    of_what = {"strategy": "--predictions", "unit": "--predictions", "horizon": "--predictions", "seeds": "--model",
               "epochs": "--model"}  # fmt: skip
    for name, whose in of_what.items():
        if given[whose] is None and not by_default(name):
            raise InputError(f"--{name}: says how {whose} is used; give it too")
    if data.run is not None and model is None and not any((data.returns, data.positions, data.fills, data.predictions)):
        raise InputError("--run: says which run the data is of; give the data too")
    if data.risk_free is not None and not -0.5 < data.risk_free < 1.0:
        raise InputError(f"--risk-free {data.risk_free}: an annual rate in decimals, e.g. 0.03")


def _read(sources: tuple[Path, ...], allow_empty: bool) -> tuple[ClaimSet, Draft | None]:
    """The claims of a claims file, or those drafted from a report or the documents of a project."""
    from assay.audit.claims.files import load_claims
    from assay.audit.read.project import draft_files
    from assay.data.errors import InputError, InsufficientEvidenceError

    source = sources[0] if len(sources) == 1 else Path(", ".join(map(str, sources)))
    claims_files = [path for path in sources if path.suffix.lower() == ".toml"]
    if claims_files:
        if len(sources) > 1:
            raise InputError(f"{claims_files[0]}: a claims file is audited alone; give it or the documents, not both")
        claims = load_claims(source)
        if not claims.claims and not allow_empty:
            raise InsufficientEvidenceError(f"{source}: no [[claim]]; there is nothing to audit")
        return claims, None
    draft = draft_files(sources)
    if not draft.claims.claims and not allow_empty:
        apart = [f"{len(draft.excluded)} taken for dates, settings, code or names"] * bool(draft.excluded)
        apart += [f"{len(draft.unplaced)} not placed"] * bool(draft.unplaced)
        numbers = f"of its numbers {' and '.join(apart)}" if apart else "it has no numbers"
        raise InsufficientEvidenceError(f"{source}: no figure beside the name of a metric; {numbers}")
    return draft.claims, draft


def _write(path: Path, text: str) -> None:
    from assay.data.atomic import replacing

    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _write_draft(path: Path, draft: Draft | None, source: Path, force: bool) -> None:
    from assay.audit.claims.files import dump_draft
    from assay.data.errors import InputError

    if draft is None:
        raise InputError(f"--draft: {source} is a claims file already; give a report")
    if path.exists() and not force:
        raise InputError(f"--draft {path}: exists, perhaps with corrections; choose another name or add --force")
    _write(path, dump_draft(draft))
    click.echo(
        f"draft written to {path}: {len(draft.claims.claims)} claims, {len(draft.unplaced)} not placed", err=True
    )


def _recomputed(result: Audit, data: _Data) -> Audit:
    from dataclasses import replace

    from assay.audit.recompute.conventions import Material
    from assay.audit.recompute.figures import daily_finding, match_daily, recompute, vol_target_of, with_findings
    from assay.audit.recompute.material import material_of_panels, material_of_returns, with_fills, with_positions
    from assay.results.workflow.market import load_prices

    claims, daily, printed, assumption = result.report.claims, None, None, ""
    material = Material(risk_free=data.risk_free)
    if data.returns is not None:
        printed = material = material_of_returns(
            data.returns, data.risk_free, kind=data.kind, column=data.column, capital=data.capital,
            options=data.reading.of("returns"),
        )  # fmt: skip
    if data.predictions is not None:
        assert data.prices is not None  # was checked
        from assay.data.files.predictions import load_predictions

        prices = load_prices(data.prices, options=data.reading.of("prices"))
        predictions = load_predictions(
            data.predictions, name=data.predictions.stem, unit=data.unit, horizon=data.horizon,
            options=data.reading.of("predictions"),
        )  # fmt: skip
        material, assumption = material_of_panels(predictions, prices, strategy=data.strategy, risk_free=data.risk_free)
        if printed is not None:
            daily = match_daily(printed, material, vol_target_of(claims, data.run))
            words = material.described(printed.description)
            material, assumption = replace(printed, panels=material.panels, description=words), ""
    if data.fills is not None:
        marks = None if data.prices is None else load_prices(data.prices, options=data.reading.of("prices"))
        material = with_fills(
            material, data.fills, prices=marks, capital=data.capital, options=data.reading.of("fills")
        )
    if data.positions is not None:
        material = with_positions(material, data.positions, data.reading.of("positions"))
    found = recompute(claims, material, run=data.run, assumption=assumption)
    report = with_findings(result.report, found, daily_finding(found, daily, data.strategy))
    return replace(result, report=report, recomputed=tuple(found), data=material.description, daily=daily)


def _retrained(result: Audit, data: _Data, model: str, seeds: int, epochs: int | None) -> Audit:
    from dataclasses import replace

    from assay.audit.recompute.figures import with_findings
    from assay.audit.recompute.retrain import retrain

    rows, findings = retrain(
        result.report.claims, model, prices=data.prices, reading=data.reading.of("prices"), run=data.run, seeds=seeds,
        epochs=epochs, note=lambda text: click.echo(text, err=True),
    )  # fmt: skip
    report = with_findings(result.report, list(result.recomputed), findings)
    return replace(result, report=report, retrained=tuple(rows))


def _echo(result: Audit, every: bool) -> None:
    import textwrap

    from assay.audit.report import render_table, summary_paragraph
    from assay.data.card import plural
    from assay.results.report.tables import table_lines, terminal_width

    width = max(100, min(200, terminal_width() or 140))
    if table := render_table(result, width, every):
        click.echo(table)
    if result.daily is not None:
        click.echo(textwrap.fill(f"\nday by day: {result.daily.sentence}", width, replace_whitespace=False))
    if result.retrained:
        names = list(dict.fromkeys(name for row in result.retrained for name in row))
        cells = [[row.get(name, "") for name in names] for row in result.retrained]
        lines = table_lines([name.replace("_", " ") for name in names], cells, width=width)
        click.echo("\n".join(["", "retrained", *lines]))
    if result.draft is not None:
        for note in result.draft.notes[:8]:
            click.echo(textwrap.fill(f"note: {note}", width, subsequent_indent="  "))
        if len(result.draft.notes) > 8:
            click.echo(f"note: … and {len(result.draft.notes) - 8} more (--draft and --json list them)")
        if result.draft.unplaced:
            left = result.draft.unplaced[:12]
            listed = ", ".join(f"{item.text} ({f'{item.document} line {item.line}'.strip()})" for item in left)
            more = f" and {len(result.draft.unplaced) - 12} more (--json)" if len(result.draft.unplaced) > 12 else ""
            click.echo(textwrap.fill(f"not placed: {listed}{more}", width, subsequent_indent="  "))
        if apart := len(result.draft.excluded):
            taken = f"{plural(apart, 'number')} taken for dates, settings, code or names"
            click.echo(f"{taken}: --draft and --json list them")
    click.echo()
    click.echo(textwrap.fill(summary_paragraph(result), width))


def _counted(path: Path, claims: ClaimSet) -> dict[str, Any]:
    """What a checkpoint holds, and how the printed counts of parameters stand to it."""
    from assay.models.checkpoint_shapes import read_checkpoint_shapes

    found = read_checkpoint_shapes(path)
    printed = [
        {
            "id": claim.id, "printed": claim.printed, "group": claim.group,
            "holds": claim.value.interval.low <= found.parameters <= claim.value.interval.high,
        }
        for claim in claims.claims
        if claim.metric == "parameters"
    ]  # fmt: skip
    return {
        "file": path.name, "kind": found.kind, "parameters": found.parameters, "tensors": len(found.shapes),
        "shapes": {name: list(shape) for name, shape in found.shapes.items()},
        "recurrent": {name: list(sizes) for name, sizes in found.recurrent.items()},
        "settings": dict(found.settings), "printed": printed,
    }  # fmt: skip


def _echo_counted(counted: dict[str, Any]) -> None:
    click.echo(f"\ncheckpoint  {counted['file']} ({counted['kind']}): {counted['parameters']:,} parameters "
               f"in {counted['tensors']} tensors")  # fmt: skip
    for name, (inputs, units) in counted["recurrent"].items():
        click.echo(f"  {name}: LSTM of {units} over {inputs} inputs")
    for item in counted["printed"]:
        verdict = "what it holds" if item["holds"] else "not what it holds"
        click.echo(f"  printed {item['printed']} ({item['group']}): {verdict}")
    for name, value in list(counted["settings"].items())[:12]:
        click.echo(f"  {name} = {str(value)[:60]}")


def _doubtful(result: Audit) -> bool:
    """Whether any figure is implausible, explained by a baseline or not significant."""
    from assay.audit.verdicts import Substance

    grave = (Substance.IMPLAUSIBLE, Substance.EXPLAINED, Substance.NOT_SIGNIFICANT)
    return any(verdict.substance in grave for verdict in result.report.verdicts)
