"""Backtest a grid of parameters in one pass."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import click

from assay.commands.common import (
    PATH,
    cost_options,
    costs_of,
    data_options,
    echo_json,
    execution_of,
    execution_options,
    json_option,
    load_inputs,
    parse_settings,
    progress,
    results_option,
    strategy_options,
)

__all__ = ["sweep"]


@click.command()
@strategy_options
@click.option("--grid", "grids", multiple=True, metavar="NAME=V1,V2,…",
              help="A parameter of the strategy, a cost (cost_bps, borrow_bps …), delay or fill; repeatable.")
@data_options
@execution_options
@cost_options
@click.option("--trials", type=int, default=0, help="Trials made elsewhere, added to the ledger's count.")
@click.option("--clusters", is_flag=True, help="Also count independent trials by clustering the ledger's returns, and "
              "deflate the best by that count.")
@click.option("--executor", type=click.Choice(["serial", "process", "ray"]), default="process", show_default=True,
              help="Where cells that cannot share a pass (entry rules, fees by the fill) are run; same figures.")
@click.option("--workers", type=int, help="How many at once; default and most: the cores.")
@click.option("--heatmap", type=PATH, help="Draw the net Sharpe over the first two grids as a PNG here.")
@results_option
@json_option
def sweep(**options: Any) -> None:
    """Backtest a grid of parameters: a table, the odds that the choice is overfit, and what the best is worth.

    Every cell is a trial and enters the ledger. A sweep that was killed goes on where it stopped.

    \b
    Examples:
      python cli.py sweep --strategy s2_filter_negative --grid quantile=0.1,0.2,0.3 --grid cost_bps=0,5,10
      python cli.py sweep --strategy quintile_long_short --grid delay=1,2,3 --heatmap delay.png --json
    """  # fmt: skip
    import numpy as np
    import pandas as pd

    from assay.data.errors import InsufficientEvidenceError
    from assay.engine.backtest import with_tradable_benchmark
    from assay.engine.sweep import cells_of, parse_grid, run_cells
    from assay.results.checks.trials import family_of
    from assay.results.stats.deflated_sharpe import deflated_sharpe
    from assay.results.stats.overfitting import effective_trials, probability_of_overfitting
    from assay.results.stats.performance import sharpe_interval
    from assay.results.storage.ledger import read_trials, register
    from assay.results.storage.runs import run_id, save_run

    started = time.perf_counter()
    name, root, as_json = options.pop("strategy"), options.pop("results"), options.pop("as_json")
    grid, settings = parse_grid(options.pop("grids")), parse_settings(options.pop("settings"))
    where = {"executor": options.pop("executor"), "workers": options.pop("workers")}
    elsewhere, heatmap, clusters = options.pop("trials"), options.pop("heatmap"), options.pop("clusters")
    brought = options["predictions"] is not None
    options["delay"] = 0 if options["same_close"] else options["delay"]
    inputs = load_inputs(options)
    execution, costs = execution_of(options), costs_of(options)
    cells = cells_of(name, grid, settings=settings, costs=costs, execution=execution)
    prices = with_tradable_benchmark(cells[0].strategy, inputs.prices, inputs.benchmark)
    prints = {"prices": inputs.prices.fingerprint, "predictions": inputs.predictions.fingerprint}
    configs = [_config(cell, name, inputs) for cell in cells]
    config = {"strategy": f"sweep {name}", "grid": grid, "cells": configs}
    parts = root / f".sweep-{run_id(name, config, prints)}"
    done = _read_parts(parts)
    with progress(quiet=as_json) as display:
        task = display.add_task("cells", total=len(cells), completed=len(done))
        for batch in run_cells(cells, inputs.predictions, prices, skip=frozenset(done), **where):
            _write_part(parts, batch)
            done |= {item.index: item for item in batch}
            display.update(task, completed=len(done))
    family = family_of(cells[0].strategy)
    trials = [_trial(item, prints, family, brought) for item in configs]
    for index, trial in enumerate(trials):
        register(trial, f"sweep-{index}", done[index].net, root=root)
    rows = []
    for index, cell in enumerate(cells):
        item = done[index]
        sharpe, low, high = sharpe_interval(item.net.to_numpy())
        rows.append({**cell.parameters, "sharpe_net": sharpe, "low": low, "high": high,
                     "return_ann": _geometric(item.net), "return_arithmetic_ann": float(item.net.mean()) * 252,
                     "volatility_ann": float(item.net.std(ddof=1)) * 252**0.5,
                     "turnover_ann": item.turnover_ann, "net_exposure": item.net_exposure})  # fmt: skip
    table = pd.DataFrame(rows)
    returns = pd.DataFrame({str(index): done[index].net for index in range(len(cells))})
    common = returns.dropna()
    best = int(table["sharpe_net"].fillna(-np.inf).argmax())
    known = read_trials(prices=prints["prices"], family=family, root=root)
    judged = deflated_sharpe(
        done[best].net.to_numpy(), known.table["sharpe"].to_numpy(dtype=float), trials=known.count + max(elsewhere, 0)
    )
    try:
        overfit = probability_of_overfitting(common.to_numpy())
        pbo: dict[str, Any] = {"probability": overfit.probability, "strict": overfit.probability_strict,
                               "splits": overfit.splits, "dropped_sessions": overfit.dropped}  # fmt: skip
    except InsufficientEvidenceError as error:
        pbo = {"probability": None, "reason": str(error)}
    metrics = {
        "cells": len(cells),
        "best": {"parameters": dict(cells[best].parameters), **{k: v for k, v in rows[best].items() if k not in grid}},
        "pbo": pbo,
        "spa": _superior(common, cells),
        "effective_trials": effective_trials(common.to_numpy()) if len(common) > 2 else None,
        "trials": {"count": judged.trials, "in_ledger": known.count, "deflated_sharpe": judged.probability,
                   "threshold_sharpe_ann": judged.threshold * 252**0.5},
        **({"clusters": _clusters(known, done[best].net, max(elsewhere, 0))} if clusters else {}),
        "table": rows,
    }  # fmt: skip
    stored = save_run(
        f"sweep_{name}", config=config, fingerprints=prints, metrics=metrics,
        tables={"cells": table, "returns": returns},
        notes={"timings": {"seconds": round(time.perf_counter() - started, 3)}}, root=root,
    )  # fmt: skip
    shutil.rmtree(parts, ignore_errors=True)
    if heatmap is not None:
        _draw(table, grid, heatmap)
    if as_json:
        echo_json({"run_id": stored.id, "path": str(stored.path), **metrics})
        return
    _print(table, list(grid), metrics, stored.path)


def _geometric(net: Any) -> float:
    """Return a year as `backtest` states it: compounded; NaN where a session lost everything."""
    import empyrical

    return float(empyrical.annual_return(net, annualization=252)) if len(net) and net.min() > -1 else float("nan")


def _superior(returns: Any, cells: Any) -> dict[str, Any]:
    """Hansen's test that no cell is better than cash, and the cells that are; cells that never moved are left out."""
    from assay.data.errors import InsufficientEvidenceError
    from assay.results.stats.superior_ability import superior_ability

    values = returns.to_numpy(dtype=float)
    moving = [column for column in range(values.shape[1]) if values[:, column].std() > 1e-15] if len(values) else []
    still = values.shape[1] - len(moving)
    try:
        found = superior_ability(values[:, moving])
    except InsufficientEvidenceError as error:
        return {"p_value": None, "reason": str(error), "cells_without_trades": still}
    return {
        "p_value": found.consistent, "lower": found.lower, "upper": found.upper, "against": "cash",
        "superior": [dict(cells[moving[column]].parameters) for column in found.superior()], "size": 0.05,
        "cells": len(moving), "cells_without_trades": still, "sessions": found.sessions, "draws": found.draws,
        "block": found.block,
    }  # fmt: skip


