"""Rules on trade statistics: counts, win rate, profit factor, payoff, expectancy and profit hang together."""

from __future__ import annotations

from collections.abc import Iterator

from assay.audit.forensic.trades import expectancy, payoff, profit, profit_factor, profit_factor_from_rate
from assay.audit.intervals import Interval
from assay.audit.rules.scope import Run, broken, fits, span
from assay.audit.verdicts import Finding

__all__ = [
    "counts_of_trades",
    "expectancy_of_rate",
    "factor_of_gross",
    "factor_of_rate",
    "payoff_of_averages",
    "profit_of_trades",
]

NO_BREAK_EVEN = "no trade breaks even, and all figures are before or all after cost"
#: Share of trades that may break even or pay a cost outside the trades before a figure is doubted.
SLACK_SHARE = 0.2
#: How far unequal stakes may move a profit factor from the one that averages in percent imply.
STAKES = 1.5
#: Share of trades that may still be open, and so no part of the win rate.
OPEN_SHARE = 0.05


def counts_of_trades(run: Run) -> Iterator[Finding]:
    """Winners and losers are at most all trades; the win rate is winners over trades."""
    trades, wins, losses = run.get("trades"), run.get("winning_trades"), run.get("losing_trades")
    if trades is not None and wins is not None:
        least = run.read(wins) + (run.read(losses) if losses is not None else Interval.point(0.0))
        shown = f"{wins.printed} + {losses.printed}" if losses is not None else wins.printed
        if least.low > run.read(trades).high:
            yield broken("C30 trade counts", [trades], f"{shown} winners and losers exceed {trades.printed} trades.")
        else:
            yield fits("C30 trade counts", [trades, wins, losses], f"{shown} of {trades.printed} trades.", weight=-1)
    rate = run.get("win_rate")
    if rate is None or wins is None:
        return
    total = trades or None
    readings: dict[str, Interval] = {}
    if total is not None and run.read(total).low > 0:
        readings[f"{wins.printed}/{total.printed}"] = run.read(wins) / run.read(total)
    if losses is not None and run.read(wins).low + run.read(losses).low > 0:
        # W/(W + L) rises in W and falls in L.
        w, other = run.read(wins), run.read(losses)
        readings[f"{wins.printed}/({wins.printed}+{losses.printed})"] = Interval(
            max(0.0, w.low) / (max(0.0, w.low) + other.high), w.high / max(w.high + max(0.0, other.low), 1e-9)
        )
    if not readings:
        return
    hit = [name for name, value in readings.items() if run.read(rate).meets(value)]
    name, value = next(iter(readings.items()))
    if hit:
        yield fits(
            "C30 win rate", [rate, wins], f"{hit[0]} = {span(readings[hit[0]], True)}, win rate printed {rate.printed}."
        )
    else:
        per_trade = "day" not in rate.definition.lower() and "session" not in rate.definition.lower()
        printed = run.read(rate)
        if losses is not None and total is None:
            # Without the number of trades, some may break even, which lowers the rate.
            proven, near = printed.low > value.high, printed.high >= value.low * (1 - SLACK_SHARE)
            words = "some trades break even"
        else:
            # Trades still open at the end are no part of the rate, which raises it.
            ceiling = value.high / (1 - OPEN_SHARE)
            proven, near = not value.low <= printed.high <= ceiling, value.low <= printed.low <= ceiling
            words = "some trades are open or break even"
        if near and not proven:
            reason = f"{name} = {span(value, True)}; {rate.printed} follows when {words}."
            yield fits("C30 win rate", [rate, wins], reason, words, -2)
            return
        per_trade = per_trade and proven
        yield broken(
            "C30 win rate",
            [rate],
            f"{name} = {span(value, True)}, but a win rate of {rate.printed} is printed.",
            per_trade and run.one_sample(rate),
            "the win rate counts trades",
        )


def payoff_of_averages(run: Run) -> Iterator[Finding]:
    """Payoff = average win / average loss."""
    ratio, win, loss = run.get("payoff_ratio"), run.get("average_win"), run.get("average_loss")
    if ratio is None or win is None or loss is None or abs(run.read(loss)).low <= 0:
        return
    wanted = payoff(run.read(win), run.read(loss))
    sentence = f"{win.printed} / {loss.printed} = {span(wanted)}, payoff printed {ratio.printed}."
    if run.read(ratio).meets(wanted):
        yield fits("C30 payoff", [ratio, win, loss], sentence)
    else:
        yield broken("C30 payoff", [ratio], sentence, run.one_sample(ratio, win, loss), "of one set of trades")


def factor_of_gross(run: Run) -> Iterator[Finding]:
    """Profit factor = gross profit / gross loss; net profit = their difference."""
    factor, gain, loss = run.get("profit_factor"), run.get("gross_profit"), run.get("gross_loss")
    if gain is None or loss is None or abs(run.read(loss)).low <= 0:
        return
    if factor is not None:
        wanted = abs(run.read(gain)) / abs(run.read(loss))
        sentence = f"{gain.printed} / {loss.printed} = {span(wanted)}, profit factor printed {factor.printed}."
        if run.read(factor).meets(wanted):
            yield fits("C30 profit factor", [factor, gain, loss], sentence)
        else:
            yield broken(
                "C30 profit factor", [factor], sentence, run.one_sample(factor, gain, loss), "of one set of trades"
            )
    total = run.get("total_profit")
    if total is not None:
        wanted = abs(run.read(gain)) - abs(run.read(loss))
        sentence = f"{gain.printed} less {loss.printed} = {span(wanted)}, profit printed {total.printed}."
        if run.read(total).meets(wanted):
            yield fits("C30 profit", [total, gain, loss], sentence)
        else:
            yield broken("C30 profit", [total], sentence, run.read(total).low > wanted.high, NO_BREAK_EVEN)


