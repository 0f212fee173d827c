"""The price networks of many assets trained side by side: one pass over stacked weights instead of a pass an asset.

A small network spends its time on starting operations, not on numbers: those of a stack are started once, its numbers
are the work of compiled loops (`loops.py`), and several stacks are trained at once, a thread a core. Each asset keeps
what it would have alone: its seed and start, the order of its rows, its dropout masks, its learning rate, its early
stop. The compiled loops go asset by asset over its own pieces, so a stack of one and a stack of a hundred leave the
same bits. Beside torch's own LSTM the order of sums differs: in float64 all losses agree to 1e-9; in float32 they part
further in some assets, as those of one asset alone do when its start moves by a rounding (`benchmarks/stacked.py`
shows all three).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import zip_longest
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from assay.data.compiling import has_numba
from assay.data.errors import TrainingError
from assay.models.base import epoch_ended
from assay.models.lstm.batches import TrainingRows
from assay.models.lstm.loops import compiled_loop, judge, learn, padded
from assay.models.lstm.masks import DropoutMasks
from assay.models.lstm.recurrence import arrays_of, lstm_states
from assay.models.lstm.scoring import score_rows
from assay.models.lstm.training import TrainingSchedule, improved

if TYPE_CHECKING:
    from assay.models.nse_price import PriceLSTM

__all__ = ["Member", "StackedRows", "TrainedMember", "constants", "in_threads", "room_for", "scored",
           "train_together"]  # fmt: skip

_MOMENTUM, _EPS = 0.1, 1e-3  # of the networks' batch normalisation
_BETAS, _ADAM_EPS = (0.9, 0.999), 1e-8
#: Members of a stack: enough that starting operations is little of a step's time.
STACK = 25
#: Rows of an asset times epochs from which loops are worth compiling, or reading from the cache of compiled ones. It is
#: not asked how many assets there are, so that none knows.
_MANY = 2_000
Weights = dict[str, Tensor]
#: Positions of the assets and row ranges of each batch.
_Drawn = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Member:
    """One asset's part: its name, its seed and its position in the rows."""

    name: str
    seed: int
    asset: int


@dataclass(frozen=True, eq=False)
class StackedRows:
    """The rows of all assets, and the ranges of them that train and validate."""

    rows: TrainingRows
    train: tuple[int, int]
    validation: tuple[int, int]


@dataclass(eq=False)
class TrainedMember:
    """What the training of one asset left: an entry an epoch, the best epoch, and its weights as a state dict."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best: float = math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)


def _lstm(inputs: Tensor, weights: Weights, name: str) -> Tensor:
    """(A, S, B, F) → (A, S, B, H)."""
    bias = weights[f"{name}.lstm.bias_ih_l0"] + weights[f"{name}.lstm.bias_hh_l0"]
    return lstm_states(inputs, (weights[f"{name}.lstm.weight_ih_l0"], weights[f"{name}.lstm.weight_hh_l0"], bias))


def _product(values: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Each asset's (S, B, F) by its kernel (O, F), plus its bias, (A, S, B, O)."""
    flat = torch.baddbmm(bias.unsqueeze(1), values.flatten(1, 2), kernel.transpose(1, 2))
    return flat.reshape(*values.shape[:3], -1)


def _dropped(values: Tensor, weights: Weights, name: str, chance: float, batch: _Stack | None, how: _How) -> Tensor:
    """States (A, S, B, H) normalised by asset over the pieces of the batch, if they are, and then dropped at random.

    Without a batch they are normalised by the running moments, and nothing is dropped.
    """
    if f"{name}.norm.weight" in weights:
        values = _normed(values, weights, name, None if batch is None else batch.pieces)
    if batch is None or how.masks is None:
        return values
    return values * how.masks(values, chance, batch.sizes).transpose(1, 2)