def _clusters(known: Any, net: Any, elsewhere: int) -> dict[str, Any]:
    """Groups among the ledger's trials on their common sessions, and the best judged by their number."""
    from assay.data.errors import BacktestError
    from assay.results.stats.deflated_sharpe import deflated_sharpe
    from assay.results.stats.overfitting import cluster_trials

    common = known.returns.dropna()
    try:
        found = cluster_trials(common.to_numpy(dtype=float))
    except BacktestError as error:
        return {"count": None, "reason": str(error)}
    sharpes = known.table["sharpe"].to_numpy(dtype=float)
    judged = deflated_sharpe(net.to_numpy(), sharpes, independent=found.count + elsewhere)
    return {"count": found.count, "elsewhere": elsewhere, "sessions": len(common),
            "silhouette": found.silhouette if found.silhouette == found.silhouette else None,
            "deflated_sharpe": judged.probability, "threshold_sharpe_ann": judged.threshold * 252**0.5}  # fmt: skip


def _config(cell: Any, name: str, inputs: Any) -> dict[str, Any]:
    """What a backtest of the same cell would store, so that both are one trial."""
    from dataclasses import asdict

    from assay.engine.backtest import described

    execution = {**asdict(cell.execution), "fill": cell.execution.fill_at(inputs.prices)}
    return {"costs": asdict(cell.costs), "execution": execution, "source": inputs.prices.source,
            "adjusted": inputs.prices.adjusted, **described(cell.strategy), "model": inputs.predictions.name,
            "horizon": inputs.predictions.horizon}  # fmt: skip


