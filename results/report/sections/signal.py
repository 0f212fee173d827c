"""What the predictions were worth before any portfolio."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from assay.results.report.blocks import (
    Cell,
    Figure,
    Note,
    Section,
    Table,
    fixed,
    metric_cell,
    metric_text,
    number,
    percent,
    plain_table,
    said,
    year_cell,
)
from assay.results.report.plots import (
    plot_by_quantile,
    plot_confusion,
    plot_dispersion,
    plot_ic,
    plot_ic_decay,
    plot_persistence,
    plot_quantiles,
    plot_reliability,
)
from assay.results.report.run_data import RunData
from assay.results.stats.attribution import reliability, score_by_asset, thresholds
from assay.results.stats.blocks import row_blocks
from assay.results.stats.information_coefficient import ic_decay, quantile_returns, yearly_ic
from assay.results.stats.ranks import average_ranks, row_correlation

__all__ = ["signal_section"]

_LATER = (0, 1, 2, 3, 4, 5, 10, 15, 20)
#: Cells of a panel above which the decay is taken from every k-th session.
_MOST_CELLS = 1_500_000
_MOST_ASSETS = 60
#: Names from which tenths are shown instead of fifths, and from which ranks are worth correlating.
_FOR_TENTHS, _FEWEST_NAMES, _FEWEST_SESSIONS = 50, 5, 20


def signal_section(data: RunData) -> Section:
    """Correlations, decay, quantiles, hit rates, dispersion, calibration, and tables by year and asset."""
    if data.optional("ic") is None and (data.score is None or data.forward is None):
        why = "The run stores no predictions, so nothing can be said about them apart from the portfolio."
        return Section("signal", "Signal", (Note(why),))
    parts = (
        *_ic(data),
        *_scores(data),
        *_skill(data),
        *_quantiles(data),
        _hits(data),
        *_probabilities(data),
        *_actions(data),
        *_by_year(data),
        *_by_asset(data),
    )
    return Section("signal", "Signal", parts)


def _skill(data: RunData) -> list[Table]:
    """Skill after beta; the path of its evidence stands in the section on evidence."""
    names = (
        ("skill_ic", "information coefficient after beta"), ("skill_x", "mean of x"), ("skill_t", "t of skill"),
        ("skill_e", "e-value today"), ("skill_e_max", "e-value at its highest monthly look"),
        ("implied_alpha_ann", "net alpha that the IC implies"), ("implied_gap_t", "realised less implied, errors"),
    )  # fmt: skip
    rows = tuple((Cell(label), *_measured(data, name)) for name, label in names if name in data.metrics)
    return [Table("Skill after beta", ("figure", "value", "n", "convention"), rows)] if rows else []


def _ic(data: RunData) -> list[Figure | Note | Table]:
    ic, horizon = data.optional("ic"), data.horizon
    parts: list[Figure | Note | Table] = []
    if ic is None or not ic["rank_ic"].notna().any():
        parts.append(Note("No session has enough names for a correlation.", "IC and rank IC by session", absent=True))
    else:
        for column, title in (("rank_ic", "Rank IC by session"), ("ic", "IC by session")):
            item = data.metrics.get(f"{column}_mean", {})
            mean = metric_text(item, item.get("value"))
            alt = f"{title}, horizon {horizon}: mean {mean} over {item.get('n', 0):,} sessions."
            parts.append(Figure(title, alt, partial(plot_ic, table=ic, column=column, horizon=horizon)))
        parts += _decay(data)
    names = [name for name in data.metrics if name.startswith(("ic_", "rank_ic_"))]
    rows = tuple((Cell(_ic_label(name)), *_measured(data, name)) for name in names)
    if rows:
        parts.append(Table("Information coefficients", ("figure", "value", "sessions", "convention"), rows))
    return parts


def _decay(data: RunData) -> list[Figure]:
    score, forward, horizon = data.score, data.forward, data.horizon
    if score is None or forward is None:
        return []
    step = max(1, -(-score.size // _MOST_CELLS))
    overlap = -(-horizon // step)
    decay = ic_decay(score.iloc[::step], forward.reindex(index=score.index), _LATER, overlap=overlap)
    about = f"Windows of {horizon} session{'s' if horizon > 1 else ''} that start later by so many sessions; 95% HAC."
    about += f" From every {step}th session." if step > 1 else ""
    alt = "Mean rank IC: " + ", ".join(f"{lag} later {value:.4f}" for lag, value in decay["rank_ic"].items()) + "."
    return [Figure("IC decay", alt, lambda axes: plot_ic_decay(axes, decay), caption=about)]


def _scores(data: RunData) -> list[Figure | Note | Table]:
    """What the scores themselves look like, from session to session."""
    score = data.score
    if score is None or data.forward is None:
        what = "IC decay, dispersion and persistence of predictions, returns by part and by asset"
        return [Note(data.why_not("score", "The run stores no predictions."), what, absent=True)]
    spread = pd.concat([score.iloc[rows].std(axis=1, ddof=0) for rows in row_blocks(score.shape)])
    alt = f"Deviation of the score across assets; mean {spread.mean():.3g}."
    seeds = data.optional("dispersion")
    if seeds is not None and seeds.notna().any(axis=None):
        alt += f" Over the model's seeds a score deviates by {np.nanmean(seeds.to_numpy()):.3g} on average."
    return [Figure("Dispersion of predictions", alt, lambda axes: plot_dispersion(axes, spread)), *_persistence(score)]


def _persistence(score: pd.DataFrame) -> list[Figure | Note | Table]:
    """Rank correlation of a session's scores with those of the session before: how fast a book on them must turn."""
    title = "Persistence of the ranking"
    tied = pd.Series(dtype=np.float64)
    if score.shape[1] >= _FEWEST_NAMES:
        values, with_before = score.to_numpy(dtype=np.float64), np.full(len(score), np.nan)
        for rows in row_blocks(score[1:].shape):
            ranks = average_ranks(values[rows.start : rows.stop + 1])
            with_before[rows.start + 1 : rows.stop + 1] = row_correlation(ranks[1:], ranks[:-1], minimum=2)[0]
        tied = pd.Series(with_before, score.index)
    if not tied.notna().any():
        return [Note("Too few names, or sessions, for a correlation with the session before.", title, absent=True)]
    alt = f"Rank correlation of the scores with those of the session before; mean {tied.mean():.3f}."
    return [Figure(title, alt, lambda axes: plot_persistence(axes, tied))]


