"""The trial ledger: everything tried is counted, so that evidence after a choice is not a hand-typed number.

One append-only file a user, ``$ASSAY_LEDGER`` or ``~/.local/share/assay/trials.sqlite``, whatever results folder a run
went to. Each entry holds the digest of the one before, so that an edited, removed or inserted one is found (`verify`).

A *market* is its assets and overlapping sessions with the same closes (`assay.results.storage.markets`). A *trial* on
it is anything whose outcome somebody could have chosen: model, features, strategy and their parameters, or predictions
that were brought along. Costs, borrow, capital, delay and fill are *scenarios* of a trial, seeds and retrains its
*members*. Registering the same member again changes nothing.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.results.storage.chain import (
    Entry,
    append_to,
    connected,
    decoded,
    entries_in,
    is_chain,
    verify,
)
from assay.results.storage.markets import Sketch, same_market, sketch_of
from assay.results.storage.places import ledger_path
from assay.results.storage.runs import to_json

__all__ = [
    "IN_BLOCKS",
    "Record",
    "Trial",
    "Trials",
    "adopt",
    "export_market",
    "market_of",
    "merge_ledger",
    "read_trials",
    "register",
    "scenario_of",
    "search_of",
    "trial_of",
]

#: Settings of a run that make no other trial: what is repeated, and what is a scenario.
_MEMBERS = ("seed", "seeds", "source", "adjusted", "workers")
_SCENARIO = ("costs", "execution", "engine")
#: The engine of a run that was worked some sessions at a time: another run, in the same scenario.
IN_BLOCKS = "blocks of sessions"
#: Share of sessions on which the x of two prediction files are equal where one is the other, a day later.
_SAME = 0.9
_LEAST_SHARED = 20
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
    fingerprint : SHA-256 of the recipe.
    family : of the strategy, to read the table by.
    name : for the table, e.g. ``s2_filter_negative · ridge``.
    recipe : the settings that somebody could have chosen, as JSON.
    predictions : fingerprint of predictions that were brought along, or "".

    """

    fingerprint: str
    family: str
    name: str
    recipe: str
    predictions: str = ""


@dataclass(frozen=True, eq=False)
class Record:
    """One outcome to register.

    Parameters
    ----------
    trial : see `trial_of`.
    member : which seed or retrain of it, e.g. the run id.
    returns : (T,) net returns a session; empty for forecasts that nothing traded.
    scenario : see `scenario_of`.
    skill : columns x and df by stamp, see `assay.results.stats.skill`, or None.
    inside : `search_of` the run whose folds tried it on sessions before those that they predict, or "".

    """

    trial: Trial
    member: str
    returns: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    scenario: str = ""
    skill: pd.DataFrame | None = None
    inside: str = ""


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials on one market.

    Parameters
    ----------
    table : a row a trial, indexed by its fingerprint: family, name, recipe (see `Trial`), market, scenario, members,
        sessions, first_session, last_session, sharpe (a session, mean over members; NaN where nothing was traded).
    returns : (sessions, trials) net returns, the mean over a trial's members of one scenario; NaN where there are none.
    x : (sessions, trials) skill series by stamp, the mean over members; NaN where there are none.
    last : number of the ledger's last entry among them.

    """

    table: pd.DataFrame
    returns: pd.DataFrame
    x: pd.DataFrame
    last: int = 0

    @property
    def count(self) -> int:
        """N, the number of distinct trials."""
        return len(self.table)

    @property
    def traded(self) -> pd.DataFrame:
        """Returns of the trials that have any."""
        return self.returns.dropna(axis="columns", how="all")

    @property
    def distinct(self) -> int:
        """How many skill series were looked at: trials of one score count once, those without one each."""
        from assay.results.stats.family_wise import distinct_series

        return len(set(distinct_series(self.x.to_numpy(dtype=np.float64)).tolist())) if self.count else 0


def trial_of(config: Mapping[str, Any], *, family: str, predictions: str | None = None) -> Trial:
    """The trial that a run belongs to.

    Parameters
    ----------
    config : the run's config. Seeds, workers and the name of the source make no other trial; costs and execution
        (capital, delay, fill …) no other either: they are its scenario.
    family : of the strategy.
    predictions : fingerprint of predictions that were brought along; None when the config says how they are made.

    """
    left = (*_MEMBERS, *_SCENARIO)
    recipe = {name: value for name, value in config.items() if name not in left}
    name = " · ".join(str(config[key]) for key in ("strategy", "model") if config.get(key))
    return _trial(to_json({"recipe": recipe}), family, name or family, predictions or "")


def _trial(recipe: str, family: str, name: str, predictions: str) -> Trial:
    digest = hashlib.sha256(f"{recipe}\n{predictions}".encode()).hexdigest()
    return Trial(digest, family, name, recipe, predictions)


def scenario_of(config: Mapping[str, Any]) -> str:
    """A name for a run's costs, capital, delay and fill: trials are compared within one."""
    chosen = {name: None if config.get(name) == IN_BLOCKS else config.get(name) for name in _SCENARIO}
    return hashlib.sha256(to_json(chosen).encode()).hexdigest()[:16]


