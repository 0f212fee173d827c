"""Identities between the figures of portfolios, of their signals and of trades.

A row whose ``proves`` names one side proves only on that side, since an allowance (trades that break even, costs
outside the trades) explains the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from assay.audit.claims.intervals import Interval
from assay.audit.forensic.books import (
    annualised_readings,
    compounded_readings,
    cost_readings,
    expectancy,
    factor_of_rate,
    hit_rate_from_correlation,
    share_of,
    sharpe_readings,
)
from assay.audit.forensic.moments import t_of_mean
from assay.audit.rules.identity import Allowance, Identity, Situation, one_sample, together

__all__ = ["BOOK_IDENTITIES"]

Readings = Mapping[str, Interval]

#: Share of trades that may break even or pay a cost outside the trades, and of those that may still be open.
SLACK, OPEN = 0.2, 0.05
#: How far unequal stakes may move a profit factor from the one that averages in percent imply.
STAKES = 1.5
#: How far a Sharpe ratio may exceed return over volatility before no change of sampling frequency is believed.
FREQUENCY = 1.25
RISK_FREE_CEILING = 0.15
#: Volatility allowed for where none is printed, and how far a hit rate may lie above what a correlation implies.
LARGE_VOLATILITY, HIT_RATE_SLACK = 0.6, 0.05


def _of_trades(s: Situation) -> bool:
    """Whether the rate counts trades, as far as the text tells, and nothing is pooled."""
    days = any(word in c.definition.lower() for c in s.claims.values() for word in ("day", "session", "prediction"))
    return not days and one_sample(s)


def _some_open(s: Situation) -> bool:
    """Whether trades may be open: winners and losers do not make up all of them."""
    losers = s.run.value("losing_trades")
    return losers is None or (s.values[0] + losers).low < s.values[1].low


def _sharpe(gain: Interval, vol: Interval, rate: Interval | None, sessions: Interval | None) -> Readings:
    n = sessions.low if sessions is not None else 20  # ddof 0 or 1 of so many returns
    stretch = Interval(math.sqrt((n - 1) / n), math.sqrt(n / (n - 1))) if n > 1 else Interval.point(1.0)
    return {name: value * stretch for name, value in sharpe_readings(gain, vol, rate).items()} if vol.low > 0 else {}


def _unstated_rate(
    first: Interval, gain: Interval, vol: Interval, rate: Interval | None, sessions: Interval | None
) -> Interval | None:
    if rate is not None:
        return None
    readings = _sharpe(gain, vol, rate, sessions).values()
    return Interval(
        min((gain.low - RISK_FREE_CEILING) / vol.high, first.low), max(value.high for value in readings)
    )


def _sharpe_proof(s: Situation) -> bool:
    printed = s.run.read(next(iter(s.claims.values())))
    top = max(value.high for value in _sharpe(*s.values).values())
    if printed.low > top:
        return (top <= 0 or printed.low / top > FREQUENCY) and together(s)
    return s.values[2] is not None and together(s)


def _annual_mean(mean: Interval, vol: Interval | None) -> Readings:
    """A mean a period over a year; a compounded figure lies below the compounded mean by about half the variance."""
    readings = annualised_readings(mean, "mean")
    spread = 0.8 * (vol.high if vol is not None else LARGE_VOLATILITY) ** 2
    for name in [n for n, value in readings.items() if n.startswith("compounded") and value.low > -1]:
        low = math.expm1(math.log1p(readings[name].low) - spread - 0.8 * readings[name].low ** 2)
        readings[f"{name}, less half the variance"] = Interval(low, readings[name].high)
    return readings


def _room_for_mean(first: Interval, total: Interval, years: Interval, vol: Interval | None) -> Interval | None:
    """The arithmetic mean times P exceeds the compounded rate by half the variance."""
    compounded = compounded_readings(total, years).get("compounded")
    if compounded is None:
        return None
    room = 0.8 * (vol.high**2 if vol is not None else 1.0)
    return Interval(math.log1p(max(compounded.low, -0.999)), compounded.high + room)


def _cost(turnover: Interval, rate: Interval, kind: str) -> Readings:
    """A rate per side is paid on both sides of a one-way turnover, once on a two-way one."""
    wanted = {"one-way": "one-way", "two-way": "as printed"}.get(kind, "")
    return {name: value for name, value in cost_readings(turnover, rate).items() if name.startswith(wanted)}


def _excess(gain: Interval, market: Interval) -> Readings:
    return {"difference": gain - market} | (
        {"ratio of growth": (gain + 1.0) / (market + 1.0) - 1.0} if market.low > -1 else {}
    )


def _below_zero(s: Situation) -> bool:
    """Whether both tails are printed as losses below zero; one printed positive is a convention."""
    return all(s.run.read(claim).high < 0 for claim in s.claims.values())


def _not_always(s: Situation) -> bool:
    """Whether the hit rate is below 100%: no forecast of many sessions is always right, so such a print is of a few,
    whose signs say nothing of a normal law."""
    return s.run.read(s.claims["hit_rate"]).high < 1


def _icir(mean: Interval, std: Interval, sessions: Interval | None) -> Readings:
    """Deviation and ratio may be computed with different denominators, n and n - 1."""
    n = sessions.low if sessions is not None else 12
    stretch = math.sqrt(n / (n - 1)) if n > 1 else 1.0
    daily = mean / std * Interval(1 / stretch, stretch)
    return {"daily": daily} | {f"annualised by √{p}": daily * math.sqrt(p) for p in (252, 12, 52, 365, 250, 260)}


def _icir_of_either(
    ic: Interval | None, rank: Interval | None, std: Interval, sessions: Interval | None
) -> Readings:
    readings = dict(_icir(ic, std, sessions)) if ic is not None else {}
    if rank is not None:
        of_rank = _icir(rank, std, sessions)
        readings |= {f"rank IC, {name}" if ic is not None else name: value for name, value in of_rank.items()}
    return readings


def _same_ic(s: Situation) -> bool:
    """With IC and rank IC both printed, a deviation may be of either."""
    return one_sample(s) and (s.run.get("ic") is None or s.run.get("rank_ic") is None)


def _t_of_ic(mean: Interval, std: Interval, n: Interval) -> Interval:
    size = abs(t_of_mean(mean, std, round(n.low))).high * 1.001
    return Interval(-size, size)


_TRADES = "no trade breaks even, and all figures are before or all after cost"
_EVEN = "when some trades break even"

_STAKE = Allowance(
    "where trades stake different amounts", lambda v, *x: Interval(v.low / STAKES, v.high * STAKES),
    lambda s: s.claims["average_win"].value.percent,
)  # fmt: skip
_COST = "commission at the stated rate is the only cost, turnover per day, week, month or year"

_SIGNALS = (
    Identity(
        "C16 ICIR", "rank_icir", ("rank_ic", "rank_ic_std", "confirmed sessions?"), _icir,
        "ICIR: {rank_ic} / {rank_ic_std} = {readings}; {rank_icir} is printed", "Grinold & Kahn 2000",
        premise="mean, deviation and ratio are of the same IC", above_zero=("rank_ic_std",), in_percent=False,
    ),
    Identity(
        "C16 ICIR", "icir", ("ic?", "rank_ic?", "ic_std", "confirmed sessions?"), _icir_of_either,
        "ICIR: {means} / {ic_std} = {readings}; {icir} is printed", "Grinold & Kahn 2000",
        premise="mean, deviation and ratio are of the same IC", above_zero=("ic_std",), proof=_same_ic,
        in_percent=False,
    ),
    Identity(
        "C17 hit rate", "hit_rate", ("ic|rank_ic",),
        lambda rho: hit_rate_from_correlation(rho) + HIT_RATE_SLACK if abs(rho).high <= 1 else None,
        "a correlation of {ic} agrees in sign 1/2 + asin(ρ)/π of the time, {value} with five points to spare, and"
        " {hit_rate} is printed", "sign agreement of two normal variables", "≤",
        "signs are of returns centred on zero, normal", miss="doubt", in_percent=True,
        accuses=("hit_rate", "ic|rank_ic"), when=_not_always,
    ),
    Identity(
        "C38 t of the IC", "ic_t", ("ic|rank_ic", "ic_std|rank_ic_std", "stated sessions"), _t_of_ic,
        "t of the mean IC over {stated_sessions} sessions: {ic}/{ic_std}·√n lies in {value}, printed {ic_t}",
        "Student 1908; a HAC t is usually smaller", premise="no strong negative autocorrelation in the daily IC",
        proves="", above_zero=("ic_std|rank_ic_std",), in_percent=False,
    ),
)  # fmt: skip

_PORTFOLIOS = (
    *(
        Identity(
            "C15 Sharpe = return / volatility", ratio,
            (gain, "annual_volatility", "risk-free rate?", "confirmed sessions?"), _sharpe,
            f"{{{gain}}} / {{annual_volatility}} = {{readings}}; a Sharpe of {{{ratio}}} is printed", "Sharpe 1994",
            premise="return, volatility and Sharpe are of one series at one frequency, and the rate is in 0 to 15%",
            proof=_sharpe_proof, silent_if_pooled=True, in_percent=False,
            allowances=(Allowance("less an unstated risk-free rate", _unstated_rate),),
        )
        for ratio, gain in (("sharpe", "annual_return"), ("sharpe_gross", "annual_return_gross"))
    ),
    Identity(
        "C15 Calmar", "calmar", ("annual_return", "max_drawdown"), lambda gain, fall: gain / abs(fall),
        "{annual_return} over a drawdown of {max_drawdown} is {value}, Calmar printed {calmar}", "Young 1991",
        premise="the ratio covers the same period as the drawdown", proves="", above_zero=("max_drawdown",),
        silent_if_pooled=True, in_percent=False,
    ),
    Identity(
        "C31 gross and net", "annual_return", ("annual_return_gross",), lambda gross: gross,
        "net {annual_return} can be at most gross {annual_return_gross}: costs cannot be negative",
        "definition of costs", "≤", "both figures are of one portfolio", proves="",
        accuses=("annual_return_gross", "annual_return"), weight=-1,
    ),
    Identity(
        "C31 gross and net", "sharpe", ("sharpe_gross",), lambda gross: gross,
        "net of costs a Sharpe of {sharpe} can be at most the gross {sharpe_gross}", "definition of costs", "≤",
        "costs take from the mean and leave the deviation, and both are of one portfolio", proves="",
        accuses=("sharpe_gross", "sharpe"), weight=-1, above_zero=("sharpe_gross",),
    ),
    Identity(
        "C31 excess", "excess_return", ("annual_return", "benchmark_return"), _excess,
        "{annual_return} beside a benchmark of {benchmark_return} is an excess of {readings}, printed {excess_return}",
        "difference, or ratio of the growth factors", premise="all three are a year's, or all three in total",
        proves="", weight=-1,
    ),
    Identity(
        "C36 tail", "cvar", ("var",), lambda value: -abs(value),
        "the mean of the tail is no milder than its edge {var}, and {cvar} is printed", "Rockafellar & Uryasev 2000",
        "≤", "both are of one series and level", proves="", by_label=True, weight=-1, when=_below_zero,
    ),
    Identity(
        "C36 worst day", "worst_day", ("max_drawdown",), lambda value: -abs(value),
        "a session of {worst_day} is a drawdown by itself, and {max_drawdown} is printed", "definition of a drawdown",
        "≥", "the drawdown is of the same sessions, and of daily values", proves="",
        accuses=("worst_day", "max_drawdown"), weight=-1,
    ),
    *(
        Identity(
            "C31 cost", "annual_cost", ("turnover", rate, "turnover kind?"), _cost,
            f"turnover {{turnover}} at {{{rate.replace(' ', '_')}}} a side costs {{readings}}, cost printed"
            " {annual_cost}", "cost = turnover × rate", premise=_COST, proves="", in_percent=True,
        )
        for rate in ("cost_rate", "stated rate")
    ),
    *(
        Identity(
            "C31 cost", "annual_return", ("annual_return_gross", "turnover", rate, "turnover kind?"),
            lambda gross, *of: {name: gross - value for name, value in _cost(*of).items()},
            f"gross {{annual_return_gross}} less turnover {{turnover}} at {{{rate.replace(' ', '_')}}} a side leaves"
            " {readings}, net printed {annual_return}", "cost = turnover × rate", premise=_COST, proves="",
            in_percent=True, when=lambda s: s.run.get("annual_cost") is None,
        )
        for rate in ("cost_rate", "stated rate")
    ),
    Identity(
        "C32 annualised", "annual_return", ("mean_return", "annual_volatility?"), _annual_mean,
        "{mean_return} a period is {readings}, printed {annual_return}", "sum or compounding over a calendar's periods",
        premise="both are of one series, the first per day, week, month, quarter or year", proves="",
    ),
    *(
        Identity(
            "C32 annualised", large, (small,), lambda value, kind=kind: annualised_readings(value, kind),
            f"{{{small}}} a period is {{readings}}, printed {{{large}}}", "√P for independent periods",
            premise="both are of one series, the first per day, week, month, quarter or year", proves="",
        )
        for small, large, kind in (("return_std", "annual_volatility", "std"), ("icir", "icir_annual", "ratio"))
    ),
    Identity(
        "C32 total and annual", "annual_return", ("total_return", "stated years", "annual_volatility?"),
        lambda total, years, vol: compounded_readings(total, years),
        "{total_return} over {stated_years} years is {readings}, printed {annual_return}", "compounding",
        premise="both are of the whole period", proves="", in_percent=True,
        allowances=(Allowance("leaving room for an arithmetic mean", _room_for_mean),),
    ),
)  # fmt: skip

_TRADING = (
    Identity(
        "C30 trade counts", "winning_trades", ("trades", "losing_trades?"),
        lambda n, losers: n - losers if losers is not None else n,
        "{winning_trades} winners can be at most the {trades} trades less the losers, {value}", "counting", "≤",
        proof=lambda s: True, accuses=("trades",), weight=-1,
    ),
    Identity(
        "C30 win rate", "win_rate", ("winning_trades", "trades"), lambda w, n: w / n,
        "{winning_trades}/{trades} = {value}, win rate printed {win_rate}", "definition",
        premise="the win rate counts trades", proof=_of_trades, above_zero=("trades",), in_percent=True,
        allowances=(
            Allowance("when some trades are open", lambda v, *x: Interval(v.low, v.high / (1 - OPEN)), _some_open),
        ),
    ),
    Identity(
        "C30 win rate", "win_rate", ("winning_trades", "losing_trades"), share_of,
        "{winning_trades}/({winning_trades}+{losing_trades}) = {value}, win rate printed {win_rate}", "definition",
        premise="the win rate counts trades", proves=">", proof=_of_trades, in_percent=True,
        when=lambda s: s.run.get("trades") is None,
        allowances=(Allowance(_EVEN, lambda v, *x: Interval(v.low * (1 - SLACK), v.high)),),
    ),
    Identity(
        "C30 payoff", "payoff_ratio", ("average_win", "average_loss"), lambda w, x: abs(w) / abs(x),
        "{average_win} / {average_loss} = {value}, payoff printed {payoff_ratio}", "definition",
        premise="of one set of trades", above_zero=("average_loss",), in_percent=False,
    ),
    Identity(
        "C30 profit factor", "profit_factor", ("gross_profit", "gross_loss"), lambda g, x: abs(g) / abs(x),
        "{gross_profit} / {gross_loss} = {value}, profit factor printed {profit_factor}", "definition",
        premise="of one set of trades", above_zero=("gross_loss",), in_percent=False,
    ),
    Identity(
        "C30 profit factor", "profit_factor", ("winning_trades", "losing_trades", "average_win", "average_loss"),
        lambda n, m, w, x: (n * abs(w)) / (m * abs(x)),
        "{winning_trades} winners of {average_win} and {losing_trades} losers of {average_loss} give a profit factor of"
        " {value}, printed {profit_factor}", "PF = W·w/(L·l)", premise=_TRADES, proof=lambda s: _of_trades(s)
        and not s.claims["average_win"].value.percent, above_zero=("losing_trades", "average_loss"),
        allowances=(_STAKE,), in_percent=False,
    ),
    Identity(
        "C30 profit factor", "profit_factor", ("win_rate", "average_win", "average_loss"),
        lambda p, w, x: factor_of_rate(p, abs(w) / abs(x)),
        "win rate {win_rate} with average win {average_win} and loss {average_loss} give a profit factor of {value},"
        " printed {profit_factor}", "PF = p·b/(1−p)", premise=_TRADES, proves="<",
        proof=lambda s: _of_trades(s) and not s.claims["average_win"].value.percent,
        allowances=(Allowance(_EVEN, lambda v, *x: Interval(v.low, v.high / (1 - SLACK))), _STAKE),
        above_zero=("average_loss",), in_percent=False,
        when=lambda s: s.run.get("winning_trades") is None or s.run.get("losing_trades") is None,
    ),
    Identity(
        "C30 profit factor", "profit_factor", ("win_rate", "payoff_ratio"), factor_of_rate,
        "win rate {win_rate} with payoff {payoff_ratio} give a profit factor of {value}, printed {profit_factor}",
        "PF = p·b/(1−p)", premise=_TRADES, proves="<", proof=_of_trades, in_percent=False,
        allowances=(Allowance(_EVEN, lambda v, *x: Interval(v.low, v.high / (1 - SLACK))),),
        when=lambda s: s.run.get("average_win") is None or s.run.get("average_loss") is None,
    ),
    Identity(
        "C30 expectancy", "expectancy", ("win_rate", "average_win", "average_loss"), expectancy,
        "{win_rate} of {average_win} less the rest of {average_loss} is {value}, expectancy {expectancy}",
        "E = p·w − (1−p)·l", premise=_TRADES, proves="<", proof=_of_trades, above_zero=("average_loss",),
        when=lambda s: len({c.value.percent for name, c in s.claims.items() if name != "win_rate"}) == 1,
        allowances=(
            Allowance("in units of the average loss", lambda v, p, w, x: v / abs(x)),
            Allowance(_EVEN, lambda v, p, w, x: Interval(v.low, v.high + SLACK * abs(x).high)),
        ),
    ),
    Identity(
        "C30 profit", "total_profit", ("gross_profit", "gross_loss"), lambda g, x: abs(g) - abs(x),
        "{gross_profit} less {gross_loss} = {value}, profit printed {total_profit}", "definition", premise=_TRADES,
        proves=">", proof=lambda s: True,
    ),
    Identity(
        "C30 profit", "total_profit", ("winning_trades", "losing_trades", "average_win", "average_loss"),
        lambda n, m, w, x: n * abs(w) - m * abs(x),
        "{winning_trades}·{average_win} − {losing_trades}·{average_loss} = {value}, profit printed {total_profit}",
        "P = W·w − L·l", premise=_TRADES, proves=">",
        when=lambda s: not s.claims["average_win"].value.percent,
        allowances=(Allowance("the rest being cost outside the trades",
                              lambda v, n, m, w, x: Interval(v.low - SLACK * (n * abs(w)).high, v.high)),),
    ),
)  # fmt: skip

#: The rows of this module, in the order of the checks.
BOOK_IDENTITIES: tuple[Identity, ...] = (*_PORTFOLIOS, *_SIGNALS, *_TRADING)
