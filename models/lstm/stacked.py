"""The price networks of many assets trained side by side: one pass over stacked weights instead of a pass an asset.

A small network spends its time on starting operations, not on numbers, so a hundred of them cost hardly more together
than one. Each asset keeps what it would have alone: its seed and start, the order of its rows, its dropout masks, its
learning rate, its early stop. What differs is the order in which sums are taken, so losses agree to about 1e-6; where a
rectifier stands within rounding of its kink they may part further, as one asset alone does if its start moves by 1e-7.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from assay.data.errors import TrainingError
from assay.models.base import epoch_ended
from assay.models.lstm.batches import Batch, TrainingRows
from assay.models.lstm.training import TrainingSchedule, improved

if TYPE_CHECKING:
    from assay.models.nse_price import PriceLSTM

__all__ = ["Member", "TrainedMember", "train_together"]

_MOMENTUM, _EPS = 0.1, 1e-3  # of the networks' batch normalisation
_BETAS, _ADAM_EPS = (0.9, 0.999), 1e-8
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


class _Recurrence(torch.autograd.Function):
    """h_t, c_t of an LSTM from its input projections, (S, A, B, 4H) and the stacked recurrent kernels (A, 4H, H)."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, kernel: Tensor) -> Tensor:
        steps, assets, rows, width = projected.shape
        hidden = width // 4
        turned = kernel.transpose(1, 2).contiguous()
        states = projected.new_zeros((steps + 1, assets, rows, hidden))
        cells = torch.zeros_like(states)
        squashed = torch.empty_like(states[1:])
        gates = torch.empty_like(projected)
        for t in range(steps):
            now = torch.baddbmm(projected[t], states[t], turned)
            gate = gates[t]
            torch.sigmoid(now, out=gate)
            torch.tanh(now[..., 2 * hidden : 3 * hidden], out=gate[..., 2 * hidden : 3 * hidden])
            i, f, g, o = gate.split(hidden, dim=-1)
            torch.addcmul(i * g, f, cells[t], out=cells[t + 1])
            torch.mul(o, torch.tanh(cells[t + 1], out=squashed[t]), out=states[t + 1])
        ctx.save_for_backward(kernel, states, cells, gates, squashed)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        kernel, states, cells, gates, squashed = ctx.saved_tensors
        through_sigmoid = torch.ops.aten.sigmoid_backward
        through_tanh = torch.ops.aten.tanh_backward
        (above,) = grads
        steps, assets, rows, width = gates.shape
        hidden = width // 4
        out = torch.empty_like(gates)
        later = gates.new_zeros((assets, rows, hidden))
        carried = torch.zeros_like(later)
        for t in range(steps - 1, -1, -1):
            i, f, g, o = gates[t].split(hidden, dim=-1)
            to_h = above[t] + later
            to_c = carried + through_tanh(to_h * o, squashed[t])
            part = out[t]
            through_sigmoid.grad_input(to_c * g, i, grad_input=part[..., :hidden])
            through_sigmoid.grad_input(to_c * cells[t], f, grad_input=part[..., hidden : 2 * hidden])
            through_tanh.grad_input(to_c * i, g, grad_input=part[..., 2 * hidden : 3 * hidden])
            through_sigmoid.grad_input(to_h * squashed[t], o, grad_input=part[..., 3 * hidden :])
            carried = to_c * f
            later = torch.bmm(part, kernel)
        flat = out.permute(1, 0, 2, 3).reshape(assets, steps * rows, width)
        before = states[:-1].permute(1, 0, 2, 3).reshape(assets, steps * rows, hidden)
        return out, torch.bmm(flat.transpose(1, 2), before)


def _lstm(inputs: Tensor, weights: Weights, name: str) -> Tensor:
    """(A, B, S, F) → (A, B, S, H)."""
    assets, rows, steps, width = inputs.shape
    kernel = weights[f"{name}.lstm.weight_ih_l0"]
    bias = (weights[f"{name}.lstm.bias_ih_l0"] + weights[f"{name}.lstm.bias_hh_l0"]).unsqueeze(1)
    projected = torch.baddbmm(bias, inputs.reshape(assets, rows * steps, width), kernel.transpose(1, 2))
    ordered = projected.reshape(assets, rows, steps, -1).permute(2, 0, 1, 3).contiguous()
    states: Tensor = _Recurrence.apply(ordered, weights[f"{name}.lstm.weight_hh_l0"])  # type: ignore[no-untyped-call]
    return states.permute(1, 2, 0, 3)


