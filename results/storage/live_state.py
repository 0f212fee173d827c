"""What the next session needs of a strategy that is followed live, in one file that is replaced whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.atomic import replacing
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.carried import Carried

__all__ = ["STATE", "LiveState", "load_state", "save_state"]

STATE = "state.safetensors"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class LiveState:
    """A strategy followed through its last session.

    Parameters
    ----------
    run_id : of the stored run.
    settings : SHA-256 of the run's config: another run of that name is another book.
    carried : overlays and books at the close of the last session.
    prices : the last sessions, as many as the next decision reads; the benchmark among them where it is traded.
    predictions : of those sessions; None where they have none.
    replayed, difference : sessions of the run that were decided again when the state began, and the largest difference.

    """

    run_id: str
    settings: str
    carried: Carried
    prices: PricePanel
    predictions: PredictionPanel | None
    replayed: int
    difference: float


def save_state(folder: Path, state: LiveState) -> None:
    """Put the state into `folder` in the place of the one before.

    Raises
    ------
    InputError
        If it cannot be written.

    """
    from safetensors.numpy import save

    carried, prices, views = state.carried, state.prices, state.predictions
    tensors: dict[str, Floats] = {f"cells/{name}": values for name, values in carried.cells.items()}
    tensors |= {f"lines/{name}": values for name, values in carried.lines.items()}
    tensors |= {f"prices/{name}": getattr(prices, name).to_numpy() for name in prices.fields}
    if prices.raw_close is not None:
        tensors["prices/raw_close"] = prices.raw_close.to_numpy()
    about: dict[str, Any] = {
        "version": _VERSION,
        "run_id": state.run_id,
        "settings": state.settings,
        "replayed": state.replayed,
        "difference": None if np.isnan(state.difference) else state.difference,
        "assets": list(map(str, carried.assets)),
        "sessions": _stamps(carried.sessions),
        "labels": list(carried.labels),
        "events": [list(event) for event in carried.events],
        "numbers": {name: repr(value) for name, value in carried.numbers.items()},
        "prices": {"assets": list(map(str, prices.assets)), "sessions": _stamps(prices.sessions),
                   "source": prices.source, "adjusted": prices.adjusted},
    }  # fmt: skip
    if views is not None:
        tensors |= {f"predictions/{name}": frame.to_numpy() for name, frame in views.frames().items()}
        about["predictions"] = {
            "assets": list(map(str, views.assets)), "sessions": _stamps(views.sessions), "unit": views.unit,
            "horizon": views.horizon, "delay": views.delay, "name": views.name,
            "zero_is_neutral": views.zero_is_neutral,
        }  # fmt: skip
    packed = {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in sorted(tensors.items())}
    text = json.dumps(about)
    head = {"about": text, "digest": _digest(packed, text)}
    with replacing(folder / STATE) as temporary:
        temporary.write_bytes(save(packed, metadata=head))


def load_state(folder: Path) -> LiveState | None:
    """The state in `folder`; None where there is none.

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or another version wrote it.

    """
    from safetensors import SafetensorError, safe_open

    path = folder / STATE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            head = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = json.loads(head["about"])
        if head["digest"] != _digest(tensors, head["about"]):
            raise ValueError("its content is not what was written")
        if about["version"] != _VERSION:
            raise ValueError(f"version {about['version']!r} is not one that is known here")
        return _read(about, tensors)
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{path}: damaged: {error}; bring back a copy, or begin anew in an empty folder with the whole history"
        ) from None


def _read(about: Mapping[str, Any], tensors: Mapping[str, Floats]) -> LiveState:
    def of(kind: str) -> dict[str, Floats]:
        return {name.removeprefix(f"{kind}/"): each for name, each in tensors.items() if name.startswith(f"{kind}/")}

    def frames(kind: str) -> dict[str, pd.DataFrame]:
        index, columns = _sessions(about[kind]["sessions"]), pd.Index(about[kind]["assets"])
        return {name: pd.DataFrame(values, index, columns) for name, values in of(kind).items()}

    carried = Carried(
        pd.Index(about["assets"]),
        _sessions(about["sessions"]),
        of("cells"),
        of("lines"),
        {name: float(text) for name, text in about["numbers"].items()},
        tuple(about["labels"]),
        tuple((str(asset), str(kind), str(detail)) for asset, kind, detail in about.get("events", [])),
    )
    market = about["prices"]
    fields: dict[str, Any] = frames("prices")
    prices = PricePanel(**fields, source=market["source"], adjusted=market["adjusted"])
    views = None
    if "predictions" in about:
        rest = {name: value for name, value in about["predictions"].items() if name not in ("assets", "sessions")}
        views = PredictionPanel.from_frames(frames("predictions"), **rest)
    difference = about["difference"]
    return LiveState(
        about["run_id"], about["settings"], carried, prices, views, int(about["replayed"]),
        float("nan") if difference is None else float(difference),
    )  # fmt: skip


def _stamps(sessions: pd.DatetimeIndex) -> list[str]:
    return [str(session.isoformat()) for session in sessions]


def _sessions(stamps: list[str]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(stamps)


def _digest(tensors: Mapping[str, Floats], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
