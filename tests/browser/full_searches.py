"""Of the full project its searches over ranges of parameters."""

import random
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User

from alignment.models import Snapshot
from trainer.actions.runs import start_run
from trainer.models import ModelVersion, Run, RunEvent


def search(base: ModelVersion, snapshot: Snapshot, owner: User, trials: int) -> Run:
    """A search that has tried so often; the seventh of its trials failed, and every fourth was pruned."""
    ranges = {
        "learning_rate": {"low": 1e-6, "high": 1e-4, "log": True},
        "beta": {"low": 0.05, "high": 0.5},
        "batch_size": {"choices": [4, 8, 16]},
        "gradient_accumulation": {"low": 1, "high": 8},
    }
    run = start_run(
        project=base.project,
        method="dpo",
        base=base,
        snapshot=snapshot,
        by=owner,
        name=f"search of {trials}",
        search={"ranges": ranges, "trials": 24},
        seed=trials,
    )
    rng = random.Random(5)
    for number in range(trials):
        rate, beta = 10 ** rng.uniform(-6, -4), rng.uniform(0.05, 0.5)
        tried = {"learning_rate": rate, "beta": beta, "batch_size": rng.choice((4, 8, 16))}
        tried["gradient_accumulation"] = rng.randint(1, 8)
        state = "failed" if number == 6 else "pruned" if number % 4 == 3 else "complete"
        value = None if state == "failed" else 0.4 + abs(beta - 0.2) + 1e-6 / rate
        told = {"number": number, "parameters": tried, "values": {}}
        for place, (known, said) in enumerate((("running", None), (state, value))):
            RunEvent.objects.create(
                run=run,
                seq=2 * number + place + 1,
                kind="trial",
                data=told | {"state": known, "value": said},
                at=run.created_at + timedelta(minutes=2 * number + place),
            )
    return run


def search_forms(run: Run) -> list[dict[str, Any]]:
    """The ways to the form that begins with the search, and with one of its trials."""
    return [{"query": f"like={run.pk}"}, {"query": f"like={run.pk}&trial=0"}]