def _trial(config: dict[str, Any], prints: dict[str, str], family: str, brought: bool) -> Any:
    from assay.results.storage.ledger import trial_of

    return trial_of(
        config, prices=prints["prices"], family=family, predictions=prints["predictions"] if brought else None
    )


def _write_part(folder: Path, batch: list[Any]) -> None:
    import pandas as pd

    from assay.data.atomic import replacing

    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({str(item.index): item.net for item in batch})
    about = pd.DataFrame(
        {str(item.index): [item.turnover_ann, item.gross_mean, item.net_exposure] for item in batch},
        index=["turnover_ann", "gross_mean", "net_exposure"],
    )
    first = min(item.index for item in batch)
    with replacing(folder / f"about-{first}.parquet") as temporary:
        about.to_parquet(temporary)
    with replacing(folder / f"net-{first}.parquet") as temporary:
        frame.to_parquet(temporary)


def _read_parts(folder: Path) -> dict[int, Any]:
    import pandas as pd

    from assay.engine.sweep import CellResult

    out = {}
    for path in sorted(folder.glob("net-*.parquet")):
        try:
            frame = pd.read_parquet(path)
            about = pd.read_parquet(path.with_name(path.name.replace("net-", "about-")))
        except (OSError, ValueError):
            continue  # damaged by a kill: these cells are run again
        for column in frame:
            net = frame[column].dropna().rename(None)
            out[int(column)] = CellResult(int(column), net, *(float(value) for value in about[column]))
    return out


def _print(table: Any, names: list[str], metrics: dict[str, Any], path: Path) -> None:
    shown = table.sort_values("sharpe_net", ascending=False, kind="stable").head(20)
    click.echo("".join(f"{name:>16}" for name in names) + f"{'net Sharpe':>12}{'95% interval':>18}{'turnover':>10}")
    for _, row in shown.iterrows():
        interval = f"[{row['low']:.2f}, {row['high']:.2f}]"
        cells = "".join(f"{row[name]:>16}" for name in names)
        click.echo(f"{cells}{row['sharpe_net']:>12.2f}{interval:>18}{row['turnover_ann']:>9.1f}×")
    if len(table) > len(shown):
        click.echo(f"… {len(table) - len(shown)} more in {path / 'cells.parquet'}")
    pbo, trials = metrics["pbo"], metrics["trials"]
    said = f"{pbo['probability']:.2f}" if pbo["probability"] is not None else f"not judged ({pbo['reason']})"
    click.echo(f"\nprobability that the choice is overfit (PBO) {said} · {trials['count']} trials in the ledger"
               f" · deflated Sharpe of the best {trials['deflated_sharpe']:.2f}")  # fmt: skip
    click.echo(_said_of_spa(metrics["spa"]))
    groups = metrics.get("clusters")
    if groups and groups["count"] is None:
        click.echo(f"clusters: {groups['reason']}")
    elif groups:
        click.echo(f"clusters: the ledger's {trials['in_ledger']} trials count as {groups['count']} independent"
                   f" · deflated Sharpe of the best by that count {groups['deflated_sharpe']:.2f}")  # fmt: skip
    click.echo(str(path))


def _said_of_spa(spa: dict[str, Any]) -> str:
    if spa["p_value"] is None:
        return f"any cell better than cash (Hansen's SPA): not judged ({spa['reason']})"
    named = f"{len(spa['superior'])} of {spa['cells']} cells" if spa["superior"] else "no cell"
    return (f"any cell better than cash (Hansen's SPA) p {spa['p_value']:.3f}, from {spa['lower']:.3f} to"
            f" {spa['upper']:.3f} · {named} at a family-wise 5% (Romano-Wolf)")  # fmt: skip


def _draw(table: Any, grid: dict[str, list[str]], path: Path) -> None:
    """Net Sharpe over the first two parameters (the mean over the others), as a PNG."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from assay.data.atomic import replacing

    first, second = ([*grid, *grid])[:2]
    across = list(grid[second]) if second != first else ["net Sharpe"]
    means = table.groupby([first, second] if second != first else [first])["sharpe_net"].mean()
    values = np.array([[means.get((a, b) if second != first else a, np.nan) for b in across] for a in grid[first]])
    figure = Figure(figsize=(1.6 + 0.9 * len(across), 1.2 + 0.5 * len(grid[first])), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    limit = float(np.nanmax(np.abs(values))) or 1.0
    image = axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(len(across)), across)
    axes.set_yticks(range(len(grid[first])), grid[first])
    axes.set_xlabel(second if second != first else "")
    axes.set_ylabel(first)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            dark = abs(values[row, column]) > 0.6 * limit
            axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center",
                      color="white" if dark else "black")  # fmt: skip
    figure.colorbar(image, label="net Sharpe")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
