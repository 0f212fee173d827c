"""The training loop: seeded, single-threaded, stopped early, and loud when the loss is lost."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from assay.data.errors import InputError, TrainingError
from assay.models.base import epoch_ended
from assay.models.lstm.batches import Batch

__all__ = ["Task", "TrainingSchedule", "deterministic", "fit_network", "forward", "improved"]


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
    loss : mean loss of the network's (B, K, outputs) on a batch.
    penalty : added to every loss, or None.
    count : how much a batch weighs in the mean over an epoch.
    who : named in errors.

    """

    training: Callable[[np.random.Generator], Iterable[Batch]]
    validation: Callable[[], Iterable[Batch]]
    loss: Callable[[Tensor, Batch], Tensor]
    penalty: Callable[[nn.Module], Tensor] | None = None
    count: Callable[[Batch], float] = lambda batch: float(batch.mask.sum())
    who: str = "fit"


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


def forward(network: nn.Module, inputs: Tensor, steps: int, bf16: bool = False) -> Tensor:
    """The network's answers in float32, computed in bfloat16 where that is asked for."""
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=bf16):
        answer: Tensor = network(inputs, steps).float()
        return answer


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


def fit_network(
    network: nn.Module, task: Task, schedule: TrainingSchedule, *, seed: int, device: str = "cpu", bf16: bool = False
) -> tuple[list[dict[str, float]], int]:
    """Train in place, stop when the validation loss stops improving, and end with the best epoch's weights.

    Adam; the gradient's norm clipped; the learning rate halved after 5 epochs without a lower loss, down to 1e-6.
    Call it inside `deterministic`.

    Returns
    -------
    history : list of dict
        Per epoch: epoch, train_loss, validation_loss (both with the penalty), lr.
    best_epoch : int
        The epoch whose weights were kept.

    Raises
    ------
    TrainingError
        If a loss is not finite, with the epoch and the learning rate.

    """
    optimiser = torch.optim.Adam(network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=5, min_lr=1e-6)
    rng = np.random.default_rng(seed)
    history: list[dict[str, float]] = []
    best, best_epoch, kept = math.inf, 0, copy.deepcopy(network.state_dict())
    for epoch in range(1, schedule.epochs + 1):
        rate = optimiser.param_groups[0]["lr"]
        network.train()
        total, weight = 0.0, 0.0
        for batch in task.training(rng):
            loss = _loss(network, task, batch.to(device), bf16)
            _refuse_lost(loss, task.who, epoch, rate)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if schedule.clip:
                nn.utils.clip_grad_norm_(network.parameters(), schedule.clip)
            optimiser.step()
            count = task.count(batch)
            total, weight = total + loss.item() * count, weight + count
        validation = _validation_loss(network, task, device, bf16)
        _refuse_lost(validation, task.who, epoch, rate)
        plateau.step(validation)
        record = {
            "epoch": epoch, "train_loss": total / max(weight, 1.0), "validation_loss": validation, "lr": rate,
        }  # fmt: skip
        history.append(record)
        epoch_ended({**record, "epochs": schedule.epochs})
        if improved(validation, best, schedule.min_delta, schedule.relative):
            best, best_epoch, kept = validation, epoch, copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= schedule.patience:
            break
    network.load_state_dict(kept)
    return history, best_epoch


def _loss(network: nn.Module, task: Task, batch: Batch, bf16: bool) -> Tensor:
    loss = task.loss(forward(network, batch.inputs, batch.mask.shape[1], bf16), batch)
    return loss if task.penalty is None else loss + task.penalty(network)


def _validation_loss(network: nn.Module, task: Task, device: str, bf16: bool) -> float:
    network.eval()
    total, weight = 0.0, 0.0
    with torch.inference_mode():
        for batch in task.validation():
            count = task.count(batch)
            total += _loss(network, task, batch.to(device), bf16).item() * count
            weight += count
    return total / max(weight, 1.0)


def _refuse_lost(loss: Tensor | float, who: str, epoch: int, rate: float) -> None:
    value = loss.item() if isinstance(loss, Tensor) else loss
    if not math.isfinite(value):
        raise TrainingError(
            f"{who}: the loss became {value} in epoch {epoch} at learning rate {rate:g}; lower the learning rate"
        )