def search_of(config: Mapping[str, Any]) -> str:
    """A name for the search that a walk-forward of a tuned model made in its folds; "" where it made none.

    What a search tried is judged on sessions before those that its own run predicts, so it is no choice among that
    run's outcomes; for every other run on the market it is one more trial.
    """
    recipe = config.get("recipe")
    if not isinstance(recipe, Mapping) or "base" not in (recipe.get("params") or {}):
        return ""
    told = {name: config.get(name) for name in ("recipe", "walk_forward", "horizon")}
    return hashlib.sha256(to_json(told).encode()).hexdigest()[:16]


def adopt(old: Path, *, path: Path | None = None) -> int:
    """Read a ledger of the first version, one of a results folder, into this one; how many members were new.

    Its panels are known by fingerprint alone, so its trials count on panels of that very fingerprint; costs and
    execution, which it took for part of the recipe, become scenarios.

    Raises
    ------
    InputError
        If the file is no ledger.

    """
    path = path or ledger_path()
    query = (
        "select t.prices, t.family, t.recipe, m.member, m.days, m.returns, t.created from trials t"
        " join members m on m.trial = t.fingerprint order by t.rowid, m.rowid"
    )
    with connected(old, create=False, check=False) as connection:
        rows = connection.execute(query).fetchall()
    count = 0
    with connected(path, create=True) as connection:
        for prices, family, text, member, days, values, created in rows:
            stored = decoded(text, 0)
            config = dict(stored.get("recipe") or {})
            trial = trial_of(config, family=_OLD_FAMILIES.get(family, family), predictions=stored.get("predictions"))
            index = pd.DatetimeIndex(np.frombuffer(days, "<i4").astype("datetime64[D]").astype("datetime64[us]"))
            record = Record(trial, member, pd.Series(np.frombuffer(values, "<f8"), index), scenario_of(config))
            count += _add_member(connection, prices, record, created)
    return count


def merge_ledger(other: Path, *, path: Path | None = None) -> int:
    """Add what another ledger knows and this one does not, at the end of the chain; how many entries were new.

    A ledger of the first version is read too.

    Raises
    ------
    InputError
        If the other ledger is not there, is damaged, or its chain is broken.

    """
    path = path or ledger_path()
    if not other.is_file():
        raise InputError(f"trial ledger: no file {other}")
    if not is_chain(other):
        return adopt(other, path=path)
    walked = verify(other)
    if walked.broken:
        raise InputError(f"trial ledger {other}: {walked.broken[0]}; nothing was merged")
    query = "select kind, key, body, data, created from entries order by seq"
    with connected(other, create=False) as source:
        rows = source.execute(query).fetchall()
    with connected(path, create=True) as connection:
        return sum(
            append_to(connection, kind, key, _told_again(connection, kind, body, data), data, created)
            for kind, key, body, data, created in rows
        )


