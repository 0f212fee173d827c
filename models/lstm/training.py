"""The training loop: seeded, single-threaded, stopped early, and loud when the loss is lost."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from assay.data.errors import InputError, TrainingError
from assay.models.base import epoch_ended
from assay.models.lstm.batches import Batch

__all__ = ["Task", "Trained", "TrainingSchedule", "Watch", "deterministic", "fit_network", "forward", "improved",
           "placed", "validation_loss"]  # fmt: skip


@dataclass(frozen=True)
class TrainingSchedule:
    """How long and how fast.

    Parameters
    ----------
    epochs : at most.
    patience : epochs without improvement before training stops.
    min_delta : what counts as improvement of the validation loss.
    relative : whether `min_delta` is a share of the best loss so far.
    learning_rate, weight_decay : of Adam.
    clip : largest gradient norm; 0 = none.
    batch_size : rows, about.

    """

    epochs: int
    patience: int
    min_delta: float
    relative: bool
    learning_rate: float
    weight_decay: float
    clip: float
    batch_size: int


@dataclass(frozen=True, eq=False)
class Task:
    """What is learnt.

    Parameters
    ----------
    training : batches of one epoch, drawn with the generator.
    validation : the validation batches, always the same.
    parts : terms of the mean loss of the network's (B, K, outputs) on a batch.
    penalty : added to every loss, or None.
    count : how much a batch weighs in the mean over an epoch.
    who : named in errors.
    watch : called with (answers, batch) of every validation batch, then asked for the epoch's figures.

    """

    training: Callable[[np.random.Generator], Iterable[Batch]]
    validation: Callable[[], Iterable[Batch]]
    parts: Callable[[Tensor, Batch], Mapping[str, Tensor]]
    penalty: Callable[[nn.Module], Tensor | None] | None = None
    count: Callable[[Batch], float] = lambda batch: float(batch.mask.sum())
    who: str = "fit"
    watch: Watch | None = None


class Watch(Protocol):
    """What looks at the validation answers of an epoch."""

    def see(self, answers: Tensor, batch: Batch) -> None:
        """Take in the answers for a batch."""

    def figures(self) -> dict[str, float]:
        """The figures of the epoch; what was seen is forgotten."""
        ...


@dataclass
class _Means:
    """Weighted means over an epoch's batches: the loss, and its terms where there are several."""

    total: float = 0.0
    weight: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)

    def add(self, loss: Tensor, parts: Mapping[str, Tensor], count: float) -> None:
        self.total += loss.item() * count
        self.weight += count
        if len(parts) > 1:
            for name, value in parts.items():
                self.terms[name] = self.terms.get(name, 0.0) + value.item() * count

    @property
    def loss(self) -> float:
        return self.total / max(self.weight, 1.0)

    def record(self, role: str) -> dict[str, float]:
        """The means of the terms, by ``train_action`` and the like."""
        return {f"{role}_{name}": total / max(self.weight, 1.0) for name, total in self.terms.items()}


@contextmanager
def deterministic(seed: int, device: str = "cpu") -> Iterator[None]:
    """One thread, deterministic algorithms, seeded; everything is put back afterwards.

    One thread because sums are split among threads, so that their number would show in the last digits; and because
    two one-threaded workers finish sooner than one worker with two threads.

    Raises
    ------
    InputError
        If the device is not there.

    """
    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise InputError(f"device: {device!r} is not available here; use 'cpu'")
    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fills = memory.fill_uninitialized_memory
    if device != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.random.fork_rng(devices=[torch.device(device)] if device != "cpu" else []):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        # Nothing here reads memory before writing it; filling it first costs time.
        memory.fill_uninitialized_memory = False
        try:
            yield
        finally:
            memory.fill_uninitialized_memory = fills
            torch.use_deterministic_algorithms(strict, warn_only=warn_only)
            torch.set_num_threads(threads)


@contextmanager
def placed(network: nn.Module, who: str, device: str, compiled: bool) -> Iterator[nn.Module]:
    """The network on a device, through `torch.compile` where that is asked for; its weights keep their names.

    Raises
    ------
    TrainingError
        If `torch.compile` fails, with the first line of its reason.

    """
    network.to(device)
    if compiled:
        network.compile()
    try:
        yield network
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise TrainingError(
            f"{who}: torch.compile failed here ({reason[:120]}); it needs a C++ compiler, and Triton on a GPU; "
            "leave compiled out"
        ) from None


def forward(network: nn.Module, inputs: Tensor, steps: int, bf16: bool = False, assets: int = 1) -> Tensor:
    """The network's answers, computed in bfloat16 where that is asked for and then in float32.

    A network that says ``reads_market`` is also told how many consecutive pieces are of the same sessions.
    """
    market = {"assets": assets} if getattr(network, "reads_market", False) else {}
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=bf16):
        answer: Tensor = network(inputs, steps, **market)
        return answer.float() if bf16 else answer


def improved(loss: float, best: float, min_delta: float, relative: bool) -> bool:
    """Whether `loss` beats `best` by more than `min_delta`, or by more than that share of it.

    Examples
    --------
    >>> improved(0.95, 1.0, 0.01, relative=True), improved(0.95, 1.0, 100.0, relative=False)
    (True, False)

    """
    if math.isinf(best):
        return True
    return loss < best - (min_delta * abs(best) if relative else min_delta)


