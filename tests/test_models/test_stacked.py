"""Networks trained side by side are those trained one after another."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from assay.data.errors import InputError, TrainingError
from assay.data.panel import PricePanel
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.lstm.fitting import FittedLSTM
from assay.models.lstm.loops import back_normed, back_over_steps, normed, over_steps, stepped
from assay.models.lstm.masks import DropoutMasks, _is_torch_s, _stream, draw_each, draw_kept
from assay.models.lstm.recurrence import lstm_states
from assay.models.lstm.stacked import _answers, _Loops, _losses, _stacks, _Training, constants, train_together
from assay.models.lstm.training import TrainingSchedule, deterministic
from assay.models.lstm.windows import piece_ranges
from assay.models.nse_price import PriceLSTM


def stacked_benchmark() -> ModuleType:
    """The benchmark by its path: other people's packages install a folder of that name."""
    path = Path(__file__).parents[2] / "benchmarks" / "stacked.py"
    spec = importlib.util.spec_from_file_location("stacked_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def market() -> PricePanel:
    """Four assets, one with a hole and one that starts late: batches of different number and size."""
    prices, _ = synthetic_market(150, 4, seed=4)
    frames = {name: getattr(prices, name).copy() for name in prices.fields}
    for frame in frames.values():
        frame.iloc[60:70, 1] = np.nan
        frame.iloc[:40, 2] = np.nan
    return PricePanel(**frames)


PRICES = market()


def both(**settings: object) -> tuple[FittedLSTM, FittedLSTM]:
    given = {"per_asset": True, "epochs": 3, **settings}
    return tuple(
        load_model("nse_price", preset="tiny", **given, stacked=stacked).fit(PRICES, horizon=1, delay=1, seed=3)
        for stacked in (False, True)
    )  # type: ignore[return-value]


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.3, "dense_dropout": 0.2},
        {"windowed": True, "batch_size": 32, "use_batch_norm": False, "clip": 0.5, "weight_decay": 1e-3, "l2": 0.0},
        {"epochs": 14, "patience": 2, "min_delta": 0.01, "learning_rate": 0.006, "relative_min_delta": True},
    ],
)
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_losses_weights_and_stops_are_those_of_each_asset_alone(
    settings: dict[str, object], compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.models.lstm.stacked._MANY", 0 if compiled else 10**9)
    alone, together = both(**settings)
    one, two = (pd.DataFrame(fit.training_log["epochs"]) for fit in (alone, together))
    assert one[["asset", "epoch", "best"]].equals(two[["asset", "epoch", "best"]])
    assert set(one.columns) == set(two.columns)
    for column in set(one.columns) - {"asset", "epoch", "best"}:
        np.testing.assert_allclose(two[column], one[column], atol=1e-5, rtol=1e-5, err_msg=column)
    for asset, weights in alone.networks.items():
        for name, values in weights.items():
            if not name.endswith("num_batches_tracked"):
                np.testing.assert_allclose(together.networks[asset][name], values, atol=2e-4, err_msg=name)
    np.testing.assert_allclose(together.predict(PRICES).score, alone.predict(PRICES).score, atol=1e-4)
    if "patience" in settings:
        assert one.groupby("asset").size().nunique() > 1  # they stopped at different epochs
    assert together.training_log["rows"] == alone.training_log["rows"]


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_in_float64_nothing_is_left_of_the_difference(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.models.lstm.stacked._MANY", 0 if compiled else 10**9)
    recipe = load_model("nse_price", preset="tiny", per_asset=True, epochs=4, patience=2)
    schedule = TrainingSchedule(4, 2, 0.0, False, 1e-2, 0.0, 0.5, 32)
    benchmark = stacked_benchmark()
    every = benchmark.members(recipe, 90, 3, np.float64)
    with deterministic(0):
        together = train_together(recipe, *every, schedule)
    apart = benchmark.alone(recipe, every, schedule, lambda network: None)
    for own, expected in zip(together, apart, strict=True):
        np.testing.assert_allclose(benchmark.losses(own.history, 4), expected, rtol=1e-11)


def test_loops_of_lstms_are_torch_s() -> None:
    torch.manual_seed(2)
    lstm = torch.nn.LSTM(3, 5, batch_first=True).double()
    inputs, ahead = 20.0 * torch.randn(5, 4, 3, dtype=torch.float64), torch.randn(5, 4, 5, dtype=torch.float64)
    inputs.requires_grad_()  # gates up to saturation
    states, _ = lstm(inputs)
    (states * ahead).sum().backward()
    kernels = [lstm.weight_ih_l0.T[None], lstm.weight_hh_l0.T[None], (lstm.bias_ih_l0 + lstm.bias_hh_l0)[None]]
    expected = [inputs.grad, lstm.weight_ih_l0.grad.T, lstm.weight_hh_l0.grad.T, lstm.bias_ih_l0.grad]  # type: ignore[union-attr]

    read = [part.detach().numpy().copy() for part in (inputs.transpose(0, 1)[None], *kernels)]
    kept = [np.empty((1, 4, 5, width)) for width in (20, 5, 5)]
    scales = constants(5, 5, np.dtype(float))
    over_steps(*read, tuple(kept), scales)
    np.testing.assert_allclose(kept[1][0].transpose(1, 0, 2), states.detach(), rtol=1e-11, atol=1e-13)
    out = [np.zeros_like(part) for part in read]
    back_over_steps(ahead.transpose(0, 1)[None].numpy(), *read[:3], tuple(kept), scales, tuple(out))
    by_torch = [torch.from_numpy(part).requires_grad_() for part in read]
    again = lstm_states(by_torch[0], tuple(by_torch[1:]))
    (again[0].transpose(0, 1) * ahead).sum().backward()
    for grads in (out, [part.grad for part in by_torch]):
        assert_same(grads[0][0].transpose(0, 1) if isinstance(grads[0], torch.Tensor) else grads[0][0].swapaxes(0, 1),
                    expected[0])  # fmt: skip
        for own, grad in zip(grads[1:], expected[1:], strict=True):
            assert_same(own[0], grad)
    data = (torch.from_numpy(read[0]), *(torch.from_numpy(part).requires_grad_() for part in read[1:]))
    with counted_products() as products:
        (lstm_states(data[0], data[1:])[0].transpose(0, 1) * ahead).sum().backward()
    assert products == [4 + 2]  # a step each, and of both kernels: nobody reads a gradient of data
    assert_same(data[1].grad, by_torch[1].grad)  # type: ignore[arg-type]


@contextmanager
def counted_products() -> Iterator[list[int]]:
    """How often `torch.bmm` is called."""
    calls, bmm = [0], torch.bmm

    def counted(*args: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        return bmm(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "bmm", counted)
        yield calls


def assert_same(own: np.ndarray | torch.Tensor, other: torch.Tensor | None) -> None:
    np.testing.assert_allclose(own, other, rtol=1e-10, atol=1e-12)


def test_loops_of_normalisation_are_torch_s() -> None:
    torch.manual_seed(2)
    norm, sizes = torch.nn.BatchNorm1d(3, eps=1e-3).double(), np.array([3, 0])
    values = torch.randn(2, 6, 4, 3, dtype=torch.float64, requires_grad=True)
    masks = torch.randint(0, 2, (2, 4, 6, 3)).double() * 2.0
    ahead = torch.randn(6, 3, 3, dtype=torch.float64)
    torch.nn.init.uniform_(norm.weight)
    answer = norm(values[0, :, :3].reshape(-1, 3)).reshape(6, 3, 3) * masks[0, :3].transpose(0, 1)
    (answer * ahead).sum().backward()

    trained = [part.detach().expand(2, 3).numpy().copy() for part in (norm.weight, norm.bias)]
    moments, kept = (np.zeros((2, 3)), np.ones((2, 3))), np.empty((2, 2, 3))
    given, out = values.detach().numpy(), np.empty((2, 6, 4, 3))
    normed(given, sizes, masks.numpy(), tuple(trained), moments, np.array([0.1, 1e-3]), out, kept)
    assert_same(out[0, :, :3], answer.detach())
    assert_same(moments[0][0], norm.running_mean)
    assert_same(moments[1][0], norm.running_var)
    above, grads = np.ones((2, 6, 4, 3)), (np.empty_like(given), np.empty((2, 3)), np.empty((2, 3)))
    above[0, :, :3] = ahead
    back_normed(above, given, sizes, masks.numpy(), trained[0], kept, grads)
    assert_same(grads[0], values.grad)
    assert_same(grads[1][0], norm.weight.grad)
    assert_same(grads[2][0], norm.bias.grad)
    assert not out[1].any()
    assert (moments[1][1] == 1.0).all()  # no pieces, no moments


def test_the_loop_of_adam_is_torch_s() -> None:
    torch.manual_seed(2)
    weight = torch.randn(2, 7, dtype=torch.float64)
    alone = torch.nn.Parameter(weight[0].clone())
    adam = torch.optim.Adam([alone], lr=0.01, weight_decay=0.1)
    own, first, second = weight.numpy().copy(), np.zeros((2, 7)), np.zeros((2, 7))
    for step in range(1, 5):
        grads = torch.randn(2, 7, dtype=torch.float64)
        alone.grad = grads[0]
        adam.step()
        rate, root = 0.01 / (1.0 - 0.9**step), (1.0 - 0.999**step) ** 0.5
        by_asset = np.array([True, False]), np.array([rate, rate]), np.array([root, root])
        stepped(own, grads.numpy(), first, second, by_asset, np.array([0.1, 0.001, 1e-8, 0.1]))
    assert_same(own[0], alone.detach())
    assert (own[1] == weight[1].numpy()).all()  # takes no part


def halved(values: torch.Tensor, chance: float, sizes: list[int]) -> torch.Tensor:
    assets, steps, rows, width = values.shape
    return torch.full((assets, rows, steps, width), 0.5, dtype=torch.float64)


@pytest.fixture
def plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops as Python runs them."""
    monkeypatch.setattr("assay.models.lstm.stacked.compiled_loop", lambda loop: loop)
    monkeypatch.setattr("assay.models.lstm.masks._loop", lambda: draw_each)


def tiny(**settings: object) -> PriceLSTM:
    given = {"units": 3, "dense": 2, "lookback": 3, "chunk": 2, "batch_size": 8, "huber_delta": 0.2, **settings}
    return load_model("nse_price", preset="tiny", per_asset=True, dropout=0.3, dense_dropout=0.2, **given)


@pytest.mark.parametrize("normed", [True, False])
def test_the_loops_of_a_step_are_those_of_torch(normed: bool, plain_loops: None) -> None:
    recipe = tiny(use_batch_norm=normed)
    schedule = TrainingSchedule(1, 2, 0.0, False, 1e-2, 0.1, 0.02, 8)  # with decay, and a norm of gradients that binds
    members, rows = stacked_benchmark().members(recipe, 26, 3, np.float64)
    results = []
    for by_loops in (False, True):
        training = _Training(recipe, members, rows, schedule, False)
        batches = training._batches(rows.train, 8, shuffled=True)
        weights, adam, losses = training.weights, training.adam, []
        loops, rates = _Loops(recipe, weights, adam, schedule.clip), torch.full((3,), 1e-2, dtype=torch.float64)
        how = replace(training.how, masks=halved)
        for _ in range(2):
            batch = next(batches)
            batch.sizes[1], batch.pieces[1], batch.mask[1] = 0, 0.0, 0.0  # one has no more rows
            if by_loops:
                losses += [part.clone() for part in loops.learn(batch, halved, rates)]
                answers, *judged = loops.judge(batch)
            else:
                found = _losses(recipe, weights, _answers(recipe, weights, batch, how), batch)
                sum(found).sum().backward()
                losses += [part.detach() for part in found]
                adam.step(weights, rates, torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64), schedule.clip)
                answers = _answers(recipe, weights, batch, training.how)
                judged = list(_losses(recipe, weights, answers, batch))
            seen = batch.pieces[:, None] * answers.detach()
            losses += [part.detach()[[0, 2]] for part in (seen, *judged)]
        results.append((losses, weights, adam))
    for own, other in zip(results[1][0], results[0][0], strict=True):
        assert_same(own[[0, -1]], other[[0, -1]])
    for name, weight in results[0][1].items():
        if name != "num_batches_tracked":
            assert_same(results[1][1][name].detach(), weight.detach())
    for moments in ("first", "second"):
        for name, own in getattr(results[1][2], moments).items():
            assert_same(own, getattr(results[0][2], moments)[name])


def test_a_step_beside_an_asset_with_more_pieces_leaves_the_same_bits(plain_loops: None) -> None:
    recipe, schedule = tiny(), TrainingSchedule(1, 2, 0.0, False, 1e-2, 0.0, 0.5, 8)
    members, rows = stacked_benchmark().members(recipe, 26, 2, np.float32)
    ranges = piece_ranges(*rows.train, recipe.steps)
    results = []
    for count in (2, 1):
        training = _Training(recipe, members[:count], rows, schedule, False)
        drawn = [[(np.full(size, k), ranges[:size])] for k, size in zip(range(count), (5, 6), strict=False)]
        batch = next(_stacks(rows.rows, drawn, rows.train[1]))
        loops = _Loops(recipe, training.weights, training.adam, schedule.clip)
        masks = DropoutMasks([torch.Generator().manual_seed(k) for k in range(count)], compiled=False)
        losses = loops.learn(batch, partial(masks.draw, range(count)), torch.full((count,), 1e-2).double())
        room = loops.room
        answers, *judged = loops.judge(batch)
        assert loops.room is room  # what a step was given is enough to judge
        afresh = _Loops(recipe, training.weights, training.adam, schedule.clip)
        assert torch.equal(afresh.judge(batch)[0], answers)
        assert afresh.shape[2] == 4  # for that it needs room for four pieces, whatever the batch
        results.append([*training.weights.values(), answers[..., :5], *losses, *judged])
    for beside, alone in zip(*results, strict=True):
        assert torch.equal(beside[:1], alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"windowed": True, "use_batch_norm": False, "clip": 0.5, "weight_decay": 1e-3, "l2": 0.0, "units": 9},
        {"batch_size": 128, "patience": 1, "min_delta": 0.02},
    ],
)  # fmt: skip
def test_compiled_a_stack_of_one_and_a_stack_of_many_leave_the_same_bits(settings: dict[str, object]) -> None:
    prices, _ = synthetic_market(400, 7, seed=4)
    frames = {name: getattr(prices, name).copy() for name in prices.fields}
    for frame in frames.values():
        frame.iloc[160:170, 1] = np.nan
        frame.iloc[:90, 2] = np.nan
        frame.iloc[:137, 4] = np.nan
    assert_bits(load_model("nse_price", stacked=True, epochs=8, **settings), PricePanel(**frames))


def assert_bits(recipe: PriceLSTM, prices: PricePanel) -> None:
    together = recipe.fit(prices, horizon=1, delay=1, seed=3)
    histories = pd.DataFrame(together.training_log["epochs"])
    for asset in prices.assets:
        alone = recipe.fit(prices.select([asset]), horizon=1, delay=1, seed=3)
        own = histories[histories["asset"] == asset].reset_index(drop=True)
        pd.testing.assert_frame_equal(pd.DataFrame(alone.training_log["epochs"]), own, check_exact=True)
        for name, values in alone.networks[asset].items():
            assert np.array_equal(together.networks[asset][name], values), name


def test_masks_are_those_that_torch_draws() -> None:
    if not _is_torch_s():
        pytest.skip("this build of torch draws in another way, and draws its masks itself")
    generator = torch.Generator().manual_seed(9)
    torch.empty(17).normal_(generator=generator)  # somewhere within a block
    words, place = _stream(generator)
    for size in (3, 700):
        own = np.empty(size)
        draw_kept(own, 0.7 * 2.0**53, np.ones(1), words, place, np.empty(2 * size, np.uint32))
        assert (own == torch.empty(size).bernoulli_(0.7, generator=generator).numpy()).all()


def test_each_network_s_masks_are_drawn_from_its_own_generator(plain_loops: None) -> None:
    values, draws = torch.empty(2, 3, 2, 5), []
    for compiled in (False, True):
        generators = [torch.Generator().manual_seed(seed) for seed in (4, 5, 6)]
        masks = DropoutMasks(generators, compiled=compiled)
        draws.append([masks.draw([0, 2], values, 0.3, sizes) for sizes in ([2, 1], [0, 2])])
    for own, other in zip(*draws, strict=True):
        assert torch.equal(own, other)
    assert not draws[1][1][0].any()


def test_threads_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.models.lstm.stacked.STACK", 2)
    recipe = load_model("nse_price", preset="tiny", per_asset=True, stacked=True, epochs=2)
    fits = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        fits.append(recipe.fit(PRICES, horizon=1, delay=1, seed=3))
    assert fits[0].training_log == fits[1].training_log
    for asset, weights in fits[0].networks.items():
        assert all(np.array_equal(values, fits[1].networks[asset][name]) for name, values in weights.items())


def test_an_asset_does_not_know_who_else_is_there() -> None:
    recipe = load_model("nse_price", preset="tiny", per_asset=True, stacked=True, epochs=2)
    four = recipe.fit(PRICES, horizon=1, delay=1, seed=3)
    two = recipe.fit(PRICES.select(["S001", "S003"]), horizon=1, delay=1, seed=3)
    for name, values in two.networks["S003"].items():
        np.testing.assert_allclose(four.networks["S003"][name], values, atol=1e-6)


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(InputError, match="per_asset together"):
        load_model("nse_price", stacked=True, per_asset=False)
    with pytest.raises(InputError, match="refit"):
        load_model("nse_price", stacked=True, refit=True)
    with pytest.raises(InputError, match="no asset has enough"):
        tiny(stacked=True).fit(PRICES.select(["S002"]).through(PRICES.sessions[55]), horizon=1, delay=1, seed=3)
    wild = replace(load_model("nse_price", preset="tiny", per_asset=True, stacked=True), learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"nse_price, S\d+: the loss became .* at learning rate"):
        wild.fit(PRICES, horizon=1, delay=1, seed=3)


@pytest.mark.slow
def test_stacked_passes_the_contract() -> None:
    from assay.models.contract import check_forecaster

    model = load_model("nse_price", preset="tiny", per_asset=True, stacked=True)
    assert "causality" in check_forecaster(model)
