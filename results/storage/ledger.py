"""The trial ledger: everything tried is counted, so that a deflated Sharpe ratio is not a hand-typed number.

One append-only SQLite file a results folder. A *trial* is a recipe on a price panel: strategy with its parameters,
costs and execution, and either the model with its parameters or the fingerprint of the predictions that were brought
along. Seeds and retrains of one recipe are *members* of one trial. Registering the same member again changes nothing.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.results.storage.runs import DEFAULT_ROOT, to_json

__all__ = ["FILE_NAME", "Trial", "Trials", "read_trials", "register", "trial_of"]

FILE_NAME = "trials.sqlite"

_SCHEMA = """
create table if not exists trials (
  fingerprint text primary key, prices text not null, family text not null, name text not null,
  recipe text not null, created text not null default current_timestamp);
create table if not exists members (
  trial text not null references trials (fingerprint), member text not null, sessions integer not null,
  first_session text not null, last_session text not null, days blob not null, returns blob not null,
  primary key (trial, member));
"""
_WAIT_SECONDS = 60.0
#: Families as the first version stored them, when they were the modules of the strategies.
_OLD_FAMILIES = {
    "strategies.ranked": "ranked",
    "strategies.confidence": "confidence",
    "strategies.actions": "actions",
    "strategies.baselines": "baselines",
    "strategies.optimised": "optimised",
    "strategies.optimised_utility": "optimised",
}


@dataclass(frozen=True)
class Trial:
    """What makes a trial distinct.

    Parameters
    ----------
    fingerprint : SHA-256 of recipe and price panel.
    prices : fingerprint of the price panel.
    family : what competes with what; the deflated Sharpe counts the trials of one family on one panel.
    name : for the table, e.g. ``s2_filter_negative · ridge``.
    recipe : the config that the fingerprint is of, as JSON.

    """

    fingerprint: str
    prices: str
    family: str
    name: str
    recipe: str


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of one family on one panel.

    Parameters
    ----------
    table : a row a trial: prices, family, name, recipe (see `Trial`), members, sessions, first_session, last_session,
        sharpe (a session, mean over members).
    returns : (sessions, trials) net returns, the mean over a trial's members; NaN where a trial has no session.

    """

    table: pd.DataFrame
    returns: pd.DataFrame

    @property
    def count(self) -> int:
        """N, the number of distinct trials."""
        return len(self.table)


def trial_of(
    config: Mapping[str, Any], *, prices: str, family: str, predictions: str | None = None
) -> Trial:
    """The trial that a run belongs to.

    Parameters
    ----------
    config : the run's config. Entries called ``seed`` or ``seeds`` do not make another trial.
    prices : fingerprint of the price panel.
    family : see `Trial`.
    predictions : fingerprint of predictions that were brought along; None when the config says how they are made.

    """
    recipe = {name: value for name, value in config.items() if name not in ("seed", "seeds", "source", "workers")}
    text = to_json({"recipe": recipe, "predictions": predictions})
    name = " · ".join(str(config[key]) for key in ("strategy", "model") if config.get(key))
    return Trial(_fingerprint(prices, family, text), prices, family, name or family, text)


def _fingerprint(prices: str, family: str, recipe: str) -> str:
    return hashlib.sha256(f"{prices}\n{family}\n{recipe}".encode()).hexdigest()


def register(trial: Trial, member: str, returns: pd.Series, *, root: Path | str = DEFAULT_ROOT) -> None:
    """Note that a trial was made; once, however often it is rerun.

    Parameters
    ----------
    trial : see `trial_of`.
    member : which seed or retrain of it, e.g. the run id.
    returns : (T,) net returns a session.
    root : the results folder.

    Raises
    ------
    InputError
        If the ledger is damaged or cannot be written; it is never overwritten.

    """
    kept = returns.dropna()
    if kept.empty:
        return
    days = kept.index.to_numpy(dtype="datetime64[D]").astype("<i4").tobytes()
    values = kept.to_numpy(dtype="<f8").tobytes()
    first, last = str(kept.index[0].date()), str(kept.index[-1].date())
    with _connected(Path(root), create=True) as connection:
        connection.execute(
            "insert or ignore into trials (fingerprint, prices, family, name, recipe) values (?, ?, ?, ?, ?)",
            (trial.fingerprint, trial.prices, trial.family, trial.name, trial.recipe),
        )
        connection.execute(
            "insert or ignore into members values (?, ?, ?, ?, ?, ?, ?)",
            (trial.fingerprint, member, len(kept), first, last, days, values),
        )


def read_trials(
    *, prices: str | None = None, family: str | None = None, root: Path | str = DEFAULT_ROOT
) -> Trials:
    """The trials that share a price panel and a family; all of them where neither is given.

    Raises
    ------
    InputError
        If the ledger is damaged.

    """
    about = ["fingerprint", "prices", "family", "name", "recipe"]
    columns = [*about, "members", "sessions", "first_session", "last_session", "sharpe"]
    if not (Path(root) / FILE_NAME).exists():
        return Trials(pd.DataFrame(columns=columns).set_index("fingerprint"), pd.DataFrame())
    query = (
        "select t.prices, t.family, t.name, t.recipe, m.member, m.days, m.returns from trials t"
        " join members m on m.trial = t.fingerprint where (?1 is null or t.prices = ?1) order by t.rowid, m.rowid"
    )
    with _connected(Path(root), create=False) as connection:
        found = connection.execute(query, (prices,)).fetchall()
    members: dict[str, dict[str, pd.Series]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    for panel, stored, name, recipe, member, days, values in found:
        kin = _OLD_FAMILIES.get(stored, stored)
        if family is not None and kin != _OLD_FAMILIES.get(family, family):
            continue
        fingerprint = _fingerprint(panel, kin, recipe)
        index = pd.DatetimeIndex(np.frombuffer(days, "<i4").astype("datetime64[D]").astype("datetime64[us]"))
        members.setdefault(fingerprint, {})[member] = pd.Series(np.frombuffer(values, "<f8"), index)
        labels[fingerprint] = (panel, kin, name, recipe)
    rows, returns = [], {}
    for fingerprint, of_trial in members.items():
        series = list(of_trial.values())
        mean = series[0] if len(series) == 1 else pd.concat(series, axis="columns", sort=True).mean(axis="columns")
        returns[fingerprint] = mean
        sharpe = float(np.mean([_sharpe(item) for item in series]))
        first, last = mean.index[0].date(), mean.index[-1].date()
        rows.append((fingerprint, *labels[fingerprint], len(series), len(mean), first, last, sharpe))
    table = pd.DataFrame(rows, columns=columns).set_index("fingerprint")
    return Trials(table, pd.concat(returns, axis="columns", sort=True) if returns else pd.DataFrame())


def _sharpe(returns: pd.Series) -> float:
    """Sharpe ratio a session, ddof 1; 0 where the returns are constant."""
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation if deviation > 1e-15 else 0.0


@contextmanager
def _connected(root: Path, *, create: bool) -> Iterator[sqlite3.Connection]:
    """One transaction on the ledger; others wait for it."""
    path = root / FILE_NAME
    connection = None
    try:
        if create:
            root.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
        if create:
            connection.execute("begin immediate")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
        yield connection
        if create:
            connection.execute("commit")
    except sqlite3.OperationalError as error:
        raise InputError(f"trial ledger {path}: cannot be used: {error}") from None
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"trial ledger {path}: damaged ({error}); it is left as it is: restore a copy or move it away"
        ) from None
    except OSError as error:
        raise InputError(f"trial ledger {path}: cannot be written: {error.strerror}") from None
    finally:
        if connection is not None:
            connection.close()