@dataclass(frozen=True, eq=False)
class Trained:
    """What training leaves beside the weights.

    Parameters
    ----------
    history : per epoch: epoch, train_loss, validation_loss (both with the penalty), lr; the terms of both losses where
        there are several, as train_action and the like; what the task's watch says of the validation rows.
    best_epoch : the epoch whose weights were kept.
    optimiser : Adam's state after that epoch, by parameter: exp_avg, exp_avg_sq, step.

    """

    history: list[dict[str, float]]
    best_epoch: int
    optimiser: Mapping[str, Mapping[str, Tensor]]


def fit_network(
    network: nn.Module,
    task: Task,
    schedule: TrainingSchedule,
    *,
    seed: int,
    device: str = "cpu",
    bf16: bool = False,
    rates: Sequence[float] | None = None,
) -> Trained:
    """Train in place, stop when the validation loss stops improving, and end with the best epoch's weights.

    Adam; the gradient's norm clipped; the learning rate halved after 5 epochs without a lower loss, down to 1e-6.
    Call it inside `deterministic`.

    Parameters
    ----------
    network, task, schedule, seed, device, bf16 : what is trained, on what, how.
    rates : the learning rate of each epoch, for a refit: so many epochs, no validation, the last weights stay.

    Raises
    ------
    TrainingError
        If a loss is not finite, with the epoch and the learning rate.

    """
    optimiser = torch.optim.Adam(network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=5, min_lr=1e-6)
    rng = np.random.default_rng(seed)
    history: list[dict[str, float]] = []
    best, best_epoch, kept, moments = math.inf, 0, copy.deepcopy(network.state_dict()), _moments(network, optimiser)
    for epoch in range(1, (schedule.epochs if rates is None else len(rates)) + 1):
        if rates is not None:
            optimiser.param_groups[0]["lr"] = rates[epoch - 1]
        rate = optimiser.param_groups[0]["lr"]
        network.train()
        train = _Means()
        for batch in task.training(rng):
            _, loss, parts = _loss(network, task, batch.to(device), bf16)
            _refuse_lost(loss, task.who, epoch, rate)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if schedule.clip:
                nn.utils.clip_grad_norm_(network.parameters(), schedule.clip)
            optimiser.step()
            train.add(loss, parts, task.count(batch))
        if rates is not None:
            history.append({"epoch": epoch, "train_loss": train.loss, "lr": rate, **train.record("train")})
            continue
        validation, watched = _validated(network, task, device, bf16)
        _refuse_lost(validation.loss, task.who, epoch, rate)
        plateau.step(validation.loss)
        record = {
            "epoch": epoch, "train_loss": train.loss, "validation_loss": validation.loss, "lr": rate,
            **train.record("train"), **validation.record("validation"), **watched,
        }  # fmt: skip
        history.append(record)
        epoch_ended({**record, "epochs": schedule.epochs})
        if improved(validation.loss, best, schedule.min_delta, schedule.relative):
            best, best_epoch, kept = validation.loss, epoch, copy.deepcopy(network.state_dict())
            moments = _moments(network, optimiser)
        elif epoch - best_epoch >= schedule.patience:
            break
    if rates is not None:
        return Trained(history, len(history), _moments(network, optimiser))
    network.load_state_dict(kept)
    return Trained(history, best_epoch, moments)


def _moments(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """Copies of the optimiser's state by the parameter's name; empty before the first step."""
    return {
        name: {key: value.detach().clone() for key, value in optimiser.state[weight].items()}
        for name, weight in network.named_parameters()
        if weight in optimiser.state
    }


def _loss(network: nn.Module, task: Task, batch: Batch, bf16: bool) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    answers = forward(network, batch.inputs, batch.mask.shape[1], bf16, batch.assets)
    parts = dict(task.parts(answers, batch))
    if task.penalty is not None and (extra := task.penalty(network)) is not None:
        parts["penalty"] = extra
    return answers, reduce(add, parts.values()), parts


def _validated(network: nn.Module, task: Task, device: str, bf16: bool) -> tuple[_Means, dict[str, float]]:
    network.eval()
    means = _Means()
    with torch.inference_mode():
        for batch in task.validation():
            answers, loss, parts = _loss(network, task, batch.to(device), bf16)
            means.add(loss, parts, task.count(batch))
            if task.watch is not None:
                task.watch.see(answers, batch)
    return means, {} if task.watch is None else task.watch.figures()


def validation_loss(network: nn.Module, task: Task, *, device: str = "cpu", bf16: bool = False) -> float:
    """Mean loss over the task's validation rows; call it inside `deterministic`."""
    return _validated(network, replace(task, watch=None), device, bf16)[0].loss


def _refuse_lost(loss: Tensor | float, who: str, epoch: int, rate: float) -> None:
    value = loss.item() if isinstance(loss, Tensor) else loss
    if not math.isfinite(value):
        raise TrainingError(
            f"{who}: the loss became {value} in epoch {epoch} at learning rate {rate:g}; lower the learning rate"
        )