def factor_of_rate(run: Run) -> Iterator[Finding]:
    """Profit factor = p b/(1 - p), or W w/(L l) where the counts are printed; trades that break even only raise it."""
    rate, factor = run.get("win_rate"), run.get("profit_factor")
    win, loss, ratio = run.get("average_win"), run.get("average_loss"), run.get("payoff_ratio")
    if factor is None:
        return
    if win is not None and loss is not None and abs(run.read(loss)).low > 0:
        edge, shown = payoff(run.read(win), run.read(loss)), f"average win {win.printed} and loss {loss.printed}"
    elif ratio is not None:
        edge, shown, win, loss = run.read(ratio), f"payoff {ratio.printed}", None, None
    else:
        return
    wins, losses = run.get("winning_trades"), run.get("losing_trades")
    exact = False
    if win is not None and loss is not None and wins is not None and losses is not None and run.read(losses).low > 0:
        wanted = profit_factor(run.read(wins), run.read(losses), run.read(win), run.read(loss))
        words, exact = f"{wins.printed} winners and {losses.printed} losers with {shown}", True
    elif rate is not None:
        wanted = profit_factor_from_rate(run.read(rate), edge)
        words = f"win rate {rate.printed} with {shown}"
    else:
        return
    value = run.read(factor)
    mixed = f"; {factor.printed} is the payoff, not the profit factor" if value.meets(edge) else ""
    sentence = f"{words} give a profit factor of {span(wanted)}, printed {factor.printed}"
    if value.meets(wanted):
        involved = [factor, win, loss, None if win is not None else ratio, None if exact else rate]
        yield fits("C30 profit factor", involved, f"{sentence}.")
    elif not exact and value.meets(Interval(wanted.low, wanted.high / (1 - SLACK_SHARE))):
        words = "when some trades break even"
        yield fits("C30 profit factor", [factor], f"{sentence}, {words}.", words, -2)
    elif win is not None and win.value.percent:
        # Percentages of trades average alike only where all trades stake the same amount.
        words = f"{sentence}, where trades stake different amounts"
        if value.meets(Interval(wanted.low / STAKES, wanted.high * STAKES)):
            yield fits("C30 profit factor", [factor], f"{words}.", "averages in percent", -2)
        else:
            yield broken("C30 profit factor", [factor], f"{sentence}{mixed}.", False, "all trades stake alike")
    else:
        below = value.high < wanted.low
        proven = (exact or below) and run.one_sample(factor, rate) and _per_trade(run)
        yield broken("C30 profit factor", [factor], f"{sentence}{mixed}.", proven, NO_BREAK_EVEN)


def expectancy_of_rate(run: Run) -> Iterator[Finding]:
    """Expectancy = p w - (1 - p) l, in money or in units of the average loss; trades that break even only raise it."""
    mean, rate, win, loss = (run.get(name) for name in ("expectancy", "win_rate", "average_win", "average_loss"))
    if mean is None or rate is None or win is None or loss is None or abs(run.read(loss)).low <= 0:
        return
    if len({claim.value.percent for claim in (mean, win, loss)}) > 1:
        return
    wanted = expectancy(run.read(rate), run.read(win), run.read(loss))
    in_losses = wanted / abs(run.read(loss))
    sentence = (
        f"{rate.printed} of {win.printed} less the rest of {loss.printed} is {span(wanted)}, expectancy {mean.printed}."
    )
    value = run.read(mean)
    if value.meets(wanted) or value.meets(in_losses):
        yield fits("C30 expectancy", [mean, rate, win, loss], sentence)
    else:
        room = Interval(wanted.low, wanted.high + SLACK_SHARE * abs(run.read(loss)).high)
        if value.meets(room):
            words = "when some trades break even"
            yield fits("C30 expectancy", [mean], f"{sentence[:-1]}, {words}.", words, -2)
            return
        below = value.high < min(wanted.low, in_losses.low)
        proven = below and _per_trade(run) and run.one_sample(mean, rate)
        yield broken("C30 expectancy", [mean], sentence, proven, NO_BREAK_EVEN)


def _per_trade(run: Run) -> bool:
    rate = run.get("win_rate")
    return rate is None or not any(word in rate.definition.lower() for word in ("day", "session", "prediction"))


def profit_of_trades(run: Run) -> Iterator[Finding]:
    """Profit = winners times average win less losers times average loss; costs outside the trades only lower it."""
    total, wins, losses = run.get("total_profit"), run.get("winning_trades"), run.get("losing_trades")
    win, loss = run.get("average_win"), run.get("average_loss")
    if total is None or wins is None or losses is None or win is None or loss is None or win.value.percent:
        return
    wanted = profit(run.read(wins), run.read(losses), run.read(win), run.read(loss))
    sentence = (
        f"{wins.printed}·{win.printed} − {losses.printed}·{loss.printed} = {span(wanted)}, profit printed"
        f" {total.printed}."
    )
    outside = SLACK_SHARE * (run.read(wins) * abs(run.read(win))).high
    if run.read(total).meets(wanted):
        yield fits("C30 profit", [total, wins, losses, win, loss], sentence)
    elif run.read(total).meets(Interval(wanted.low - outside, wanted.high)):
        words = "the rest may be cost outside the trades"
        yield fits("C30 profit", [total], f"{sentence[:-1]}; {words}.", words, -2)
    else:
        above = run.read(total).low > wanted.high
        yield broken("C30 profit", [total], sentence, above and run.one_sample(total), NO_BREAK_EVEN)
