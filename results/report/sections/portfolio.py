"""What the portfolio did."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from assay.data.card import plural
from assay.data.conventions import Floats
from assay.results.report.blocks import (
    Cell,
    Figure,
    Note,
    Section,
    Table,
    fixed,
    metric_cell,
    number,
    percent,
    plain_table,
    said,
    times,
)
from assay.results.report.plots import (
    plot_concentration,
    plot_costs,
    plot_exposure,
    plot_legs,
    plot_months,
    plot_rolling,
    plot_stages,
    plot_trades,
    plot_turnover,
)
from assay.results.report.run_data import RunData, first_rows
from assay.results.stats.attribution import concentration, extreme_sessions, leg_returns
from assay.results.stats.performance import drawdowns, monthly_returns, rolling, yearly_returns
from assay.results.stats.periods import flat_sessions, month_outcomes, time_in_market, trailing_returns
from assay.results.stats.return_path import PATH_FIGURES, against_figures, path_figures

__all__ = ["portfolio_section"]

_WINDOW = 126
_MOST_ROWS = 60
#: Current positions that are listed.
_MOST_POSITIONS = 200
_MANY_TRADES = 1_000_000
_FEWEST_MONTHS = 6
#: Weights below which a name is not held, and is not worth a row.
_NOTHING, _SHOWN = 1e-9, 1e-4
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def portfolio_section(data: RunData) -> Section:
    """Calendar, periods to date, current positions, rolling figures, exposure, costs, stages, legs, trades, events."""
    parts = (
        *_calendar(data),
        _trailing(data),
        _positions(data),
        _relative(data),
        _drawdowns(data),
        _path(data),
        *_switches(data),
        *_rolling(data),
        *_book(data),
        *_costs(data),
        *_stages(data),
        _extremes(data),
        *_trades(data),
        *_events(data),
    )
    return Section("portfolio", "Portfolio", parts)


def _shade(value: float, bound: float) -> str:
    """Blue for gains and orange for losses, the stronger the larger; readable under dark and light text."""
    if not math.isfinite(value) or bound <= 0:
        return ""
    strength = min(1.0, abs(value) / bound)
    colour = "0,114,178" if value > 0 else "230,159,0"
    return f"rgba({colour},{0.08 + 0.42 * strength:.2f})"


def _shaded(value: float, bound: float) -> Cell:
    plain = percent(value)
    return Cell(plain.text, plain.sort, _shade(value, bound))


def _calendar(data: RunData) -> list[Figure | Table | Note]:
    returns = data.returns
    months = monthly_returns(returns["net"])
    years = yearly_returns(returns["net"])
    bound = float(np.nanquantile(months.abs().to_numpy(), 0.95))
    year_bound = float(years.abs().max())
    rows = tuple(
        (
            Cell(str(year), float(year)),
            *(_shaded(value, bound) for value in months.loc[year]),
            _shaded(years[year], year_bound),
        )
        for year in months.index
    )
    said_so = "Net, compounded; blue gains, orange losses; first and last may be parts of a month or year."
    monthly = Table("Monthly returns", ("year", *_MONTHS, "all year"), rows, said_so, wide=True)
    table = pd.DataFrame({"net": years, "gross": yearly_returns(returns["gross"])})
    if data.benchmark is not None:
        table["benchmark"] = yearly_returns(data.benchmark.fillna(0))
    table["worst"] = returns["net"].groupby(pd.DatetimeIndex(returns.index).year).min()
    table["sessions"] = returns["net"].groupby(pd.DatetimeIndex(returns.index).year).size()
    table["year"] = table.index.astype(str)
    yearly = plain_table(
        "Yearly returns",
        table,
        [
            ("year", "year", said),
            ("net", "net", lambda value: _shaded(value, year_bound)),
            ("gross", "gross", percent),
            ("benchmark", "benchmark", percent),
            ("worst", "worst session, net", percent),
            ("sessions", "sessions", number),
        ],
    )
    parts: list[Figure | Table | Note] = [monthly, yearly]
    found = month_outcomes(months)
    if found["months"] < _FEWEST_MONTHS:
        few = f"{plural(int(found['months']), 'month')}: too few for a distribution."
        parts.append(Note(few, "Monthly outcomes", absent=True))
        return parts
    alt = (
        f"{found['months']:.0f} months, net: {found['above_zero']:.0%} above 0, mean {found['mean']:.2%}, median "
        f"{found['median']:.2%}, worst {found['worst']:.1%}, best {found['best']:.1%}"
    )
    values = months.to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    alt += f"{_either_side(values)}."
    parts.append(Figure("Monthly outcomes", alt, lambda axes: plot_months(axes, values)))
    return parts


def _trailing(data: RunData) -> Table:
    """To date and over the last years, beside the benchmark."""
    names = ["net", "gross", *(["benchmark"] if data.benchmark is not None else [])]
    table = trailing_returns(data.returns[names])
    end = data.returns.index[-1].date()
    rows = tuple((Cell(str(row[0])), *(percent(value) for value in row[1:])) for row in table.itertuples())
    about = f"Periods end with {end}; – : the record does not reach back so far."
    return Table("To date and the last years", ("period", *names), rows, about)


def _positions(data: RunData) -> Table | Note:
    """The last target weights, which are what is to be held next."""
    title = "Current positions"
    if data.weights is None:
        return Note(data.why_not("weights", "No target weights are stored."), title, absent=True)
    last = data.weights.iloc[-1].dropna()
    held = last[last.abs() > _NOTHING].sort_values(kind="stable", ascending=False)
    decided = data.weights.index[-1].date()
    total = float(held.abs().sum())
    about = f"Target weights decided at the close of {decided}, of NAV: gross {total:.1%}, net {held.sum():z.1%}."
    if held.empty:
        return Note(f"Everything in cash: the target weights of {decided} are all 0.", title)
    shown = held[held.abs() >= _SHOWN]
    if len(shown) < len(held):
        about += f" {plural(len(held) - len(shown), 'name')} below {_SHOWN:.2%} left out."
    if len(shown) > _MOST_POSITIONS:
        about += f" The largest {_MOST_POSITIONS} of {len(shown):,}; the rest stand in the run folder."
        large = shown.abs().sort_values(kind="stable", ascending=False).index[:_MOST_POSITIONS]
        shown = shown[shown.index.isin(large)]
    rows = tuple(
        (said(str(name)), _side(int(np.sign(value))), percent(value, 2), percent(abs(value) / total))
        for name, value in shown.items()
    )
    return Table(title, ("asset", "side", "weight", "of gross"), rows, about)


def _switches(data: RunData) -> list[Table]:
    """Months in which the book was flat part of the time; the kill switches' work, where they are on."""
    flat = flat_sessions(data.returns["gross_exposure"])
    if not float(np.nansum(flat.to_numpy())) > 0:
        return []
    rows = tuple(
        (Cell(str(year), float(year)), *(
            replace(percent(value, 0), shade=f"rgba(204,121,167,{0.45 * value:.2f})" if value > 0 else "")
            for value in flat.loc[year]
        ))
        for year in flat.index[(flat > 0).any(axis="columns")]
    )  # fmt: skip
    held = time_in_market(data.returns["gross_exposure"])
    events = data.optional("events")
    fired = 0 if events is None else int(events["kind"].str.startswith("kill").sum())
    about = f"Share of a month's sessions that ended with nothing held; invested on {held:.1%} of all."
    about += " Years without such a session are left out." if len(rows) < len(flat) else ""
    about += f" Kill switches went off {plural(fired, 'time')}." if fired else ""
    return [Table("Switch calendar", ("year", *_MONTHS), rows, about, wide=True)]