def export_market(prices: str, target: Path, *, through: int = 0, path: Path | None = None) -> int:
    """Write the ledger's entries on one market to a new file, as they are and under their numbers; how many.

    Such a file is read like a ledger; its chain has gaps where entries of other markets stand.

    Parameters
    ----------
    prices : fingerprint of a panel of the market.
    target : a file that is not there.
    through : the last entry that is copied; 0 copies all.

    """
    path = path or ledger_path()
    with connected(target, create=True):
        pass
    if not path.exists():
        return 0
    query = "select seq, kind, key, body, data, created, previous, digest from entries where (? = 0 or seq <= ?)"
    with connected(path, create=False) as source:
        kin = _market(source, prices)
        rows = source.execute(f"{query} order by seq", (through, through)).fetchall()
    trials: set[str] = set()
    seals: set[str] = set()
    kept = []
    for row in rows:
        kind, key, body = row[1], row[2], decoded(row[3], row[0])
        ours = {
            "panel": lambda body: body["fingerprint"] in kin,
            "member": lambda body: body["prices"] in kin,
            "look": lambda body: body["trial"] in trials,
            "seal": lambda body: body["prices"] in kin,
            "opening": lambda body: body["seal"] in seals,
        }.get(kind)
        if ours is None or not ours(body):
            continue
        if kind == "member":
            trials.add(str(body["trial"]))
        elif kind == "seal":
            seals.add(str(key).removeprefix("seal:"))
        kept.append(row)
    with connected(target, create=True) as copy:
        columns = "seq, kind, key, body, data, created, previous, digest"
        copy.executemany(f"insert into entries ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?)", kept)
    return len(kept)


def _told_again(connection: sqlite3.Connection, kind: str, text: str, data: bytes) -> dict[str, Any]:
    """An entry of another ledger; which panels are the same market is found anew."""
    body = decoded(text, 0)
    return {**body, "matches": _matches(connection, Sketch.from_bytes(data))} if kind == "panel" else body





def register(records: Sequence[Record], prices: PricePanel | str, *, path: Path | None = None) -> list[str]:
    """Note what was tried on a market; once, however often it is rerun.

    Parameters
    ----------
    records : what was tried, and what came out.
    prices : the panel, or the fingerprint of one that is not at hand.

    Returns
    -------
    list of str
        The fingerprint of the trial that each record came under.

    Raises
    ------
    InputError
        If the ledger is damaged or cannot be written; it is never overwritten.

    """
    with connected(path or ledger_path(), create=True) as connection:
        fingerprint = prices if isinstance(prices, str) else _add_panel(connection, prices)
        kept = [item for item in records if item.returns.notna().any() or (item.skill is not None and len(item.skill))]
        brought = any(record.trial.predictions and record.skill is not None for record in kept)
        earlier = _brought(connection, _market(connection, fingerprint)) if brought else {}
        told = {id(record): _known_predictions(record, earlier) for record in kept}
        for record in told.values():
            _add_member(connection, fingerprint, record)
    return [told.get(id(record), record).trial.fingerprint for record in records]


def _add_panel(connection: sqlite3.Connection, prices: PricePanel) -> str:
    """Keep a panel's sketch and which panels are the same market; at most one a market is compared where it matches."""
    fingerprint = prices.fingerprint
    if connection.execute("select 1 from entries where key = ?", (f"panel:{fingerprint}",)).fetchone():
        return fingerprint
    sketch = sketch_of(prices)
    matches = _matches(connection, sketch)
    body = {"fingerprint": fingerprint, "source": prices.source, "assets": len(sketch.assets),
            "first_session": str(prices.sessions[0].date()), "last_session": str(prices.sessions[-1].date()),
            "matches": matches}  # fmt: skip
    append_to(connection, "panel", f"panel:{fingerprint}", body, sketch.to_bytes())
    return fingerprint


def _matches(connection: sqlite3.Connection, sketch: Sketch) -> list[str]:
    """One panel of each market that a sketch belongs to, the newest first."""
    found: list[str] = []
    seen: set[str] = set()
    markets = _components(connection)
    for entry in reversed(entries_in(connection, "panel")):
        known = str(entry.body["fingerprint"])
        if markets[known] not in seen and same_market(sketch, Sketch.from_bytes(entry.data)):
            seen.add(markets[known])
            found.append(known)
    return found


