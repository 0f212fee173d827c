"""The works, who does each, what is not the same where it is not, and who cannot."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ABSENT", "SIDES", "WORKS", "Side", "Work"]


@dataclass(frozen=True)
class Work:
    """A piece of work: what is done, and the figures by which its results are compared."""

    title: str
    text: str
    shown: tuple[str, ...] = ("final NAV", "Sharpe ratio")


@dataclass(frozen=True)
class Side:
    """Who does a work.

    Parameters
    ----------
    work : key of `WORKS`.
    name : of the row.
    module, function : of ``peer_sides``.
    package : the distribution whose version is shown; "" = nothing but NumPy (and pandas).
    against : the function of `with_numpy` that computes the same, to which the results are compared.
    note : how it is used, and what it computes otherwise.
    scale : the whole work over the part that is run.

    """

    work: str
    name: str
    module: str
    function: str
    package: str
    against: str
    note: str = ""
    scale: float = 1.0

    @property
    def key(self) -> str:
        """One word for it."""
        return f"{self.module}.{self.function}"


WORKS = {
    "quintile": Work(
        "Quintile long/short, every session",
        "Long the best fifth of the scores of t, short the worst, half of NAV each, filled at the close of t + 1, "
        "5 bps of the traded value, fractional shares, no borrow. Selection is within the time.",
    ),
    "confidence": Work(
        "Confidence with stops, one book of at most three names",
        "Long at the open after the probability of a rise was above 0.7, 10% of NAV a name, the most probable first, "
        "at most three; out at a loss of 2% or a gain of 4% inside the bar, or at the open after it was below 0.5; 5 "
        "bps.",
    ),
    "names": Work(
        "Confidence with stops, each name a book of its own",
        "The same rule without a cap, on every name by itself: what signal backtesters of single names do. NAV is the "
        "mean of all books.",
    ),
    "sweep": Work(
        "1,000 cells: 50 quantiles × 20 costs",
        "The quintile book for quantiles of 5% to 45% and costs of 0 to 20 bps; daily net returns of every cell.",
        ("final NAV, last cell compared", "Sharpe ratio of it"),
    ),
    "ic": Work(
        "Rank IC and returns by fifth",
        "Spearman correlation of score and next return by session, and the mean return of each fifth of the score.",
        ("mean rank IC", "best less worst fifth, bps"),
    ),
    "sheet": Work(
        "Tear sheet of the quintile book",
        "A file that a person reads. The peers are given the daily returns and an equally weighted benchmark; Assay is "
        "given prices and scores.",
        ("drawdown", "Sharpe ratio"),
    ),
}

_FILL = "Selection in NumPy within the time, then"
SIDES = (
    Side("quintile", "NumPy loop", "with_numpy", "quintile", "", "quintile", "The yard-stick of every table."),
    Side("quintile", "NumPy loop, shares of the decision", "with_numpy", "quintile_decided", "", "quintile_decided",
         "A weight becomes shares at the close of the decision, a session before the fill."),
    Side("quintile", "Assay", "with_assay", "quintile", "assay", "quintile",
         "`run_backtest`, everything kept: weights, holdings, costs by kind."),
    Side("quintile", "Assay, compiled, returns only", "with_assay", "quintile_compiled", "assay", "quintile",
         "`keep=\"returns\", compiled=True`."),
    Side("quintile", "vectorbt, Numba", "with_vectorbt", "quintile_numba", "vectorbt", "quintile",
         f"{_FILL} `from_orders` on target percent, one group with shared cash, `call_seq=\"auto\"`; `returns()`."),
    Side("quintile", "vectorbt, Rust", "with_vectorbt", "quintile_rust", "vectorbt-rust", "quintile",
         "The same with `engine=\"rust\"`."),
    Side("quintile", "bt", "with_bt", "quintile", "bt", "quintile",
         f"{_FILL} `WeighTarget` and `Rebalance` on the session of the fill. It buys and pays name by name, so that a "
         "target is a share of the NAV after the costs of the names before it."),
    Side("quintile", "ml4t-backtest", "with_ml4t", "quintile", "ml4t-backtest", "quintile",
         f"{_FILL} `TargetWeightExecutor` with `SAME_BAR` on weights of the session before. Keeps every "
         "fill and trade."),
    Side("quintile", "PyBroker", "with_pybroker", "quintile", "lib-pybroker", "quintile_decided",
         f"{_FILL} one `set_before_exec` for all symbols, filled at the next close, leverage 2 so that cash does not "
         "cut shorts. An order is a number of shares of the decision's close: held against the loop that sizes so. Its "
         "`equity` leaves out what open shorts have earned; `market_value` is taken. Keeps every order and trade."),
    Side("confidence", "Python loop", "with_numpy", "confidence", "", "confidence", "The rule in plain Python."),
    Side("confidence", "Python loop, as ml4t-backtest", "with_numpy", "confidence_ml4t", "", "confidence_ml4t",
         "Shares of the decision's close; stops from the bar after the entry on; a slot emptied by a jump over the "
         "stop is free from the next session on."),
    Side("confidence", "Assay", "with_assay", "confidence", "assay", "confidence",
         "`simulate_entries`, everything kept; stops in the bar of the entry too."),
    Side("confidence", "Assay, compiled, returns only", "with_assay", "confidence_compiled", "assay", "confidence",
         "`keep=\"returns\", compiled=True`."),
    Side("confidence", "ml4t-backtest", "with_ml4t", "confidence", "ml4t-backtest", "confidence_ml4t",
         "`StopLoss` and `TakeProfit` as position rules, the cap in the strategy; held against the loop that does as "
         "it does, but for one thing: where the open has sold a name and the bar then reaches its stop, ml4t refuses "
         "an entry into it that is decided at that close."),
    Side("confidence", "PyBroker", "with_pybroker", "confidence", "lib-pybroker", "confidence_ml4t",
         "`stop_loss_pct`, `stop_profit_pct` and `max_long_positions`. Not the same book: stops of a bar come before "
         "the orders of its open, so that a slot emptied inside a bar is filled at the open before; a bar that opens "
         "below the stop sells at the stop or its high, whichever is lower, not at its open."),
    Side("names", "Python loop", "with_numpy", "names", "", "names", "The rule in plain Python, name by name."),
    Side("names", "Python loop, as backtesting.py", "with_numpy", "names_later", "", "names_later",
         "Stops from the bar after the entry on."),
    Side("names", "Python loop, as vectorbt", "with_numpy", "names_vectorbt", "", "names_vectorbt",
         "The same, and a bar that reaches a level and was to be left at its open is left at the level."),
    Side("names", "Assay", "with_assay", "names", "assay", "names",
         "`simulate_entries` once a name, panels cut within the time: it has no pass over many single books."),
    Side("names", "Assay, compiled", "with_assay", "names_compiled", "assay", "names",
         "The same with `compiled=True`."),
    Side("names", "vectorbt, Numba", "with_vectorbt", "names_numba", "vectorbt", "names_vectorbt",
         "`from_signals`, all columns in one call; held against the loop that does as it does."),
    Side("names", "vectorbt, Rust", "with_vectorbt", "names_rust", "vectorbt-rust", "names_vectorbt",
         "The same with `engine=\"rust\"`."),
    Side("names", "backtesting.py", "with_backtesting", "names", "backtesting", "names_later",
         "`FractionalBacktest` once a name on one core, levels set on the fill price when the bar of the entry has "
         "ended; held against the loop that does so. It decides from the second session on, and "
         "a size is a share of cash with the commission in it."),
    Side("sweep", "Assay", "with_assay", "sweep", "assay", "sweep", "`run_cells`, all cells in one process."),
    Side("sweep", "vectorbt, Numba", "with_vectorbt", "sweep_numba", "vectorbt", "sweep",
         "Closes broadcast, each cell a group, ten cells a call; ten were run and the time is a hundred times theirs, "
         "the memory that of ten.",
         100.0),
    Side("sweep", "vectorbt, Rust", "with_vectorbt", "sweep_rust", "vectorbt-rust", "sweep",
         "The same with `engine=\"rust\"`.", 100.0),
    Side("ic", "pandas", "with_numpy", "ic", "", "ic", "`rank`, `corrwith` and masked means."),
    Side("ic", "Assay", "with_assay", "ic", "assay", "ic", "With HAC intervals of the fifths."),
    Side("ic", "alphalens-reloaded", "with_alphalens", "ic", "alphalens-reloaded", "ic",
         "The documented path from factor and prices, `filter_zscore=None` (its default drops returns by what only the "
         "whole sample knows). Means of fifths are over names and sessions, and edges are quantiles of the score."),
    Side("ic", "alphalens-reloaded, frame ready", "with_alphalens", "ic_ready", "alphalens-reloaded", "ic",
         "Both figures alone, of a frame that was joined and binned before."),
    Side("sheet", "Assay", "with_assay", "sheet", "assay", "quintile",
         "Simulation, evidence with its tests and intervals, a stored run and the HTML sheet."),
    Side("sheet", "Assay, a stored run", "with_assay", "sheet_drawn", "assay", "quintile", "The HTML sheet alone."),
    Side("sheet", "quantstats", "with_quantstats", "sheet", "quantstats", "quintile",
         "`reports.html` of returns beside a benchmark: no positions, no scores, no intervals."),
    Side("sheet", "pyfolio-reloaded", "with_pyfolio", "sheet", "pyfolio-reloaded", "quintile",
         "`create_returns_tear_sheet` of returns beside a benchmark, saved as one picture."),
)  # fmt: skip

_SINGLE = "backtests one instrument at a time: no book across names"
_FIGURES = "figures of returns or scores: it simulates nothing"
_CAP = "`from_signals` has no cap across columns; in `from_order_func` one writes the rule oneself, in Numba"
_PLOTS = "statistics and plots of their own runs, no sheet of a return series"
ABSENT = (
    ("quintile", "backtesting.py", _SINGLE),
    ("quintile", "alphalens, quantstats, pyfolio", _FIGURES),
    ("confidence", "vectorbt", _CAP),
    ("confidence", "backtesting.py", _SINGLE),
    ("confidence", "bt", "no stops inside the bar: its algos see one price a session"),
    ("names", "bt", "no stops inside the bar: its algos see one price a session"),
    ("names", "ml4t-backtest, PyBroker", "one account each; a book a name is one run a name, as above"),
    ("sweep", "bt, ml4t-backtest, PyBroker", "no pass over many books: a thousand times the run of the first table"),
    ("sweep", "backtesting.py", _SINGLE),
    ("ic", "vectorbt, bt, ml4t-backtest, PyBroker, backtesting.py", "no rank IC and no quantile returns"),
    ("sheet", "alphalens-reloaded", "its sheet is of a score, not of a book"),
    ("sheet", "vectorbt, bt, ml4t-backtest, PyBroker, backtesting.py", _PLOTS),
)  # fmt: skip