def _rolling(data: RunData) -> list[Figure | Note]:
    table = rolling(data.returns["net"], data.benchmark, _WINDOW, rate=data.returns.get("cash_rate"))
    words = {"sharpe": "Rolling Sharpe ratio", "volatility": "Rolling volatility", "beta": "Rolling beta"}
    parts: list[Figure | Note] = []
    if len(table) < _WINDOW:
        why = f"{plural(len(table), 'session')}: fewer than the {_WINDOW} of a window."
        return [Note(why, "Rolling Sharpe ratio, volatility and beta", absent=True)]
    for column, title in words.items():
        if column not in table:
            parts.append(Note("The run has no benchmark.", title, absent=True))
            continue
        last = table[column].iloc[-1]
        end = f"at the end {last:.1%}" if column == "volatility" else f"at the end {last:.2f}"
        end = end if math.isfinite(last) else "the last one varies too little"
        alt = f"{title} over {_WINDOW} sessions, net; {end}."
        parts.append(Figure(title, alt, partial(plot_rolling, table=table, column=column, window=_WINDOW)))
    return parts


_SHARES = ("months", "quarters", "years", "mean_depth", "ulcer", "tracking_error")
_COUNTS = ("gains_in_a_row", "losses_in_a_row", "under_water")


def _path(data: RunData) -> Table:
    """Gains and losses along the way, of the run and of its benchmark."""
    net = path_figures(data.returns["net"])
    beside: dict[str, float] = {}
    if data.benchmark is not None:
        net |= against_figures(data.returns["net"], data.benchmark)
        beside = path_figures(data.benchmark.dropna())
    rows = []
    for name, value in net.items():
        label, about = PATH_FIGURES[name]
        form = percent if name in _SHARES else number if name in _COUNTS else fixed
        other = (form(beside[name]) if name in beside else Cell(""),) if beside else ()
        rows.append((Cell(label), form(value), *other, Cell(about)))
    columns = ("figure", "net", *(("benchmark",) if beside else ()), "convention")
    return Table("Gains and losses along the way", columns, tuple(rows))