#: What stands after ``ic_`` or ``rank_ic_`` → how it is told.
_IC = {
    "mean": "mean", "std": "deviation", "t": "t of the mean", "t_apart": "t, one session in a horizon",
    "ir": "mean over deviation", "ir_ann": "the same, a year",
    "styles_mean": "mean after styles", "styles_t": "t after styles",
}  # fmt: skip


def _ic_label(name: str) -> str:
    kind, _, rest = name.partition("ic_")
    return f"{'rank IC' if kind else 'IC'}: {_IC.get(rest, rest.replace('_', ' '))}"


def _measured(data: RunData, name: str) -> tuple[Cell, Cell, Cell]:
    item = data.metrics[name]
    reason = f"{item['reason']} · " if item.get("value") is None and item.get("reason") else ""
    return metric_cell(item), number(item.get("n")), Cell(f"{reason}{item.get('convention', '')}")


def _quantiles(data: RunData) -> list[Figure | Table | Note]:
    table = data.optional("quantiles")
    if table is None or not table["mean"].notna().any():
        return [Note("Too few names for fifths of the score.", "Returns by fifth of the score", absent=True)]
    means = ", ".join(f"{number}: {1e4 * value:z.1f}" for number, value in table["mean"].items())
    rows = tuple(
        (Cell(label), *_measured(data, name))
        for name, label in (
            ("quantile_spread", "top less bottom"),
            ("quantile_monotonicity", "monotonicity"),
            ("quantile_mr_p", "p of no monotone rise"),
        )
        if name in data.metrics
    )
    return [
        Figure("Returns by fifth of the score", f"Mean return a window in bps, lowest fifth first: {means}.",
               lambda axes: plot_quantiles(axes, table)),
        *_by_quantile(data),
        Table("Spread and monotonicity", ("figure", "value", "n", "convention"), rows),
    ]  # fmt: skip


def _by_quantile(data: RunData) -> list[Figure]:
    """What each part of the score added up to, less the mean of all; tenths where there are names enough."""
    score, forward = data.score, data.forward
    if score is None or forward is None:
        return []
    names = float(score.notna().sum(axis="columns").median())
    parts, word = (10, "tenth") if names >= _FOR_TENTHS else (5, "fifth")
    found = quantile_returns(score, forward, quantiles=parts, horizon=data.horizon).by_session.dropna() / data.horizon
    if len(found) < _FEWEST_SESSIONS:
        return []
    summed = found.sub(found.mean(axis="columns"), axis="index").cumsum()
    last = ", ".join(f"{name}: {value:+z.0%}" for name, value in summed.iloc[-1].items())
    alt = f"Summed forward return of each {word} of the score less the mean of all, before costs, lowest first: {last}."
    return [Figure(f"Summed return by {word} of the score", alt, lambda axes: plot_by_quantile(axes, summed))]