def _normed(values: Tensor, weights: Weights, name: str, pieces: Tensor | None) -> Tensor:
    """Batch normalisation by asset over its real pieces, (A, B) of 0 and 1; running moments where `pieces` is None."""
    mean, variance = weights[f"{name}.norm.running_mean"], weights[f"{name}.norm.running_var"]
    if pieces is not None:
        size = pieces.sum(dim=1, keepdim=True) * values.shape[1]
        count = size.clamp(min=1.0)  # an asset that has no more rows takes part with none
        kept = pieces[:, None, :, None]
        own_mean = (values * kept).sum(dim=(1, 2)) / count
        off = (values - own_mean[:, None, None]) * kept
        own_variance = (off * off).sum(dim=(1, 2)) / count
        with torch.no_grad():
            there = (size > 0).to(values.dtype)
            mean += there * _MOMENTUM * (own_mean - mean)
            unbiased = own_variance * count / (count - 1.0).clamp(min=1.0)
            variance += there * _MOMENTUM * (unbiased - variance)
        mean, variance = own_mean, own_variance
    scale = weights[f"{name}.norm.weight"] / torch.sqrt(variance + _EPS)
    shift = weights[f"{name}.norm.bias"] - mean * scale
    return values * scale[:, None, None] + shift[:, None, None]


def _answers(recipe: PriceLSTM, weights: Weights, batch: _Stack, how: _How) -> Tensor:
    """(A, steps, B), as `assay.models.lstm.networks.PriceNetwork` answers; it learns where `how` draws masks."""
    trained = batch if how.masks is not None else None

    def linear(values: Tensor, name: str) -> Tensor:
        return _product(values, weights[f"{name}.weight"], weights[f"{name}.bias"])

    states = _lstm(batch.inputs, weights, "first")
    first = _dropped(states, weights, "first", recipe.dropout, trained, how)
    states = _lstm(first, weights, "second")[:, -how.steps :]
    second = _dropped(states, weights, "second", recipe.dropout, trained, how)
    dense = functional.relu(linear(second, "dense.0"))
    if how.masks is not None:
        dense = dense * how.masks(dense, recipe.dense_dropout, batch.sizes).transpose(1, 2)
    return linear(dense, "dense.3")[..., 0]


def _losses(recipe: PriceLSTM, weights: Weights, answers: Tensor, batch: _Stack) -> tuple[Tensor, Tensor]:
    """Mean Huber loss of each asset's rows and its penalty, (A,) each."""
    each = functional.huber_loss(answers, batch.targets, delta=recipe.huber_delta, reduction="none")
    data = (each * batch.mask).sum(dim=(1, 2)) / batch.counts.clamp(min=1.0)
    kernels = [weights[f"{name}.lstm.weight_ih_l0"] for name in ("first", "second")]
    return data, recipe.l2 * ((kernels[0] ** 2).sum(dim=(1, 2)) + (kernels[1] ** 2).sum(dim=(1, 2)))


_LSTM = ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.bias_hh_l0", "norm.weight", "norm.bias")
#: Weights in the order in which the loops take them, and moments.
_WEIGHTS = (
    *(f"{block}.{name}" for block in ("first", "second") for name in _LSTM),
    "dense.0.weight", "dense.0.bias", "dense.3.weight", "dense.3.bias",
)  # fmt: skip
_MOMENTS = tuple(f"{block}.norm.{name}" for block in ("first", "second") for name in ("running_mean", "running_var"))


@cache
def constants(hidden: int, rows: int, dtype: np.dtype) -> tuple[np.ndarray, ...]:
    """Scales of `squash` for each gate of some rows, those for each cell, and its numbers.

    A scale is ½ for a sigmoid, as σ(x) = ½ + ½·tanh(x/2), and 1 for a tanh.
    """
    scale = np.full((rows, 4, hidden), 0.5, dtype)
    scale[:, 2] = 1.0
    numbers = (0.25, 5.0, 1.0, 2027025.0, 270270.0, 6930.0, 36.0, 945945.0, 51975.0, 630.0)
    return scale.ravel(), np.ones(rows * hidden, dtype), np.array(numbers, dtype)