def _drawdowns(data: RunData) -> Table | Note:
    table = drawdowns(data.returns["net"])
    if table.empty:
        return Note("The net return never fell below an earlier level.", "Deepest drawdowns", absent=True)
    form = [
        ("depth", "depth", percent), ("peak", "peak", said), ("trough", "trough", said),
        ("recovery", "recovery", said), ("sessions", "sessions", number),
    ]  # fmt: skip
    return plain_table("Deepest drawdowns", table, form, caption="Net; – : not recovered by the end.")


def _book(data: RunData) -> list[Figure | Note]:
    returns, weights = data.returns, data.weights
    mean = returns["gross_exposure"].mean(), returns["net_exposure"].mean()
    parts: list[Figure | Note] = [
        Figure("Exposure", f"Exposure at the close; mean gross {mean[0]:.2f}, net {mean[1]:z.2f} of NAV.",
               lambda axes: plot_exposure(axes, returns)),
        Figure("Turnover", f"One-way turnover; mean {returns['turnover'].mean():.1%} of NAV a session.",
               lambda axes: plot_turnover(axes, returns["turnover"])),
    ]  # fmt: skip
    if weights is None:
        why = data.why_not("weights", "No target weights are stored: the strategy is executed bar by bar.")
        return [*parts, Note(why, "Legs and concentration", absent=True)]
    table = concentration(weights)
    held = table["effective_names"].mean()
    text = "No session holds anything."
    if not math.isnan(held):
        text = f"On average {held:,.1f} effective names, the largest {percent(table['largest'].mean()).text} of gross."
    parts.append(Figure("Concentration", text, lambda axes: plot_concentration(axes, table), caption=text))
    if data.forward is None:
        return [
            *parts,
            Note(
                data.why_not("forward_returns", "No forward returns are stored, so the legs cannot be told apart."),
                "Long and short legs",
                absent=True,
            ),
        ]
    legs = leg_returns(weights, data.forward, data.horizon)
    total = legs.sum()
    alt = f"Summed contributions before costs: long {total['long']:.1%}, short {total['short']:.1%}."
    parts.append(Figure("Long and short legs", alt, lambda axes: plot_legs(axes, legs), caption=alt))
    return parts


