"""What an administrator says of each launcher: one entry a name in the setting LAUNCHERS."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

LISTS = ("slots", "pass_on", "engine_settings")
ENGINES = ("verl",)
SPREADING = ("slurm", "ray")
KINDS = ("local", "ray", "slurm", "kubernetes", "remote")


@dataclass(frozen=True)
class LauncherSettings:
    """``hour_price`` is the price of one hour of all that a run is given, in the currency of your budgets.

    ``slots``: what one run has to itself on this machine, each "cpu" or cards as for CUDA_VISIBLE_DEVICES, "0" or
    "0,1"; empty is one for each card, or one "cpu". ``memory_gib`` and ``teraflops`` (bf16) are one card's, for the
    estimates; 0 asks the machine, or leaves it open. ``cards`` is how many a run asks a cluster for, ``nodes`` on
    how many machines. ``url`` and ``token_env`` (the name of an environment variable) are the Ray head's;
    ``template`` is the path of a Slurm or Kubernetes template of your own; ``image`` and ``namespace`` are
    Kubernetes', ``partition`` is Slurm's. ``python`` and ``root`` are the interpreter and this code's folder there.
    ``engine`` is "verl" where Ray's runs are trained by it, on ``nodes`` machines with ``cards`` each;
    ``engine_settings`` are settings of its own for what it must know of the machines, such as
    "actor_rollout_ref.rollout.tensor_model_parallel_size=4".
    ``weights_gib`` is how much a machine elsewhere (``remote``) may send back as the model of one run.
    ``pass_on`` names variables of the server's environment that its runs are given, such as the key of a judge or a
    tracker; nothing else of it that may be secret reaches them. A cluster sees the folders of runs, snapshots and
    models under the same paths as this server.
    """

    kind: str = "local"
    slots: tuple[str, ...] = ()
    hour_price: float = 0.0
    memory_gib: float = 0.0
    teraflops: float = 0.0
    cards: int = 1
    nodes: int = 1
    url: str = ""
    token_env: str = ""
    template: str = ""
    image: str = ""
    namespace: str = "default"
    partition: str = ""
    python: str = "python"
    root: str = ""
    pass_on: tuple[str, ...] = ()
    engine: str = ""
    engine_settings: tuple[str, ...] = ()
    weights_gib: float = 100.0

    @property
    def passed_on(self) -> dict[str, str]:
        """The variables that ``pass_on`` names, as far as the server has them."""
        return {name: os.environ[name] for name in self.pass_on if name in os.environ}


def read_settings(given: Mapping[str, Mapping[str, Any]]) -> dict[str, LauncherSettings]:
    """The launchers by name, with ``local`` always among them. ImproperlyConfigured names what is wrong."""
    known = {field.name for field in fields(LauncherSettings)}
    read = {}
    for name, entry in {"local": {}, **given}.items():
        unknown = sorted(set(entry) - known)
        if unknown:
            raise ImproperlyConfigured(f"LAUNCHERS: {name} has the unknown field {unknown[0]!r}.")
        lists = {field: entry.get(field, ()) for field in LISTS}
        for field, value in lists.items():
            if not isinstance(value, list | tuple):
                raise ImproperlyConfigured(f"LAUNCHERS: {name} needs a list in {field}, not {value!r}.")
        read[name] = LauncherSettings(**{**entry, **{field: tuple(value) for field, value in lists.items()}})
        if read[name].kind not in KINDS:
            raise ImproperlyConfigured(f"LAUNCHERS: {name} needs a kind of {', '.join(KINDS)}.")
        if read[name].nodes > 1 and read[name].kind not in SPREADING:
            raise ImproperlyConfigured(
                f"LAUNCHERS: {name} has nodes, which Slurm and Ray alone spread a run over."
            )
        if read[name].engine and (read[name].kind != "ray" or read[name].engine not in ENGINES):
            raise ImproperlyConfigured(f"LAUNCHERS: {name} needs an engine of {', '.join(ENGINES)}, on Ray.")
        weights = read[name].weights_gib
        if isinstance(weights, bool) or not isinstance(weights, int | float) or not weights > 0:
            raise ImproperlyConfigured(f"LAUNCHERS: {name} needs a number above 0 in weights_gib.")
        if read[name].kind == "ray" and not read[name].url:
            raise ImproperlyConfigured(f"LAUNCHERS: {name} needs the url of the Ray head's dashboard.")
    return read