def _norm(values: Tensor, weights: Weights, name: str, pieces: Tensor | None) -> Tensor:
    """Batch normalisation by asset over its real pieces, (A, B) of 0 and 1; running moments where `pieces` is None."""
    if f"{name}.norm.weight" not in weights:
        return values
    mean, variance = weights[f"{name}.norm.running_mean"], weights[f"{name}.norm.running_var"]
    if pieces is not None:
        size = pieces.sum(dim=1, keepdim=True) * values.shape[2]
        count = size.clamp(min=1.0)  # an asset that has no more rows takes part with none
        kept = pieces[:, :, None, None]
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


def _linear(values: Tensor, weights: Weights, name: str) -> Tensor:
    assets, rows, steps, width = values.shape
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"].unsqueeze(1)
    flat = torch.baddbmm(bias, values.reshape(assets, rows * steps, width), kernel.transpose(1, 2))
    return flat.reshape(assets, rows, steps, -1)


@dataclass(eq=False)
class _Masks:
    """Dropout masks as each asset would draw them alone: from its own generator, of the shape of its own pieces."""

    generators: list[torch.Generator]
    sizes: list[int]
    rows: int

    def drop(self, values: Tensor, chance: float) -> Tensor:
        if chance <= 0:
            return values
        masks = values.new_zeros((len(self.sizes), self.rows, *values.shape[2:]))
        for k, (generator, size) in enumerate(zip(self.generators, self.sizes, strict=True)):
            if size:
                masks[k, :size] = torch.empty((size, *values.shape[2:])).bernoulli_(1.0 - chance, generator=generator)
        return values * masks.div_(1.0 - chance)


def _answers(
    recipe: PriceLSTM, weights: Weights, inputs: Tensor, steps: int, pieces: Tensor | None, masks: _Masks | None
) -> Tensor:
    """(A, B, S, F) → (A, B, steps, 1), as `assay.models.lstm.networks.PriceNetwork` answers."""

    def drop(values: Tensor, chance: float) -> Tensor:
        return values if masks is None else masks.drop(values, chance)

    first = drop(_norm(_lstm(inputs, weights, "first"), weights, "first", pieces), recipe.dropout)
    states = _lstm(first, weights, "second")[:, :, -steps:]
    second = drop(_norm(states, weights, "second", pieces), recipe.dropout)
    dense = drop(functional.relu(_linear(second, weights, "dense.0")), recipe.dense_dropout)
    return _linear(dense, weights, "dense.3")


def _losses(recipe: PriceLSTM, weights: Weights, answers: Tensor, batch: _Stack) -> tuple[Tensor, Tensor]:
    """Mean Huber loss of each asset's rows and its penalty, (A,) each."""
    each = functional.huber_loss(answers, batch.targets, delta=recipe.huber_delta, reduction="none")[..., 0]
    count = batch.mask.sum(dim=(1, 2)).clamp(min=1.0)
    data = (each * batch.mask).sum(dim=(1, 2)) / count
    kernels = [weights[f"{name}.lstm.weight_ih_l0"] for name in ("first", "second")]
    return data, recipe.l2 * ((kernels[0] ** 2).sum(dim=(1, 2)) + (kernels[1] ** 2).sum(dim=(1, 2)))


@dataclass(frozen=True, eq=False)
class _Stack:
    """The batches of several assets as one, padded to the largest: inputs (A, B, S, F), mask (A, B, K), sizes (A,)."""

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
        inputs = torch.zeros((*shape, *some.inputs.shape[1:]))
        targets, mask = torch.zeros((*shape, *some.targets.shape[1:])), torch.zeros((*shape, some.mask.shape[1]))
        pieces = torch.zeros(shape)
        for k, batch in enumerate(group):
            if batch is not None:
                inputs[k, : sizes[k]], targets[k, : sizes[k]] = batch.inputs, batch.targets
                mask[k, : sizes[k]], pieces[k, : sizes[k]] = batch.mask.to(mask.dtype), 1.0
        yield _Stack(inputs, targets, mask, pieces, sizes)


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
        self.steps += active
        counts = self.steps.clamp(min=1.0)
        size = (rates / (1.0 - _BETAS[0] ** counts) * active).float()
        root = (1.0 - _BETAS[1] ** counts).sqrt().float()
        on = active.float()
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