def _components(connection: sqlite3.Connection) -> dict[str, str]:
    """Each panel's market, named by its first panel: the panels that match each other, directly or through others."""
    leader: dict[str, str] = {}

    def head(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for body in (entry.body for entry in entries_in(connection, "panel")):
        name = str(body["fingerprint"])
        leader.setdefault(name, name)
        for other in body["matches"]:
            if other in leader:
                one, two = sorted((head(name), head(other)), key=list(leader).index)
                leader[two] = one
    return {name: head(name) for name in leader}


def _market(connection: sqlite3.Connection, fingerprint: str, sketch: Sketch | None = None) -> frozenset[str]:
    """The fingerprints of all panels of a panel's market; its own alone where it is not known."""
    markets = _components(connection)
    wanted = {markets[fingerprint]} if fingerprint in markets else set()
    if not wanted and sketch is not None:
        wanted = {markets[name] for name in _matches(connection, sketch)}
    return frozenset({fingerprint, *(name for name, market in markets.items() if market in wanted)})


def market_of(prices: PricePanel | str, *, path: Path | None = None) -> frozenset[str]:
    """Fingerprints of the panels in the ledger that are the same market as this one, which is among them."""
    path = path or ledger_path()
    if not path.exists():
        return frozenset({prices if isinstance(prices, str) else prices.fingerprint})
    with connected(path, create=False) as connection:
        return _kin(connection, prices)


def _brought(connection: sqlite3.Connection, kin: Iterable[str]) -> dict[str, list[Entry]]:
    """By recipe, the members on a market whose predictions were brought along."""
    out: dict[str, list[Entry]] = {}
    for entry in entries_in(connection, "member"):
        if entry.body["predictions"] and entry.body["prices"] in kin:
            out.setdefault(str(entry.body["recipe"]), []).append(entry)
    return out


def _known_predictions(record: Record, earlier: Mapping[str, list[Entry]]) -> Record:
    """The record under the trial it repeats, where its predictions are an earlier file's with some sessions more."""
    members = earlier.get(record.trial.recipe, [])
    if not record.trial.predictions or record.skill is None:
        return record
    if any(entry.body["predictions"] == record.trial.predictions for entry in members):
        return record
    for entry in members:
        returns, skill = _unpacked(entry.data)
        same_returns = entry.body["scenario"] != record.scenario or _agree(returns, record.returns)
        if same_returns and _agree(skill["x"], record.skill["x"]):
            trial = record.trial
            known = _trial(trial.recipe, trial.family, trial.name, str(entry.body["predictions"]))
            return replace(record, trial=known)
    return record


def _agree(one: pd.Series, two: pd.Series) -> bool:
    """Whether two series are the same on at least 90% of the 20 or more sessions that both have."""
    both = pd.concat([one, two], axis="columns", join="inner", sort=True).to_numpy()
    return len(both) >= _LEAST_SHARED and bool((np.abs(both[:, 0] - both[:, 1]) < 1e-6).mean() >= _SAME)


def _add_member(connection: sqlite3.Connection, prices: str, record: Record, created: str = "") -> bool:
    trial, returns = record.trial, record.returns.dropna()
    stamps = returns.index if len(returns) or record.skill is None else record.skill.index
    body = {
        "prices": prices, "trial": trial.fingerprint, "family": trial.family, "name": trial.name,
        "recipe": trial.recipe, "predictions": trial.predictions, "scenario": record.scenario,
        "member": record.member, "sessions": len(returns),
        "first_session": str(stamps[0].date()), "last_session": str(stamps[-1].date()),
        **({"inside": record.inside} if record.inside else {}),
    }  # fmt: skip
    key = f"member:{trial.fingerprint}:{prices}:{record.scenario}:{record.member}"
    return append_to(connection, "member", key, body, _packed(returns, record.skill), created)


def _packed(returns: pd.Series, skill: pd.DataFrame | None) -> bytes:
    parts = [_days(returns.index), returns.to_numpy(dtype="<f8").tobytes()]
    count = 0
    if skill is not None:
        known = skill[skill["x"].notna()]
        count = len(known)
        parts += [_days(known.index), known["x"].to_numpy(dtype="<f8").tobytes(), known["df"].to_numpy("<f8").tobytes()]
    sizes = np.array([len(returns), count], dtype="<i4").tobytes()
    return zlib.compress(sizes + b"".join(parts), 1)


def _days(index: pd.Index) -> bytes:
    return bytes(pd.DatetimeIndex(index).to_numpy(dtype="datetime64[D]").astype("<i4").tobytes())


def _unpacked(data: bytes) -> tuple[pd.Series, pd.DataFrame]:
    try:
        raw = zlib.decompress(data)
        n, count = (int(size) for size in np.frombuffer(raw, "<i4", 2))
        place = 8

        def taken(kind: str, size: int) -> np.ndarray:
            nonlocal place
            values = np.frombuffer(raw, kind, size, place)
            place += values.nbytes
            return values

        days, returns = taken("<i4", n), taken("<f8", n)
        stamps, x, df = taken("<i4", count), taken("<f8", count), taken("<f8", count)
    except (zlib.error, ValueError) as error:
        raise InputError(f"trial ledger: a member is damaged ({error}); see `runs trials --verify`") from None

    def index(values: np.ndarray) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(values.astype("datetime64[D]").astype("datetime64[us]"))

    return pd.Series(returns, index(days)), pd.DataFrame({"x": x, "df": df}, index(stamps))


_COLUMNS = (
    "family", "name", "recipe", "market", "scenario", "members", "sessions", "first_session", "last_session", "sharpe",
)  # fmt: skip


def read_trials(
    prices: PricePanel | str | None = None,
    *,
    family: str | None = None,
    scenario: str | None = None,
    own: str = "",
    through: int = 0,
    path: Path | None = None,
) -> Trials:
    """The trials on a market; those on all markets where none is given.

    Parameters
    ----------
    prices : a panel, or the fingerprint of one that is in the ledger.
    family : only these, to look at; what counts is every family.
    own : `search_of` the run that is judged, whose own search is no choice among its outcomes.
    scenario : where a trial has members of it, only those are averaged; else those of the scenario that came first.
    through : the last entry that is read, for what was known then; 0 reads all.

    Raises
    ------
    InputError
        If the ledger is damaged.

    """
    path = path or ledger_path()
    empty = Trials(
        pd.DataFrame(columns=["fingerprint", *_COLUMNS]).set_index("fingerprint"), pd.DataFrame(), pd.DataFrame()
    )
    if not path.exists():
        return empty
    with connected(path, create=False) as connection:
        markets = _components(connection)
        kin = None if prices is None else _kin(connection, prices)
        found = entries_in(connection, "member")
    trials: dict[tuple[str, str], list[Entry]] = {}
    for entry in found:
        panel = str(entry.body["prices"])
        if own and entry.body.get("inside") == own:
            continue
        if through and entry.seq > through:
            break
        if (kin is None or panel in kin) and family in (None, entry.body["family"]):
            market = markets.get(panel, panel) if kin is None else ""
            trials.setdefault((market, str(entry.body["trial"])), []).append(entry)
    if not trials:
        return empty
    rows, returns, skills = [], {}, {}
    for (market, fingerprint), members in trials.items():
        chosen = _of_scenario(members, scenario)
        series = [_unpacked(entry.data) for entry in chosen]
        net, x = _mean([one for one, _ in series]), _mean([two["x"] for _, two in series])
        name = fingerprint if fingerprint not in returns else f"{fingerprint}@{market[:8]}"
        returns[name], skills[name] = net, x
        body = chosen[0].body
        sharpes = [_sharpe(one) for one, _ in series if len(one)]
        span = net.index if len(net) else x.index
        panel = str(body["prices"])
        rows.append((name, body["family"], body["name"], body["recipe"], markets.get(panel, panel), body["scenario"],
                     len({entry.body["member"] for entry in members}), len(net), span[0].date(), span[-1].date(),
                     float(np.mean(sharpes)) if sharpes else np.nan))  # fmt: skip
    table = pd.DataFrame(rows, columns=["fingerprint", *_COLUMNS]).set_index("fingerprint")
    last = max(entry.seq for members in trials.values() for entry in members)
    return Trials(table, _joined(returns), _joined(skills), last)


def _kin(connection: sqlite3.Connection, prices: PricePanel | str) -> frozenset[str]:
    if isinstance(prices, str):
        return _market(connection, prices)
    return _market(connection, prices.fingerprint, sketch_of(prices))


def _of_scenario(members: list[Entry], scenario: str | None) -> list[Entry]:
    wanted = [entry for entry in members if entry.body["scenario"] == scenario]
    return wanted or [entry for entry in members if entry.body["scenario"] == members[0].body["scenario"]]


def _mean(series: list[pd.Series]) -> pd.Series:
    there = [item for item in series if len(item)]
    if not there:
        return series[0]
    return there[0] if len(there) == 1 else pd.concat(there, axis="columns", sort=True).mean(axis="columns")


def _joined(series: Mapping[str, pd.Series]) -> pd.DataFrame:
    return pd.concat(series, axis="columns", sort=True)


def _sharpe(returns: pd.Series) -> float:
    """Sharpe ratio a session, ddof 1; 0 where the returns are constant."""
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation if deviation > 1e-15 else 0.0


