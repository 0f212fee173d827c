"""The price networks of many assets trained side by side: one pass over stacked weights instead of a pass an asset.

A small network spends its time on starting operations, not on numbers, so ten of them cost hardly more together than
one; stacks of ten also fit a processor's cache, and several are trained at once, a thread a core. Each asset keeps what
it would have alone: its seed and start, the order of its rows, its dropout masks, its learning rate, its early stop.
What differs is the order in which sums are taken. In float64 all losses agree to 1e-9; in float32 they part further in
some assets, as those of one asset alone do when its start moves by a rounding (`benchmarks/stacked.py` counts both).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from itertools import zip_longest
from operator import methodcaller
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from assay.data.compiling import has_numba
from assay.data.errors import TrainingError
from assay.models.base import epoch_ended
from assay.models.lstm.batches import Batch, TrainingRows
from assay.models.lstm.recurrence import recur
from assay.models.lstm.training import TrainingSchedule, improved

if TYPE_CHECKING:
    from assay.models.nse_price import PriceLSTM

__all__ = ["Member", "TrainedMember", "train_together"]

_MOMENTUM, _EPS = 0.1, 1e-3  # of the networks' batch normalisation
_BETAS, _ADAM_EPS = (0.9, 0.999), 1e-8
#: Members of a stack: what they read and write in a step then fits a processor's cache.
STACK = 10
#: Rows times epochs from which loops are worth compiling, or reading from the cache of compiled ones.
_MANY = 50_000
Weights = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Member:
    """One asset's part: its name and seed, its rows, and the ranges that train and validate."""

    name: str
    seed: int
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


def _lstm(inputs: Tensor, weights: Weights, name: str, compiled: bool) -> Tensor:
    """(A, S, B, F) → (A, S, B, H)."""
    bias = weights[f"{name}.lstm.bias_ih_l0"] + weights[f"{name}.lstm.bias_hh_l0"]
    projected = _product(inputs, weights[f"{name}.lstm.weight_ih_l0"], bias)
    return recur(projected, weights[f"{name}.lstm.weight_hh_l0"], compiled=compiled)


