"""Hand a stored run to MLflow: parameters, metrics, per-epoch losses, and the run folder's small files."""

from __future__ import annotations

import contextlib
import math
import os
import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from assay.data.errors import InputError
from assay.data.optional import missing_package
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.storage.runs import Run, flattened

__all__ = ["connect", "log_run"]

#: The user and password of an address.
_SECRET = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/]*@")


def connect(tracking_uri: str) -> Any:
    """A client of an MLflow store.

    Raises
    ------
    InputError
        If MLflow is not installed or the store cannot be used.

    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise missing_package(error, what="--mlflow") or error from None
    if "://" not in tracking_uri or tracking_uri.startswith("file:"):
        # Recent versions of MLflow refuse folders unless told that they are meant; whoever names one means it.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        client = MlflowClient(tracking_uri=tracking_uri)
        client.search_experiments(max_results=1)
    except (MlflowException, ImportError, OSError) as error:
        raise _failed(tracking_uri, error) from None
    return client


def _failed(tracking_uri: str, error: Exception) -> InputError:
    """The line for a store that does not answer, without the password that its address may hold."""
    shown = _SECRET.sub(r"\1…@", tracking_uri)
    reason = _SECRET.sub(r"\1…@", " ".join(str(error).split()))
    with contextlib.suppress(ValueError):  # an address that is none has no password
        secret = unquote(urlsplit(tracking_uri).password or "")
        for word in filter(None, (secret, quote(secret, safe=""))):
            reason = reason.replace(word, "…")
    return InputError(f"--mlflow {shown}: {reason}")


def log_run(run: Run, tracking_uri: str, *, experiment: str = "assay") -> str:
    """Log a run; returns MLflow's id of it.

    Parameters
    ----------
    run : a stored run.
    tracking_uri : of the MLflow store, e.g. ``sqlite:///mlflow.db`` or ``file:///path``.
    experiment : name of the MLflow experiment.

    Raises
    ------
    InputError
        If MLflow is not installed or the store cannot be used.

    """
    client = connect(tracking_uri)
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_experiment_by_name(experiment)
        identity = found.experiment_id if found is not None else client.create_experiment(experiment)
        logged = client.create_run(identity, run_name=run.id)
        key = logged.info.run_id
        for name, value in flattened(run.manifest.get("config", {})).items():
            client.log_param(key, name[:250], str(value)[:500])
        for item in run.metrics.get("metrics", ()):
            if item["value"] is not None and math.isfinite(item["value"]):
                client.log_metric(key, item["name"], item["value"])
        for kind, sentence in CheckOutcomes.of(run).sentences.items():
            client.set_tag(key, f"check.{kind}", sentence)
        if run.has("training"):
            for record in run.table("training").to_dict("records"):
                for column in sorted({"train_loss", "validation_loss"} & set(record)):
                    name = f"fold{record['fold']}_seed{record['seed']}_{column}"
                    client.log_metric(key, name, float(record[column]), step=int(record["epoch"]))
        for name in ("manifest.json", "metrics.json", "checks.json"):
            if (run.path / name).exists():
                client.log_artifact(key, str(run.path / name))
        client.set_terminated(key)
    except MlflowException as error:
        raise _failed(tracking_uri, error) from None
    return str(key)