def room_for(steps: int, last: int, rows: int, widths: tuple[int, int, int], kind: np.dtype) -> tuple[np.ndarray, ...]:
    """Flat memory for a pass of one asset over at most `rows` pieces; `widths` are of features, states and dense units.

    In order: inputs; gates, states and cells of both LSTMs; what is between them; gradients of that and of both their
    states; the last states before and after normalisation, and their gradients; the dense layer and its gradient.
    """
    features, hidden, dense = widths
    lstm, beside = [4 * hidden, hidden, hidden], [hidden] * 4
    sizes = [steps * width for width in (features, *lstm, *lstm, *beside)]
    sizes += [last * width for width in (*beside, dense, dense)]
    return tuple(np.empty(size * rows, kind) for size in sizes)


class _Loops:
    """The compiled loops over the memory of a stack's weights and, where they learn, of Adam's moments."""

    def __init__(self, recipe: PriceLSTM, weights: Weights, adam: _Adam | None = None, clip: float = 0.0) -> None:
        self.recipe, self.adam = recipe, adam
        nothing = weights["dense.3.bias"].new_empty((len(weights["dense.3.bias"]), 0))

        def flat(values: Weights, names: Sequence[str]) -> tuple[np.ndarray, ...]:
            return arrays_of([values.get(name, nothing).flatten(1) for name in names])

        own = flat(weights, _WEIGHTS)
        self.kind = own[0].dtype
        self.model = own, flat(weights, _MOMENTS), tuple(np.empty((1, part.shape[1]), self.kind) for part in own)
        self.moments = () if adam is None else (flat(adam.first, _WEIGHTS), flat(adam.second, _WEIGHTS))
        decay = 0.0 if adam is None else adam.decay
        rates = (_MOMENTUM, _EPS, recipe.huber_delta, recipe.l2)
        self.numbers = np.array([*rates, 1.0 - _BETAS[0], 1.0 - _BETAS[1], _ADAM_EPS, decay, clip], self.kind)
        self.shape: tuple[int, ...] = ()
        self.room: tuple[np.ndarray, ...] = ()
        self.scales: tuple[np.ndarray, ...] = ()

    def _prepare(self, batch: _Stack, most: int) -> tuple[tuple[np.ndarray, ...], np.ndarray, Tensor]:
        """The arrays of a batch and what is filled with its losses; room for `most` pieces is made where it lacks."""
        steps, last = batch.inputs.shape[1], batch.targets.shape[1]
        if (steps, last) != self.shape[:2] or most > self.shape[2]:
            widths = batch.inputs.shape[3], self.recipe.units, self.recipe.dense
            self.shape, self.room = (steps, last, most), room_for(steps, last, most, widths, self.kind)
            self.scales = (*constants(self.recipe.units, most, self.kind), self.numbers)
        losses = batch.inputs.new_empty((len(batch.sizes), 2))
        return arrays_of((batch.inputs, batch.targets, batch.mask)), np.array(batch.sizes), losses

    def learn(self, batch: _Stack, masks: _Masks, rates: Tensor) -> tuple[Tensor, Tensor]:
        """Move the weights by a step and give the losses before it, mean Huber and penalty, (A,) each."""
        if self.adam is None:
            raise TypeError("loops without Adam's moments judge; they do not learn")
        arrays, sizes, losses = self._prepare(batch, max(batch.inputs.shape[2], 4))
        drawn = []
        assets, steps, rows, _ = batch.inputs.shape
        last, dropout, states = batch.targets.shape[1], self.recipe.dropout, self.recipe.units
        for length, width, chance in (
            (steps, states, dropout), (last, states, dropout), (last, self.recipe.dense, self.recipe.dense_dropout)
        ):  # fmt: skip
            drawn.append(masks(losses.new_empty(()).expand(assets, length, rows, width), chance, batch.sizes))
        by_asset = self.adam.sizes(rates, torch.from_numpy(sizes > 0).double(), losses.dtype)
        compiled_loop(learn)(
            arrays, sizes, arrays_of(drawn), self.model, (*self.moments, arrays_of(by_asset)), self.scales, self.room,
            losses.numpy(),
        )  # fmt: skip
        return losses[:, 0], losses[:, 1]

    def judge(self, batch: _Stack) -> tuple[Tensor, Tensor, Tensor]:
        """Answers (A, steps, B), and their losses as in `learn`."""
        arrays, sizes, losses = self._prepare(batch, 4)  # it takes pieces by fours
        answers = torch.zeros_like(batch.targets)
        compiled_loop(judge)(arrays, sizes, self.model, self.scales, self.room, answers.numpy(), losses.numpy())
        return answers, losses[:, 0], losses[:, 1]