def _costs(data: RunData) -> list[Figure | Table | Note]:
    costs, metrics = data.optional("costs"), data.metrics
    names = (
        ("cost_ann", "all costs"), ("trading_cost_ann", "trading"), ("borrow_cost_ann", "borrow"),
        ("financing_cost_ann", "financing"), ("turnover_ann", "turnover"),
        ("break_even_cost_bps", "break-even cost"), ("break_even_borrow_bps", "break-even borrow"),
    )  # fmt: skip
    rows = tuple(
        (Cell(label), metric_cell(metrics[name]), Cell(_why(metrics[name]))) for name, label in names if name in metrics
    )
    table = Table("Costs and break-even", ("figure", "value", "convention"), rows)
    if costs is None:
        return [Note("No table of costs is stored.", "Costs by kind", absent=True), table]
    paid = costs.sum()
    spent = ", ".join(f"{str(kind).replace('_', ' ')} {value:,.0f}" for kind, value in paid.items() if value)
    alt = f"Costs by kind, in currency: {spent or 'none'}."
    return [
        Figure("Costs by kind", alt, lambda axes: plot_costs(axes, costs, data.returns["nav"]), caption=alt),
        table,
    ]


def _why(item: dict[str, object]) -> str:
    reason = f"{item.get('reason')} · " if item.get("value") is None and item.get("reason") else ""
    return f"{reason}{item.get('convention', '')}"


def _stages(data: RunData) -> list[Figure | Table | Note]:
    stages = data.optional("stages")
    if stages is None:
        return [Note("The run kept no figures by stage.", "Stage by stage", absent=True)]
    said_so = ", ".join(f"{name} {value:.2f}" for name, value in stages["sharpe"].items())
    form = [
        ("stage", "after", said), ("sharpe", "Sharpe", fixed), ("return_ann", "return", percent),
        ("volatility_ann", "volatility", percent), ("turnover_ann", "turnover", times),
        ("cost_ann", "cost", lambda value: percent(value, 2)),
    ]  # fmt: skip
    table = stages.rename_axis("stage").reset_index()
    return [
        Figure(
            "Sharpe ratio stage by stage",
            f"Sharpe after each stage: {said_so}.",
            lambda axes: plot_stages(axes, stages),
        ),
        plain_table("Stage by stage", table, form, caption="All a year; before costs, except the last row."),
    ]


def _extremes(data: RunData) -> Table:
    table = extreme_sessions(data.returns)
    form = [("session", "session", said), ("net", "net", lambda value: percent(value, 2)),
            ("benchmark", "benchmark", lambda value: percent(value, 2))]  # fmt: skip
    about = "The worst first; the best stand last."
    return plain_table("Worst and best sessions", table, form, caption=about)


def _either_side(values: Floats) -> str:
    """The means of what gained and of what lost, as the end of a sentence; nothing where all went one way."""
    gains, losses = values[values > 0], values[values < 0]
    if not len(gains) or not len(losses):
        return ""
    return f"; gains {gains.mean():.2%} on average, losses {losses.mean():.2%}"


def _lasting(data: RunData) -> str:
    """How many sessions round trips lasted, as the end of a sentence."""
    ends = data.columns("trades", ["entry_session", "exit_session"])
    if ends is None:
        return ""
    first, last = (data.returns.index.searchsorted(ends[name]) for name in ("entry_session", "exit_session"))
    held = last - first
    return f"; held {np.mean(held):.1f} sessions on average, median {np.median(held):.0f}, at most {np.max(held)}"