def _product(values: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Each asset's (S, B, F) by its kernel (O, F), plus its bias, (A, S, B, O)."""
    flat = torch.baddbmm(bias.unsqueeze(1), values.flatten(1, 2), kernel.transpose(1, 2))
    return flat.reshape(*values.shape[:3], -1)


def _norm(values: Tensor, weights: Weights, name: str, pieces: Tensor | None) -> Tensor:
    """Batch normalisation by asset over its real pieces, (A, B) of 0 and 1; running moments where `pieces` is None.

    `values` are (A, S, B, H).
    """
    if f"{name}.norm.weight" not in weights:
        return values
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


@dataclass(eq=False)
class _Masks:
    """Dropout masks as each asset would draw them alone: from its own generator, of the shape of its own pieces."""

    generators: list[torch.Generator]
    sizes: list[int]
    rows: int

    def drop(self, values: Tensor, chance: float) -> Tensor:
        """`values` (A, S, B, F), each piece's own elements dropped and the rest scaled up."""
        if chance <= 0:
            return values
        steps, width = values.shape[1], values.shape[3]
        masks = values.new_zeros((len(self.sizes), self.rows, steps, width))
        for mask, generator, size in zip(masks, self.generators, self.sizes, strict=True):
            if size:
                mask[:size].bernoulli_(1.0 - chance, generator=generator)
        return values * masks.div_(1.0 - chance).transpose(1, 2)


def _answers(
    recipe: PriceLSTM, weights: Weights, inputs: Tensor, pieces: Tensor | None, masks: _Masks | None, how: _How
) -> Tensor:
    """(A, S, B, F) → (A, steps, B), as `assay.models.lstm.networks.PriceNetwork` answers."""

    def drop(values: Tensor, chance: float) -> Tensor:
        return values if masks is None else masks.drop(values, chance)

    def linear(values: Tensor, name: str) -> Tensor:
        return _product(values, weights[f"{name}.weight"], weights[f"{name}.bias"])

    states = _lstm(inputs, weights, "first", how.compiled)
    first = drop(_norm(states, weights, "first", pieces), recipe.dropout)
    states = _lstm(first, weights, "second", how.compiled)[:, -how.steps :]
    second = drop(_norm(states, weights, "second", pieces), recipe.dropout)
    dense = drop(functional.relu(linear(second, "dense.0")), recipe.dense_dropout)
    return linear(dense, "dense.3")[..., 0]


def _losses(recipe: PriceLSTM, weights: Weights, answers: Tensor, batch: _Stack) -> tuple[Tensor, Tensor]:
    """Mean Huber loss of each asset's rows and its penalty, (A,) each."""
    each = functional.huber_loss(answers, batch.targets, delta=recipe.huber_delta, reduction="none")
    data = (each * batch.mask).sum(dim=(1, 2)) / batch.counts.clamp(min=1.0)
    kernels = [weights[f"{name}.lstm.weight_ih_l0"] for name in ("first", "second")]
    return data, recipe.l2 * ((kernels[0] ** 2).sum(dim=(1, 2)) + (kernels[1] ** 2).sum(dim=(1, 2)))


@dataclass(frozen=True)
class _How:
    """Rows that a piece answers for, and whether the recurrence is compiled."""

    steps: int
    compiled: bool


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


def _stacks(batches: Sequence[Iterator[Batch]]) -> Iterator[_Stack]:
    """Each asset's next batch beside the others'; one that has no more takes part with no rows."""
    for group in zip_longest(*batches):
        some = next(batch for batch in group if batch is not None)
        sizes = [0 if batch is None else len(batch.mask) for batch in group]
        shape = (len(group), max(sizes))
        inputs = some.inputs.new_zeros((*shape, *some.inputs.shape[1:]))
        targets = some.targets.new_zeros((*shape, some.targets.shape[1]))
        mask, pieces = torch.zeros_like(targets), some.targets.new_zeros(shape)
        for k, batch in enumerate(group):
            if batch is not None:
                inputs[k, : sizes[k]], targets[k, : sizes[k]] = batch.inputs, batch.targets[..., 0]
                mask[k, : sizes[k]], pieces[k, : sizes[k]] = batch.mask, 1.0
        by_step = [values.transpose(1, 2).contiguous() for values in (inputs, targets, mask)]
        yield _Stack(by_step[0], by_step[1], by_step[2], pieces, sizes)


class _Adam:
    """Adam with a learning rate and a count of steps for each asset, as `torch.optim.Adam` does it one by one."""

    def __init__(self, weights: Weights, trained: Sequence[str], decay: float) -> None:
        self.first = {name: torch.zeros_like(weights[name]) for name in trained}
        self.second = {name: torch.zeros_like(weights[name]) for name in trained}
        self.steps = torch.zeros(len(next(iter(weights.values()))), dtype=torch.float64)
        self.decay = decay

    def step(self, weights: Weights, rates: Tensor, active: Tensor, clip: float) -> None:
        grads = {name: weights[name].grad for name in self.first}
        if clip:
            squares = sum((grad**2).flatten(1).sum(dim=1) for grad in grads.values() if grad is not None)
            scale = (clip / (torch.as_tensor(squares).sqrt() + 1e-6)).clamp(max=1.0)
            grads = {name: grad * _like(scale, grad) for name, grad in grads.items() if grad is not None}
        dtype = next(iter(self.first.values())).dtype
        self.steps += active
        counts = self.steps.clamp(min=1.0)
        size = (rates / (1.0 - _BETAS[0] ** counts) * active).to(dtype)
        root = (1.0 - _BETAS[1] ** counts).sqrt().to(dtype)
        on = active.to(dtype)
        with torch.no_grad():
            for name, grad in grads.items():
                if grad is None:
                    continue
                weight, first, second = weights[name], self.first[name], self.second[name]
                grad = grad + self.decay * weight if self.decay else grad
                share = _like(on, grad)
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


def _is_trained(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def train_together(
    recipe: PriceLSTM, members: Sequence[Member], schedule: TrainingSchedule, n_features: int
) -> list[TrainedMember]:
    """Train a network for each member, many of them in the same passes; call it inside `deterministic`.

    Stacks are of `STACK` members in their order, whatever the number of threads, so the figures do not depend on it.

    Raises
    ------
    TrainingError
        If an asset's loss is not finite, with its name, the epoch and the learning rate.

    """
    rows = sum(member.train[1] - member.train[0] for member in members)
    compiled = rows * schedule.epochs >= _MANY and has_numba()
    stacks = [
        _Training(recipe, members[k : k + STACK], schedule, n_features, compiled)
        for k in range(0, len(members), STACK)
    ]  # fmt: skip
    out = [trained for stack in stacks for trained in stack.out]
    threads = min(len(stacks), _threads())
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        each = map if threads == 1 else pool.map
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


def _threads() -> int:
    """One a core, or what ``OMP_NUM_THREADS`` allows, which is 1 in the workers of a walk-forward."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    cores = os.cpu_count() or 1
    return min(int(allowed), cores) if allowed.isdecimal() and int(allowed) else cores


class _Training:
    """One stack in training: the weights and moments of the members still in it, and what each has left so far."""

    def __init__(
        self, recipe: PriceLSTM, members: Sequence[Member], schedule: TrainingSchedule, n_features: int, compiled: bool
    ) -> None:
        self.recipe, self.members, self.schedule = recipe, members, schedule
        self.how = _How(members[0].rows.pieces.steps, compiled)
        self.weights, self.generators = self._start(n_features)
        self.adam = _Adam(self.weights, [name for name in self.weights if _is_trained(name)], schedule.weight_decay)
        self.rates = [_Rates.at(schedule.learning_rate) for _ in members]
        self.rngs = [np.random.default_rng(member.seed) for member in members]
        self.out = [TrainedMember() for _ in members]
        self.alive = list(range(len(members)))

    def _start(self, n_features: int) -> tuple[Weights, list[torch.Generator]]:
        """Each asset's own first weights, stacked, and a generator that goes on where its start left off."""
        states, generators = [], []
        for member in self.members:
            torch.manual_seed(member.seed)
            states.append(self.recipe.network(n_features).state_dict())
            generators.append(torch.Generator().set_state(torch.get_rng_state()))
        kind = torch.from_numpy(self.members[0].rows.targets).dtype
        weights = {name: torch.stack([state[name] for state in states]).to(kind) for name in states[0]}
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
        means = _Means(len(self.alive))
        for batch in _stacks([_batches(self.members[k], self.schedule, self.rngs[k]) for k in self.alive]):
            masks = _Masks([self.generators[k] for k in self.alive], batch.sizes, batch.inputs.shape[2])
            answers = _answers(self.recipe, self.weights, batch.inputs, batch.pieces, masks, self.how)
            data, penalty = _losses(self.recipe, self.weights, answers, batch)
            (data + penalty).sum().backward()
            active = torch.tensor([size > 0 for size in batch.sizes], dtype=torch.float64)
            self.adam.step(self.weights, rates, active, self.schedule.clip)
            means.add(data.detach(), penalty, batch.counts)
        return means

    def _validated(self) -> _Means:
        means = _Means(len(self.alive))
        with torch.inference_mode():
            for batch in _stacks([_batches(self.members[k], self.schedule) for k in self.alive]):
                answers = _answers(self.recipe, self.weights, batch.inputs, None, None, self.how)
                means.add(*_losses(self.recipe, self.weights, answers, batch), batch.counts)
        return means

    def _stops(self, k: int, place: int, record: dict[str, float]) -> bool:
        """Take in the record of a member's epoch; whether it was its last."""
        schedule, own, loss = self.schedule, self.out[k], record["validation_loss"]
        self.rates[k].scheduler.step(loss)
        own.history.append(record)
        if improved(loss, own.best, schedule.min_delta, schedule.relative):
            own.best, own.best_epoch = loss, int(record["epoch"])
            own.weights = {name: value[place].detach().clone() for name, value in self.weights.items()}
        return record["epoch"] - own.best_epoch >= schedule.patience

    def _go_on_with(self, left: list[int]) -> None:
        """Keep the weights and moments of the members at these places."""
        self.alive = [self.alive[place] for place in left]
        self.weights = {
            name: value[left].detach().clone().requires_grad_(value.requires_grad)
            for name, value in self.weights.items()
        }
        self.adam = self.adam.of(left)


def _batches(member: Member, schedule: TrainingSchedule, rng: np.random.Generator | None = None) -> Iterator[Batch]:
    if rng is not None:
        return member.rows.epoch(*member.train, schedule.batch_size, rng)
    return member.rows.epoch(*member.validation, max(schedule.batch_size, 512))


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
