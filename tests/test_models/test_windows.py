"""Windows, splits, scalers: each row counted once, nothing copied out, nothing fit beyond its rows."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.lstm.batches import TrainingRows
from assay.models.lstm.purge import split_rows
from assay.models.lstm.scaling import fit_scaler
from assay.models.lstm.windows import Pieces, complete_rows, piece_ranges


@given(
    n=st.integers(10, 400), first=st.integers(0, 120), horizon=st.integers(1, 10), delay=st.integers(1, 4),
    share=st.floats(0.05, 0.6),
)  # fmt: skip
def test_no_training_label_reaches_into_validation(n: int, first: int, horizon: int, delay: int, share: float) -> None:
    try:
        split = split_rows(n, first, horizon=horizon, delay=delay, validation=share)
    except InputError as error:
        needed = int(re.search(r"at least (\d+) sessions", str(error)).group(1))
        assert needed > n
        split_rows(needed, first, horizon=horizon, delay=delay, validation=share)  # what it asks for is enough
        return
    last_label_known = split.train_end - 1 + delay + horizon
    assert last_label_known < split.validation_start
    assert split.validation_start - split.train_end == delay + horizon == split.purge
    assert split.validation_end - 1 + delay + horizon == n - 1
    assert split.train_start == first


@given(start=st.integers(0, 50), size=st.integers(1, 200), steps=st.integers(1, 40), data=st.data())
def test_pieces_cover_each_row_once(start: int, size: int, steps: int, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, steps - 1))
    ranges = piece_ranges(start, start + size, steps, min(offset, size - 1))
    rows = np.concatenate([np.arange(low, high) for low, high in ranges])
    assert rows.tolist() == list(range(start, start + size))
    assert (ranges[:, 1] - ranges[:, 0]).max() <= steps


def test_a_gathered_piece_is_the_window_that_slicing_gives() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((4, 60 + 6, 3)).astype(np.float32)
    pieces = Pieces(inputs, lookback=9, steps=6)
    assets, rows = np.array([0, 3, 3, 1]), np.array([8, 20, 59, 31])
    expected = np.stack([inputs[i, t - 8 : t + 6] for i, t in zip(assets, rows, strict=True)])
    np.testing.assert_array_equal(pieces.gather(assets, rows), expected)
    assert np.shares_memory(pieces.view(), inputs)
    assert not pieces.view().flags.writeable
    with pytest.raises(InputError, match="fewer than the lookback of 100"):
        Pieces(inputs, 100, 6).view()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), steps=st.sampled_from([1, 4, 7]), dated=st.booleans(), shuffled=st.booleans())
def test_an_epoch_shows_each_usable_row_once(seed: int, steps: int, dated: bool, shuffled: bool) -> None:
    rng = np.random.default_rng(seed)
    N, T, L = 3, 50, 5
    usable = np.zeros((N, T + steps), dtype=bool)
    usable[:, L - 1 : T] = rng.random((N, T - L + 1)) < 0.7
    stamps = np.arange(N * (T + steps), dtype=np.float32).reshape(N, T + steps, 1)
    inputs = np.zeros((N, T + steps, 2), dtype=np.float32)
    inputs[..., 0] = stamps[..., 0]
    sample = TrainingRows(Pieces(inputs, L, steps), stamps, usable, np.ones((N, T + steps), np.float32), dated)
    seen: list[float] = []
    for batch in sample.epoch(10, 41, 16, rng if shuffled else None):
        # The label's stamp is that of the last input it may read: step k of a piece ends at row k.
        kept = batch.mask.numpy()
        np.testing.assert_array_equal(batch.inputs[:, -steps:, 0].numpy()[kept], batch.targets[..., 0].numpy()[kept])
        assert (batch.inputs[..., 0].numpy() % (T + steps)).max() <= 40  # no input from beyond the range
        seen += batch.targets[..., 0][batch.mask].tolist()
    expected = stamps[..., 0][:, 10:41][usable[:, 10:41]]
    assert sorted(seen) == sorted(expected.tolist())


def test_oversampling_shows_rare_rows_as_often_as_common_ones() -> None:
    N, T = 1, 2000
    rare = np.arange(T) % 20 == 0
    weights = np.where(rare, 10.0, 10.0 / 19.0).astype(np.float32)[None]
    targets = rare.astype(np.float32)[None, :, None]
    padded = [np.concatenate([a, a[:, :1]], axis=1) for a in (weights, targets, np.ones((N, T), dtype=bool))]
    sample = TrainingRows(Pieces(padded[1], 1, 1), padded[1], padded[2], padded[0], oversample=True)
    batches = list(sample.epoch(0, T, 64, np.random.default_rng(0)))
    drawn = np.concatenate([batch.targets.numpy().ravel() for batch in batches])
    assert len(drawn) == T
    assert 0.45 < drawn.mean() < 0.55
    assert all((batch.weights == 1).all() for batch in batches)
    in_order = list(sample.epoch(0, T, 64))
    assert np.concatenate([batch.targets.numpy().ravel() for batch in in_order]).mean() == pytest.approx(0.05)


@pytest.mark.parametrize("windowed", [True, False])
def test_scoring_never_holds_all_windows(windowed: bool) -> None:
    """Arrays stay within three feature panels and a batch; all windows at once would be 60 panels."""
    prices, _ = synthetic_market(900, 60, seed=0)
    model = load_model("stock_lstm", preset="tiny", epochs=1, lookback=60, windowed=windowed)
    fitted = model.fit(synthetic_market(200, 5, seed=1)[0], horizon=1, delay=1, seed=0)
    panel = 900 * 60 * 14 * 4
    batch = 4 * 512 * (60 + model.steps) * 14
    tracemalloc.start()
    scores = fitted.predict(prices).score.to_numpy()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(scores[100:]).all()
    assert peak < 3 * panel + batch
    assert 60 * panel > 10 * peak


def test_complete_rows_by_brute_force() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((40, 3, 2))
    values[rng.random(values.shape) < 0.03] = np.nan
    out = complete_rows(values, 6)
    for t in range(40):
        for i in range(3):
            assert out[t, i] == (t >= 5 and np.isfinite(values[t - 5 : t + 1, i]).all())
    assert not complete_rows(values[:4], 6).any()


def test_scalers_against_scikit_learn() -> None:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    rng = np.random.default_rng(2)
    values = rng.normal(5, 3, (50, 4, 2))
    flat = values.reshape(-1, 2)
    ours = fit_scaler(values).inputs(values)
    np.testing.assert_allclose(ours.transpose(1, 0, 2).reshape(-1, 2), StandardScaler().fit_transform(flat), rtol=1e-5)
    own = fit_scaler(values, "minmax", per_asset=True)
    for i in range(4):
        expected = MinMaxScaler().fit_transform(values[:, i])
        np.testing.assert_allclose(own.inputs(values)[i], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(own.restore(own.inputs(values, padding=3)[:, :50, 1].T, 1), values[..., 1], rtol=1e-5)


def test_a_constant_and_an_unknown_feature_do_no_harm() -> None:
    values = np.full((10, 2, 1), 7.0)
    values[:, 1] = np.nan
    scaler = fit_scaler(values, per_asset=True)
    assert scaler.scale[0, 0] == 1.0
    assert np.isnan(scaler.centre[1, 0])
    assert np.abs(scaler.inputs(values)).max() == 0.0
    assert fit_scaler(values, clip=2.0).inputs(np.full((1, 1, 1), 1e9)).item() == 2.0
    with pytest.raises(InputError, match="kind must be"):
        fit_scaler(values, "robust")
