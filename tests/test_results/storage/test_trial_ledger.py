"""The trial ledger: counts what was chosen, once; loses nothing; finds what was changed."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.results.storage.chain import append_entry, entries, export_ledger, verify
from assay.results.storage.markets import Sketch, same_market, sketch_of
from assay.results.storage.places import ledger_beside, ledger_path
from assay.results.storage.runs import to_json
from assay.results.storage.trial_ledger import (
    Record,
    adopt,
    market_of,
    merge_ledger,
    read_trials,
    register,
    scenario_of,
    trial_of,
)


def series(seed: int, n: int = 50) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).normal(0, 0.01, n), pd.bdate_range("2020-01-01", periods=n))


def skill(seed: int, n: int = 100) -> pd.DataFrame:
    x = np.random.default_rng(seed).normal(size=n)
    return pd.DataFrame({"x": x, "df": 18.0}, pd.bdate_range("2020-01-01", periods=n))


def record(quantile: float, member: str = "run", seed: int = 1, **more) -> Record:
    config = {"strategy": "s2", "quantile": quantile, **more}
    return Record(trial_of(config, family="ranked"), member, series(seed), scenario_of(config))


def panel(seed: int = 0, sessions: int = 300, assets: int = 12) -> PricePanel:
    rng = np.random.default_rng(seed)
    close = 100 * np.cumprod(1 + rng.normal(0, 0.01, (sessions, assets)), axis=0)
    dates = pd.bdate_range("2018-01-01", periods=sessions)
    return PricePanel(pd.DataFrame(close, dates, [f"A{i}" for i in range(assets)]))


class TestMarkets:
    def test_a_row_more_is_the_same_market(self):
        prices = panel()
        assert same_market(sketch_of(prices), sketch_of(PricePanel(prices.close.iloc[:-1])))
        assert same_market(sketch_of(prices), sketch_of(PricePanel(prices.close.iloc[40:])))
        assert same_market(sketch_of(prices), sketch_of(PricePanel(prices.close.iloc[:, :7])))

    def test_an_adjustment_for_a_dividend_changes_nothing(self):
        prices = panel()
        adjusted = prices.close.mul(np.linspace(0.9, 0.99, 12), axis="columns").round(4)
        assert same_market(sketch_of(prices), sketch_of(PricePanel(adjusted)))

    def test_other_prices_other_names_and_other_times_are_others(self):
        prices = panel()
        assert not same_market(sketch_of(prices), sketch_of(panel(1)))
        assert not same_market(sketch_of(prices), sketch_of(PricePanel(prices.close.add_prefix("X"))))
        later = prices.close.set_axis(pd.bdate_range("2023-01-02", periods=300))
        assert not same_market(sketch_of(prices), sketch_of(PricePanel(later)))
        few = PricePanel(prices.close.iloc[:, :3].join(panel(1).close.add_prefix("Y")))
        assert not same_market(sketch_of(prices), sketch_of(few))

    def test_a_tenth_of_the_closes_may_differ_and_a_fifth_not(self):
        prices = panel(assets=40)
        for count, same in ((3, True), (9, False)):
            close = prices.close.copy()
            close.iloc[:, :count] = panel(5, assets=count).close.to_numpy()
            assert same_market(sketch_of(prices), sketch_of(PricePanel(close))) is same

    def test_large_panels_are_sampled_on_the_same_dates(self):
        prices = panel(sessions=3000, assets=60)
        whole, part = sketch_of(prices), sketch_of(PricePanel(prices.close.iloc[1000:, :30]))
        assert whole.closes.size <= 16_384 * 1.1
        assert same_market(whole, part)

    def test_a_sketch_is_read_back(self):
        sketch = sketch_of(panel())
        again = Sketch.from_bytes(sketch.to_bytes())
        assert again.assets == sketch.assets
        np.testing.assert_array_equal(again.closes, sketch.closes)
        with pytest.raises(InputError, match="damaged"):
            Sketch.from_bytes(b"nothing")


def test_counts_distinct_recipes_once():
    for _ in range(2):
        register([record(0.1, "a"), record(0.2, "b", seed=2)], "p")
    found = read_trials("p")
    assert found.count == 2
    pd.testing.assert_series_equal(found.returns.iloc[:, 0], series(1), check_names=False, check_freq=False)


def test_seeds_are_members_of_one_trial():
    register([record(0.1, f"run-{seed}", seed, seeds=[seed]) for seed in (0, 1, 2)], "p")
    found = read_trials()
    assert found.count == 1
    assert found.table["members"].tolist() == [3]
    sharpes = [s.mean() / s.std(ddof=1) for s in map(series, (0, 1, 2))]
    assert found.table["sharpe"].iloc[0] == pytest.approx(np.mean(sharpes))


def test_costs_capital_and_delay_are_scenarios_of_one_trial():
    cheap = {"costs": {"commission_bps": 0.0}, "execution": {"delay": 1, "capital": 1e6}}
    dear = {"costs": {"commission_bps": 10.0}, "execution": {"delay": 2, "capital": 2e6}}
    register([record(0.1, "a", 1, **cheap), record(0.1, "a", 2, **dear), record(0.2, "b", 3, **cheap)], "p")
    found = read_trials("p")
    assert found.count == 2
    # Returns of one scenario are never averaged with another's.
    assert found.returns.iloc[0, 0] == series(1).iloc[0]
    asked = read_trials("p", scenario=scenario_of(dear))
    assert asked.returns.iloc[0].tolist() == [series(2).iloc[0], series(3).iloc[0]]


def test_everything_on_a_market_counts_whatever_the_family_or_file():
    prices = panel()
    longer = PricePanel(pd.concat([prices.close, prices.close.iloc[-1:].set_axis([pd.Timestamp("2019-12-02")])]))
    register([record(0.1)], prices)
    other = Record(trial_of({"strategy": "hrp"}, family="optimised"), "x", series(4))
    register([other], longer)
    register([record(0.3)], panel(1))
    assert read_trials(prices).count == read_trials(longer).count == 2
    assert market_of(prices) == {prices.fingerprint, longer.fingerprint}
    assert read_trials(panel(1)).count == 1
    assert read_trials().count == 3
    assert read_trials(prices, family="optimised").count == 1
    # A panel that was never registered is recognised by its prices.
    assert read_trials(PricePanel(prices.close.iloc[3:])).count == 2


def test_a_panel_joins_markets_that_did_not_overlap():
    whole = panel(sessions=600)
    early, late = PricePanel(whole.close.iloc[:280]), PricePanel(whole.close.iloc[320:])
    register([record(0.1)], early)
    register([record(0.2)], late)
    assert read_trials(early).count == 1
    register([record(0.3)], whole)
    assert read_trials(early).count == read_trials(late).count == 3


def test_brought_predictions_make_another_trial_unless_they_are_yesterdays():
    prices = panel()
    config = {"strategy": "s2"}

    def brought(print_: str, frame: pd.DataFrame) -> Record:
        return Record(trial_of(config, family="ranked", predictions=print_), print_, series(1), skill=frame)

    register([brought("monday", skill(1, 99))], prices)
    register([brought("tuesday", skill(1, 99).reindex(skill(1, 100).index).fillna(0.1))], prices)
    assert read_trials(prices).count == 1
    register([brought("another", skill(2))], prices)
    assert read_trials(prices).count == 2


def test_distinct_series_count_scores_not_strategies():
    records = []
    for number in range(6):
        item = record(0.1 * (number + 1))
        records.append(Record(item.trial, "m", series(number), skill=skill(number // 3)))
    register(records, "p")
    found = read_trials("p")
    assert (found.count, found.distinct) == (6, 2)
    np.testing.assert_allclose(found.x.iloc[:, 0], skill(0)["x"])


def test_forecasts_that_nothing_traded_are_trials_too():
    register([Record(trial_of({"model": "ridge"}, family="forecast"), "m", skill=skill(3))], "p")
    found = read_trials("p")
    assert (found.count, found.distinct) == (1, 1)
    assert found.traded.empty
    assert found.table["sharpe"].isna().all()


def test_the_users_ledger_and_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "mine.sqlite"))
    assert ledger_path() == tmp_path / "mine.sqlite"
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "folder"))
    assert ledger_path() == tmp_path / "folder" / "trials.sqlite"
    monkeypatch.delenv("ASSAY_LEDGER")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert ledger_path() == tmp_path / "assay" / "trials.sqlite"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ledger_path() == tmp_path / ".local" / "share" / "assay" / "trials.sqlite"


@pytest.mark.parametrize("home", ["nobody", "a file", "read-only"])
def test_who_has_no_home_counts_beside_the_runs(home, tmp_path, monkeypatch):
    monkeypatch.delenv("ASSAY_LEDGER")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    if home == "nobody":

        def unknown():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", unknown)
    elif home == "a file":
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "file" / "below"))
    else:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert ledger_path() == Path("results") / "runs" / "trials.sqlite"
    assert f"it stands in {tmp_path / 'out'}" in ledger_beside(tmp_path / "out")
    assert ledger_path() == tmp_path / "out" / "trials.sqlite"
    assert ledger_beside(tmp_path / "elsewhere") == ""  # it has a place now
    assert append_entry("look", "a", {"b": 1})
    assert len(entries("look")) == 1


def test_a_ledger_that_cannot_be_written_is_still_the_one_that_counts(tmp_path, monkeypatch):
    monkeypatch.delenv("ASSAY_LEDGER")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    append_entry("look", "a", {})
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)
    assert ledger_beside(tmp_path / "out") == ""
    assert ledger_path() == tmp_path / "assay" / "trials.sqlite"


def test_a_ledger_whose_maker_was_stopped_before_the_first_entry_is_an_empty_one(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path))
    (tmp_path / "trials.sqlite").touch()  # what SQLite leaves of one that may not grow, or whose maker was killed
    assert entries("seal") == []
    assert read_trials().count == 0
    assert verify().entries == 0
    assert merge_ledger(tmp_path / "trials.sqlite", path=tmp_path / "other.sqlite") == 0
    assert append_entry("look", "a", {})
    assert len(entries("look")) == 1


def test_no_ledger_is_no_trials():
    assert read_trials().count == 0
    assert read_trials(panel()).count == 0
    assert not ledger_path().exists()
    assert verify().entries == 0


def test_a_damaged_ledger_is_reported_and_left_alone():
    path = ledger_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not a database, but somebody's years of work" * 100)
    before = path.read_bytes()
    for action in (read_trials, lambda: register([record(0.1)], "p"), verify):
        with pytest.raises(InputError, match="damaged"):
            action()
    assert path.read_bytes() == before


def test_a_newer_ledger_is_refused():
    register([record(0.1)], "p")
    with sqlite3.connect(ledger_path()) as connection:
        connection.execute("pragma user_version = 9")
    with pytest.raises(InputError, match="newer version"):
        read_trials()


class TestChain:
    def filled(self) -> Path:
        register([record(0.1 * k, f"run-{k}", k) for k in range(1, 6)], panel())
        append_entry("look", "somebody", {"run": "x"})
        return ledger_path()

    def test_it_holds_and_says_its_head(self):
        self.filled()
        found = verify()
        assert found.broken == ()
        assert found.entries == 7
        assert len(found.head) == 64
        assert [entry.body["run"] for entry in entries("look")] == ["x"]
        assert not append_entry("look", "somebody", {"run": "y"})

    @pytest.mark.parametrize("column", ["kind", "key", "body", "data", "created", "previous", "digest"])
    def test_one_edited_value_is_found(self, column):
        with sqlite3.connect(self.filled()) as connection:
            (value,) = connection.execute(f"select {column} from entries where seq = 3").fetchone()
            changed = value[:-2] + (b"\x01" if isinstance(value, bytes) else "~") + value[-1:]
            connection.execute(f"update entries set {column} = ? where seq = 3", (changed,))
        assert "entry" in verify().broken[0]

    @pytest.mark.parametrize("seq", [1, 4, 7])
    def test_a_removed_entry_is_found(self, seq):
        with sqlite3.connect(self.filled()) as connection:
            connection.execute("delete from entries where seq = ?", (seq,))
        assert any("missing" in line for line in verify().broken)

    def test_exported_and_merged_again(self, tmp_path, monkeypatch):
        self.filled()
        copy = tmp_path / "copy.sqlite"
        assert export_ledger(copy) == 7
        with pytest.raises(InputError, match="there already"):
            export_ledger(copy)
        monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "team.sqlite"))
        longer = PricePanel(panel().close.iloc[5:])
        register([record(0.9, "theirs", 9)], longer)
        assert merge_ledger(copy) == 7
        assert merge_ledger(copy) == 0
        assert verify().broken == ()
        # The markets of both are recognised as one.
        assert read_trials(panel()).count == read_trials(longer).count == 6

    def test_a_broken_chain_is_not_merged(self, tmp_path, monkeypatch):
        path = self.filled()
        with sqlite3.connect(path) as connection:
            connection.execute("update entries set body = '{}' where seq = 2")
        monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "team.sqlite"))
        with pytest.raises(InputError, match="nothing was merged"):
            merge_ledger(path)


def old_ledger(path: Path) -> None:
    """As the first version wrote it."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table trials (fingerprint text primary key, prices text not null, family text not null, name text"
            " not null, recipe text not null, created text not null default current_timestamp)"
        )
        connection.execute(
            "create table members (trial text not null, member text not null, sessions integer not null, first_session"
            " text, last_session text, days blob not null, returns blob not null, primary key (trial, member))"
        )
        for number, bps in enumerate((0.0, 5.0)):
            recipe = {"strategy": "s2", "costs": {"commission_bps": bps}, "execution": {"delay": 1}}
            text = to_json({"recipe": recipe, "predictions": None})
            connection.execute(
                "insert into trials (fingerprint, prices, family, name, recipe) values (?, 'p', ?, 's2', ?)",
                (str(number), "strategies.ranked", text),
            )
            returns = series(number)
            days = returns.index.to_numpy(dtype="datetime64[D]").astype("<i4").tobytes()
            connection.execute(
                "insert into members values (?, 'run', 50, '', '', ?, ?)",
                (str(number), days, returns.to_numpy(dtype="<f8").tobytes()),
            )


def test_a_ledger_of_the_first_version_is_read(tmp_path):
    old_ledger(tmp_path / "trials.sqlite")
    assert adopt(tmp_path / "trials.sqlite") == 2
    assert merge_ledger(tmp_path / "trials.sqlite") == 0
    found = read_trials("p")
    assert found.count == 1  # costs are scenarios now
    assert found.table["family"].tolist() == ["ranked"]
    pd.testing.assert_series_equal(found.returns.iloc[:, 0], series(0), check_names=False, check_freq=False)


def test_an_old_ledger_in_the_place_of_the_new_says_what_to_do(tmp_path, monkeypatch):
    old_ledger(tmp_path / "trials.sqlite")
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path))
    with pytest.raises(InputError, match="runs trials --merge"):
        read_trials("p")


def _write_many(start):
    register([record(i / 1000, f"run-{i}", i) for i in range(start, start + 25)], "p")


def test_two_processes_lose_nothing():
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(start,)) for start in (0, 25, 10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert read_trials("p").count == 50
    assert verify().broken == ()