#: Draws the masks of dropout of values (A, S, B, F), with the chance of a zero and the real pieces of each asset.
_Masks = Callable[[Tensor, float, list[int]], Tensor]


@dataclass(frozen=True, eq=False)
class _How:
    """Rows that a piece answers for, and what draws masks of dropout while the networks learn."""

    steps: int
    masks: _Masks | None = None


@dataclass(frozen=True, eq=False)
class _Stack:
    """The batches of several assets as one, padded to the largest; `sizes` are their numbers of pieces.

    Inputs are (A, S, B, F), targets and mask (A, steps, B), pieces (A, B) of 0 and 1.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor
    pieces: Tensor
    sizes: list[int]

    @property
    def counts(self) -> Tensor:
        return self.mask.sum(dim=(1, 2))


def _stacks(rows: TrainingRows, drawn: Sequence[_Drawn], end: int) -> Iterator[_Stack]:
    """Each asset's next batch beside the others'; one that has no more takes part with no rows."""
    for group in zip_longest(*drawn):
        sizes = [0 if pieces is None else len(pieces[0]) for pieces in group]
        most = max(sizes)
        shape = (len(group), padded(most))
        there = np.zeros(shape, dtype=bool)
        for k, size in enumerate(sizes):
            there[k, :size] = True
        own = [pieces for pieces in group if pieces is not None]
        batch = rows.batch(np.concatenate([pieces[0] for pieces in own]), np.concatenate([p[1] for p in own]), end)
        where = torch.from_numpy(np.flatnonzero(there))

        def by_step(values: Tensor, kind: torch.dtype, shape: tuple[int, int] = shape, where: Tensor = where) -> Tensor:
            out = torch.zeros((shape[0] * shape[1], *values.shape[1:]), dtype=kind)
            out[where] = values.to(kind)
            return out.reshape(*shape, *values.shape[1:]).transpose(1, 2).contiguous()

        kind = batch.targets.dtype
        inputs, targets, mask = (by_step(v, kind) for v in (batch.inputs, batch.targets[..., 0], batch.mask))
        yield _Stack(inputs, targets, mask, torch.from_numpy(there).to(kind), sizes)


class _Adam:
    """Adam with a learning rate and a count of steps for each asset, as `torch.optim.Adam` does it one by one."""

    def __init__(self, weights: Weights, trained: Sequence[str], decay: float) -> None:
        self.first = {name: torch.zeros_like(weights[name], requires_grad=False) for name in trained}
        self.second = {name: torch.zeros_like(weights[name], requires_grad=False) for name in trained}
        self.steps = torch.zeros(len(next(iter(weights.values()))), dtype=torch.float64)
        self.decay = decay

    def sizes(self, rates: Tensor, active: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Count a step; by asset whether it takes part, its rate over the first moment's bias, the second's root."""
        self.steps += active
        counts = self.steps.clamp(min=1.0)
        size = (rates / (1.0 - _BETAS[0] ** counts) * active).to(kind)
        return active > 0, size, (1.0 - _BETAS[1] ** counts).sqrt().to(kind)

    def step(self, weights: Weights, rates: Tensor, active: Tensor, clip: float) -> None:
        grads = {name: weights[name].grad for name in self.first}
        if clip:
            squares = sum((grad**2).flatten(1).sum(dim=1) for grad in grads.values() if grad is not None)
            scale = (clip / (torch.as_tensor(squares).sqrt() + 1e-6)).clamp(max=1.0)
            grads = {name: grad * _like(scale, grad) for name, grad in grads.items() if grad is not None}
        on, size, root = self.sizes(rates, active, next(iter(self.first.values())).dtype)
        with torch.no_grad():
            for name, grad in grads.items():
                if grad is None:
                    continue
                weight, first, second = weights[name], self.first[name], self.second[name]
                grad = grad + self.decay * weight if self.decay else grad
                share = _like(on.to(grad.dtype), grad)
                first += (1.0 - _BETAS[0]) * share * (grad - first)
                second += (1.0 - _BETAS[1]) * share * (grad * grad - second)
                weight -= _like(size, grad) * first / (second.sqrt() / _like(root, grad) + _ADAM_EPS)
                weight.grad = None

    def of(self, left: list[int]) -> _Adam:
        """The moments of the assets at these places."""
        after = copy(self)
        after.first = {name: value[left] for name, value in self.first.items()}
        after.second = {name: value[left] for name, value in self.second.items()}
        after.steps = self.steps[left]
        return after