def _start(recipe: PriceLSTM, members: Sequence[Member], n_features: int) -> tuple[Weights, list[torch.Generator]]:
    """Each asset's own first weights, stacked, and a generator that goes on where its start left off."""
    states, generators = [], []
    for member in members:
        torch.manual_seed(member.seed)
        states.append(recipe.network(n_features).state_dict())
        generators.append(torch.Generator().set_state(torch.get_rng_state()))
    weights = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    for name, value in weights.items():
        if _is_trained(name):
            value.requires_grad_(True)
    return weights, generators


def _is_trained(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def train_together(
    recipe: PriceLSTM, members: Sequence[Member], schedule: TrainingSchedule, n_features: int
) -> list[TrainedMember]:
    """Train a network for each member, all of them in the same passes; call it inside `deterministic`.

    Raises
    ------
    TrainingError
        If an asset's loss is not finite, with its name, the epoch and the learning rate.

    """
    weights, generators = _start(recipe, members, n_features)
    out = [TrainedMember() for _ in members]
    rates = [_Rates.at(schedule.learning_rate) for _ in members]
    rngs = [np.random.default_rng(member.seed) for member in members]
    trained = [name for name in weights if _is_trained(name)]
    adam = _Adam(weights, trained, schedule.weight_decay)
    alive = list(range(len(members)))
    for epoch in range(1, schedule.epochs + 1):
        now = torch.tensor([rate.now for rate in rates], dtype=torch.float64)
        means = {role: _Means(len(alive)) for role in ("train", "validation")}
        for batch in _stacks([_batches(members[k], schedule, rngs[k]) for k in alive]):
            masks = _Masks([generators[k] for k in alive], batch.sizes, batch.inputs.shape[1])
            answers = _answers(recipe, weights, batch.inputs, batch.mask.shape[2], batch.pieces, masks)
            data, penalty = _losses(recipe, weights, answers, batch)
            (data + penalty).sum().backward()
            active = torch.tensor([size > 0 for size in batch.sizes], dtype=torch.float64)
            adam.step(weights, now[alive], active, schedule.clip)
            means["train"].add(data.detach(), penalty, batch.counts)
        with torch.inference_mode():
            for batch in _stacks([_batches(members[k], schedule) for k in alive]):
                answers = _answers(recipe, weights, batch.inputs, batch.mask.shape[2], None, None)
                means["validation"].add(*_losses(recipe, weights, answers, batch), batch.counts)
        stopped = []
        for place, k in enumerate(alive):
            record = {"epoch": epoch, "lr": rates[k].now}
            for role, mean in means.items():
                record |= mean.record(role, place, several=bool(recipe.l2))
            if not all(map(math.isfinite, record.values())):
                raise TrainingError(
                    f"{recipe.name}, {members[k].name}: the loss became {record['train_loss']} in epoch {epoch} at "
                    f"learning rate {rates[k].now:g}; lower the learning rate"
                )
            rates[k].scheduler.step(record["validation_loss"])
            own = out[k]
            own.history.append(record)
            if improved(record["validation_loss"], own.best, schedule.min_delta, schedule.relative):
                own.best, own.best_epoch = record["validation_loss"], epoch
                own.weights = {name: value[place].detach().clone() for name, value in weights.items()}
            elif epoch - own.best_epoch >= schedule.patience:
                stopped.append(place)
        losses = {f"{role}_loss": float(mean.total.sum() / mean.weight.sum()) for role, mean in means.items()}
        epoch_ended({"epoch": epoch, "lr": float(now[alive].mean()), "epochs": schedule.epochs, **losses})
        if stopped:
            left = [place for place in range(len(alive)) if place not in stopped]
            alive = [alive[place] for place in left]
            if not alive:
                break
            weights, adam = _without(weights, adam, left)
    return out


def _batches(member: Member, schedule: TrainingSchedule, rng: np.random.Generator | None = None) -> Iterator[Batch]:
    if rng is not None:
        return member.rows.epoch(*member.train, schedule.batch_size, rng)
    return member.rows.epoch(*member.validation, max(schedule.batch_size, 512))


def _without(weights: Weights, adam: _Adam, left: list[int]) -> tuple[Weights, _Adam]:
    """Weights and moments of the assets that go on."""
    kept = {name: value[left].detach().clone().requires_grad_(value.requires_grad) for name, value in weights.items()}
    after = _Adam(kept, list(adam.first), adam.decay)
    after.first = {name: value[left] for name, value in adam.first.items()}
    after.second = {name: value[left] for name, value in adam.second.items()}
    after.steps = adam.steps[left]
    return kept, after


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
