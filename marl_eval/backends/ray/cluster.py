"""Connecting to a Ray cluster, or starting one on this machine, without a word of it on the terminal."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from marl_eval.errors import UserError

_KNOCK_SECONDS = 10.0


class Arguments(BaseModel):
    """The settings of the cluster (``--model-args``); the others are those of the replicas.

    ``replicas``: as many as the cluster has room for if not given. ``address`` of a running cluster,
    ``auto`` for the one that this machine belongs to; if not given, one is started here. ``cpus`` and
    ``gpus`` of each replica; one GPU where the cluster has any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    replicas: int | None = Field(default=None, ge=1)
    address: str | None = None
    cpus: float = Field(default=1, gt=0)
    gpus: float | None = Field(default=None, ge=0)


def connect(arguments: Arguments) -> bool:
    """Connect to the cluster, and tell whether this process was not connected before.

    Raises:
        UserError: if there is none at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # It warns that this will be the default, and would hide GPUs from what does not ask for any.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Read when ray is imported: it would tell of every lost process on the terminal, as the run does.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^")
    import ray

    if ray.is_initialized():
        return False
    local: dict[str, Any] = {} if arguments.address else {"include_dashboard": False}
    try:
        _knock(arguments.address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(
                address=arguments.address or "local",
                log_to_driver=False,
                logging_level="ERROR",
                **local,
            )
    except (OSError, RuntimeError, ValueError) as error:
        told = str(error).strip().partition("\n")[0].rstrip(".")
        if arguments.address is None:
            raise UserError(
                f"A Ray cluster could not be started on this machine ({told}): give the address of "
                f"one by --model-args address=HOST:PORT, or leave out --backend ray."
            ) from error
        raise UserError(
            f"There is no Ray cluster at {arguments.address!r} ({told}): start one by 'ray start "
            f"--head', give its address (and its token, if it has one, by RAY_AUTH_MODE=token and "
            f"RAY_AUTH_TOKEN), or leave the address out for a cluster on this machine."
        ) from error
    return True


def _knock(address: str | None) -> None:
    """See that somebody listens at an address of the form host:port; Ray tries for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


def room(arguments: Arguments, resources: Mapping[str, float]) -> tuple[int, float]:
    """Give the number of replicas, and the GPUs of each, given the cluster's ``resources``.

    Raises:
        UserError: if the cluster does not have that much.
    """
    total_cpus, total_gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
    gpus = arguments.gpus
    if gpus is None:
        gpus = 1.0 if total_gpus else 0.0
    most = int(total_cpus / arguments.cpus)
    if gpus:
        most = min(most, int(total_gpus / gpus))
    wanted = arguments.replicas or most
    if wanted > most or most == 0:
        raise UserError(
            f"The cluster has {total_cpus:g} CPUs and {total_gpus:g} GPUs, room for {most} replicas "
            f"of {arguments.cpus:g} CPUs and {gpus:g} GPUs: lower the arguments replicas, cpus or gpus."
        )
    return wanted, gpus