def _like(values: Tensor, other: Tensor) -> Tensor:
    return values.reshape(-1, *(1,) * (other.dim() - 1))


@dataclass(eq=False)
class _Rates:
    """The learning rate of one asset: halved after 5 epochs without a loss lower by one in ten thousand."""

    scheduler: torch.optim.lr_scheduler.ReduceLROnPlateau

    @classmethod
    def at(cls, rate: float) -> _Rates:
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
        return cls(torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=5, min_lr=1e-6))

    @property
    def now(self) -> float:
        return float(self.scheduler.optimizer.param_groups[0]["lr"])


def _turned(name: str, weight: Tensor) -> Tensor:
    """The kernels of LSTMs lie transposed in a stack, see `lstm_states`; others as they are."""
    return weight.T.contiguous() if ".lstm.weight" in name else weight


def _is_trained(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def train_together(
    recipe: PriceLSTM, members: Sequence[Member], stacked: StackedRows, schedule: TrainingSchedule
) -> list[TrainedMember]:
    """Train a network for each member, many of them in the same passes; call it inside `deterministic`.

    Stacks are of `STACK` members in their order, whatever the number of threads, so the figures do not depend on it.

    Raises
    ------
    TrainingError
        If an asset's loss is not finite, with its name, the epoch and the learning rate.

    """
    compiled = _by_loops(stacked, schedule.epochs)
    for loop in (learn, judge) if compiled else ():
        compiled_loop(loop)  # here, so that threads share them
    stacks = [
        _Training(recipe, members[k : k + STACK], stacked, schedule, compiled)
        for k in range(0, len(members), STACK)
    ]  # fmt: skip
    out = [trained for stack in stacks for trained in stack.out]
    with in_threads(len(stacks)) as (each, _):
        for epoch in range(1, schedule.epochs + 1):
            totals = list(each(methodcaller("epoch", epoch), [stack for stack in stacks if stack.alive]))
            if not totals:
                break
            networks, rate, train, trained, validation, validated = np.sum(totals, axis=0).tolist()
            epoch_ended({
                "epoch": epoch, "epochs": schedule.epochs, "lr": rate / networks,
                "train_loss": train / trained, "validation_loss": validation / validated,
            })  # fmt: skip
    return out


def scored(
    recipe: PriceLSTM, trained: Sequence[tuple[Member, TrainedMember]], stacked: StackedRows
) -> list[np.ndarray]:
    """Each one's answers from the first row that validates on, (T, 1, 1), as `score_rows` gives them; NaN before."""
    rows, first = stacked.rows, stacked.validation[0]
    pieces, end = rows.pieces, rows.pieces.inputs.shape[1] - rows.pieces.steps
    if not _by_loops(stacked, recipe.epochs):
        network, by_torch = recipe.network(pieces.inputs.shape[2]), []
        for member, own in trained:
            network.load_state_dict(own.weights)
            by_torch.append(score_rows(network, rows.asset(member.asset).pieces, first, outputs=recipe.outputs))
        return by_torch
    weights = {name: torch.stack([_turned(name, own.weights[name]) for _, own in trained])
               for name in trained[0][1].weights}  # fmt: skip
    loops = _Loops(recipe, weights)
    begin = pieces.lookback - 1
    grid = np.arange(begin + (first - begin) // pieces.steps * pieces.steps, end, pieces.steps)
    ranges = np.column_stack([grid, np.minimum(grid + pieces.steps, end)])
    drawn = [[(np.full(len(grid), member.asset), ranges)] for member, _ in trained]
    answers = loops.judge(next(_stacks(rows, drawn, end)))[0][:, :, : len(grid)]
    by_row = answers.transpose(1, 2).reshape(len(trained), -1)[:, : end - grid[0]]
    out = np.full((len(trained), end, 1, 1), np.nan)
    out[:, grid[0] :, 0, 0] = by_row.numpy()
    out[:, :first] = np.nan
    return list(out)


def _by_loops(stacked: StackedRows, epochs: int) -> bool:
    return (stacked.train[1] - stacked.train[0]) * epochs >= _MANY and has_numba()


@contextmanager
def in_threads(jobs: int) -> Iterator[tuple[Callable[..., Iterator[Any]], int]]:
    """A `map` over at most so many threads as there are jobs, one a core, and their number; torch takes one in each."""
    threads = max(1, min(jobs, _threads()))
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield (map if threads == 1 else pool.map), threads


def _threads() -> int:
    """One a core, or what ``OMP_NUM_THREADS`` allows, which is 1 in the workers of a walk-forward."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    cores = os.cpu_count() or 1
    return min(int(allowed), cores) if allowed.isdecimal() and int(allowed) else cores


class _Training:
    """One stack in training: the weights and moments of the members still in it, and what each has left so far."""

    def __init__(
        self, recipe: PriceLSTM, members: Sequence[Member], stacked: StackedRows, schedule: TrainingSchedule,
        compiled: bool,
    ) -> None:  # fmt: skip
        self.recipe, self.members, self.stacked, self.schedule = recipe, members, stacked, schedule
        self.how = _How(stacked.rows.pieces.steps)
        self.weights, generators = self._start(stacked.rows.pieces.inputs.shape[2])
        self.masks = DropoutMasks(generators, compiled=compiled)
        trained = [name for name in self.weights if _is_trained(name)]
        self.adam = _Adam(self.weights, trained, schedule.weight_decay)
        self.loops = _Loops(recipe, self.weights, self.adam, schedule.clip) if compiled else None
        self.rates = [_Rates.at(schedule.learning_rate) for _ in members]
        self.rngs = [np.random.default_rng(member.seed) for member in members]
        self.out = [TrainedMember() for _ in members]
        self.alive = list(range(len(members)))

    def _start(self, n_features: int) -> tuple[Weights, list[torch.Generator]]:
        """Each asset's own first weights, stacked, and a generator that goes on where its start left off."""
        states, generators = [], []
        for member in self.members:
            torch.default_generator.manual_seed(member.seed)
            states.append(self.recipe.network(n_features).state_dict())
            generators.append(torch.Generator().set_state(torch.get_rng_state()))
        kind = torch.from_numpy(self.stacked.rows.targets).dtype
        weights = {name: torch.stack([_turned(name, state[name]) for state in states]).to(kind) for name in states[0]}
        for name, value in weights.items():
            if _is_trained(name):
                value.requires_grad_(True)
        return weights, generators

    def epoch(self, epoch: int) -> list[float]:
        """Train an epoch and validate; how many networks, the sums of their learning rates, losses and rows by role."""
        rates = [self.rates[k].now for k in self.alive]
        means = {"train": self._trained(torch.tensor(rates, dtype=torch.float64)), "validation": self._validated()}
        stopped = []
        for place, k in enumerate(self.alive):
            record = {"epoch": epoch, "lr": rates[place]}
            for role, mean in means.items():
                record |= mean.record(role, place, several=bool(self.recipe.l2))
            if not all(map(math.isfinite, record.values())):
                raise TrainingError(
                    f"{self.recipe.name}, {self.members[k].name}: the loss became {record['train_loss']} in epoch "
                    f"{epoch} at learning rate {rates[place]:g}; lower the learning rate"
                )
            if self._stops(k, place, record):
                stopped.append(place)
        sums = [float(part.sum()) for mean in means.values() for part in (mean.total, mean.weight)]
        shown = [len(self.alive), sum(rates), *sums]
        if stopped:
            self._go_on_with([place for place in range(len(self.alive)) if place not in stopped])
        return shown

    def _trained(self, rates: Tensor) -> _Means:
        means, how = _Means(len(self.alive)), replace(self.how, masks=partial(self.masks.draw, self.alive))
        for batch in self._batches(self.stacked.train, self.schedule.batch_size, shuffled=True):
            if self.loops is not None and how.masks is not None:
                data, penalty = self.loops.learn(batch, how.masks, rates)
            else:
                answers = _answers(self.recipe, self.weights, batch, how)
                data, penalty = _losses(self.recipe, self.weights, answers, batch)
                (data + penalty).sum().backward()
                active = torch.tensor([size > 0 for size in batch.sizes], dtype=torch.float64)
                self.adam.step(self.weights, rates, active, self.schedule.clip)
            means.add(data.detach(), penalty, batch.counts)
        return means

    def _validated(self) -> _Means:
        means = _Means(len(self.alive))
        with torch.inference_mode():
            for batch in self._batches(self.stacked.validation, max(self.schedule.batch_size, 512), shuffled=False):
                if self.loops is not None:
                    _, data, penalty = self.loops.judge(batch)
                else:
                    answers = _answers(self.recipe, self.weights, batch, self.how)
                    data, penalty = _losses(self.recipe, self.weights, answers, batch)
                means.add(data, penalty, batch.counts)
        return means

    def _batches(self, rows: tuple[int, int], size: int, *, shuffled: bool) -> Iterator[_Stack]:
        every, drawn = self.stacked.rows, []
        for k in self.alive:
            asset = self.members[k].asset
            own = every.asset(asset).drawn(*rows, size, self.rngs[k] if shuffled else None)
            drawn.append([(np.full(len(assets), asset), ranges) for assets, ranges in own])
        return _stacks(every, drawn, rows[1])

    def _stops(self, k: int, place: int, record: dict[str, float]) -> bool:
        """Take in the record of a member's epoch; whether it was its last."""
        schedule, own, loss = self.schedule, self.out[k], record["validation_loss"]
        self.rates[k].scheduler.step(loss)
        own.history.append(record)
        if improved(loss, own.best, schedule.min_delta, schedule.relative):
            own.best, own.best_epoch = loss, int(record["epoch"])
            own.weights = {name: _turned(name, value[place].detach()).clone() for name, value in self.weights.items()}
        return record["epoch"] - own.best_epoch >= schedule.patience

    def _go_on_with(self, left: list[int]) -> None:
        """Keep the weights and moments of the members at these places."""
        self.alive = [self.alive[place] for place in left]
        self.weights = {
            name: value[left].detach().clone().requires_grad_(value.requires_grad)
            for name, value in self.weights.items()
        }
        self.adam = self.adam.of(left)
        if self.loops is not None:
            self.loops = _Loops(self.recipe, self.weights, self.adam, self.schedule.clip)


class _Means:
    """Means over an epoch by asset, weighted by rows: the loss and its terms."""

    def __init__(self, assets: int) -> None:
        self.total, self.data, self.penalty, self.weight = (torch.zeros(assets, dtype=torch.float64) for _ in range(4))

    def add(self, data: Tensor, penalty: Tensor, counts: Tensor) -> None:
        data, penalty, counts = (part.detach().double() for part in (data, torch.as_tensor(penalty), counts))
        self.total += (data + penalty) * counts
        self.data += data * counts
        self.penalty += penalty * counts
        self.weight += counts

    def record(self, role: str, place: int, *, several: bool) -> Mapping[str, float]:
        weight = max(float(self.weight[place]), 1.0)
        out = {f"{role}_loss": float(self.total[place]) / weight}
        if several:
            out |= {f"{role}_data": float(self.data[place]) / weight,
                    f"{role}_penalty": float(self.penalty[place]) / weight}  # fmt: skip
        return out