def _trades(data: RunData) -> list[Figure | Table | Note]:
    trades = data.columns("trades", ["return"])
    if trades is None:
        return [Note(data.why_not("trades", "There are no round trips."), "Round trips", absent=True)]
    values = trades["return"]
    alt = f"{len(values):,} round trips, flat to flat, mean {values.mean():.2%}, median {values.median():.2%}"
    alt += _either_side(values.to_numpy(dtype=np.float64))
    alt += _lasting(data)
    money = data.columns("trades", ["pnl", "costs", "holding", "invested"])
    if money is not None:
        total = money.sum()
        share, trading, holding = total["pnl"] / total["invested"], total["costs"], total["holding"]
        alt += f"; together {total['pnl']:,.0f} of currency, {share:.2%} of the largest positions,"
        alt += f" after {trading:,.0f} for trading and {holding:,.0f} for holding"
    alt += "."
    parts: list[Figure | Table | Note] = [
        Figure("Round trips", alt, lambda axes: plot_trades(axes, values), caption=alt),
    ]
    if len(values) > _MANY_TRADES:
        return parts
    full = data.columns("trades", ["asset", "side", "entry_session", "exit_session", "return", "pnl"])
    assert full is not None
    order = full["pnl"].sort_values(kind="stable").index
    few = min(10, len(order) // 2 + 1)
    chosen = full.loc[list(dict.fromkeys([*order[:few], *order[-few:]]))]
    form = [
        ("asset", "asset", said), ("side", "side", _side), ("entry_session", "from", said),
        ("exit_session", "to", said),
        ("return", "return", lambda value: percent(value, 2)), ("pnl", "profit", lambda value: fixed(value, 0)),
    ]  # fmt: skip
    parts.append(plain_table("Costliest and most profitable round trips", chosen, form, caption="Profit in currency."))
    return parts


def _events(data: RunData) -> list[Table | Note]:
    events = data.optional("events")
    if events is None:
        return [Note("No stop, kill switch, forced exit or unfilled order.", "Events", absent=True)]
    counts = events["kind"].value_counts().rename_axis("kind").rename("times").reset_index()
    counts["first"] = counts["kind"].map(events.groupby("kind")["session"].min())
    counts["last"] = counts["kind"].map(events.groupby("kind")["session"].max())
    shown, rest = first_rows(events, _MOST_ROWS)
    form = [
        ("session", "session", said),
        ("kind", "kind", _event),
        ("asset", "asset", _asset),
        ("detail", "detail", lambda value: said(re.sub(r"\b1 sessions\b", "1 session", str(value)))),
    ]
    kinds = [("kind", "kind", _event), ("times", "times", number), ("first", "first", said), ("last", "last", said)]
    return [plain_table("Events by kind", counts, kinds), plain_table("Events", shown, form, caption=rest)]


def _event(kind: object) -> Cell:
    """What happened, in words: ``kill_five_day`` is the kill switch of five days."""
    return said(str(kind).replace("kill_", "kill switch: ").replace("_", " "))


def _side(value: object) -> Cell:
    return said({1: "long", -1: "short"}.get(value, value))  # type: ignore[call-overload]


def _asset(value: object) -> Cell:
    return said(value) if value else Cell("whole book")


def _relative(data: RunData) -> Table | Note:
    title = "Against the benchmark"
    names = (
        ("beta", "beta"), ("alpha_ann", "alpha a year"), ("alpha_t", "t of alpha"),
        ("sharpe_residual", "Sharpe after beta"), ("correlation", "correlation"),
        ("information_ratio", "information ratio"),
    )  # fmt: skip
    known = [(name, label) for name, label in names if f"{name}_net" in data.metrics]
    if not known:
        return Note("The run has no benchmark.", title, absent=True)
    rows = []
    for name, label in known:
        net, gross = data.metrics[f"{name}_net"], data.metrics.get(f"{name}_gross")
        rows.append((Cell(label), metric_cell(gross), metric_cell(net), Cell(_why(net))))
    return Table(title, ("figure", "gross", "net", "convention"), tuple(rows))