def _hits(data: RunData) -> Table:
    names = (
        ("hit_direction", "direction"), ("hit_position", "position"), ("hit_trade", "trade"),
        ("hit_session_net", "session"),
    )  # fmt: skip
    rows = []
    for name, label in names:
        item = data.metrics.get(name)
        if item is None:
            rows.append((Cell(label), Cell("–"), Cell(""), Cell("–"), Cell("–"), Cell("not measured")))
            continue
        interval = ""
        if item.get("low") is not None and item.get("value") is not None:
            interval = f"[{metric_text(item, item['low'])}, {metric_text(item, item['high'])}]"
        value, n, convention = _measured(data, name)
        base = metric_cell(data.metrics.get(f"{name.removesuffix('_net')}_base"))
        rows.append((Cell(label), value, Cell(interval), base, n, convention))
    about = "The base is what no skill hits on the same cases; intervals count sessions, not predictions."
    columns = ("hit rate", "value", "95%", "base", "n", "convention")
    return Table("Hit rates, by their four names", columns, tuple(rows), about, wide=True)


def _probabilities(data: RunData) -> list[Figure | Table | Note]:
    probability = data.optional("probability_up")
    if probability is None or data.forward is None:
        why = "The model gives no probabilities."
        why = data.why_not("probability_up", why) if "brier" in data.metrics else why
        return [Note(why, "Reliability and thresholds", absent=True)]
    curve = reliability(probability, data.forward)
    levels = thresholds(probability, data.forward)
    alt = "Share that rose by band of probability: " + ", ".join(
        f"{row.predicted:.2f} → {row.up:.2f}" for row in curve.itertuples()
    )
    form = [
        ("threshold", "probability above", fixed), ("cases", "of all cases", percent), ("up", "rose", percent),
        ("low", "low", percent), ("high", "high", percent), ("n", "n", number),
        ("mean_return", "mean return a window", lambda value: percent(value, 3)),
    ]  # fmt: skip
    said_so = "95% Wilson, as if cases were independent; those of one session are not, so the truth is wider."
    return [
        Figure("Reliability", alt + ".", lambda axes: plot_reliability(axes, curve), caption=said_so),
        plain_table("Thresholds", levels, form, caption=said_so),
    ]


def _actions(data: RunData) -> list[Figure | Note]:
    """Actions against what followed, as counted when the run was made."""
    title = "Confusion matrix"
    table = data.optional("confusion")
    if table is None and data.actions is None:
        return [Note("The model gives no actions.", title, absent=True)]
    if table is None:
        return [Note("The run stores no counts of actions against what followed; run it again.", title, absent=True)]
    total = int(table.to_numpy().sum())
    right = sum(int(table.loc[name, name]) for name in table.index)
    share = f"{right / total:.1%}" if total else "–"
    alt = f"Predicted against actual actions, {total:,} cases, {share} on the diagonal."
    behind = Table(
        title,
        ("what followed", *map(str, table.columns)),
        tuple(
            (Cell(str(name)), *map(number, row))
            for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)
        ),
    )
    about = alt + " A move beyond half the asset's own deviation over the 20 sessions before counts as buy or sell."
    return [Figure(title, alt, lambda axes: plot_confusion(axes, table), about, (4.6, 3.4), behind=behind)]


def _by_year(data: RunData) -> list[Table]:
    ic = data.optional("ic")
    if ic is None or not ic["rank_ic"].notna().any():
        return []
    yearly = yearly_ic(ic, data.horizon).rename_axis("year").reset_index()
    form = [
        ("year", "year", year_cell), ("ic", "IC", lambda value: fixed(value, 4)),
        ("rank_ic", "rank IC", lambda value: fixed(value, 4)), ("t", "HAC t of rank IC", fixed),
        ("sessions", "sessions", number),
    ]  # fmt: skip
    return [plain_table("IC by year", yearly, form)]


def _by_asset(data: RunData) -> list[Table]:
    if data.score is None or data.forward is None:
        return []
    by_asset = score_by_asset(data.score, data.forward)
    shown, about = by_asset, ""
    if len(by_asset) > _MOST_ASSETS:
        known = by_asset[by_asset["correlation"].notna()]
        shown = pd.concat([known.head(_MOST_ASSETS // 2), known.tail(_MOST_ASSETS // 2)]).drop_duplicates("asset")
        about = f"The {len(shown)} highest and lowest of {len(by_asset):,} assets. "
    form = [
        ("asset", "asset", said), ("correlation", "correlation over time", lambda value: fixed(value, 4)),
        ("same_sign", "same sign", percent), ("sessions", "sessions", number),
    ]  # fmt: skip
    about += "Pearson, of score and forward return; with so many assets some are high by chance."
    return [plain_table("Score and return by asset", shown, form, caption=about)]
