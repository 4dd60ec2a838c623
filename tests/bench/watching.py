"""How light the pages of runs are: `make bench-watching`, with 1,000 runs, one of which has 1,000,000 points.

The log of the long run is read by the code that follows a runner; pages and the charts' endpoint are asked for
through Django, without a network. Times are milliseconds, the median of repeated requests.
"""

import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RUNS = int(os.environ.get("BENCH_RUNS", "1000"))
POINTS = int(os.environ.get("BENCH_POINTS", "1000000"))
VALUES = 10  # values in each metric event; a point is one of them
REPEAT = 9


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        os.environ |= {"CONCORD_VAR": folder, "DJANGO_SETTINGS_MODULE": "deploy.settings"}
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/bench.sqlite3"
        import django

        django.setup()
        measure()


def measure() -> None:
    from django.core.management import call_command
    from django.test import Client
    from django.urls import reverse

    from tests.bench.report import Row, publish
    from trainer.actions.events import store_events
    from trainer.actions.following import Progress
    from trainer.curves import Curves
    from trainer.folders import run_folder

    call_command("migrate", verbosity=0)
    user, project, long = populate()
    folder = run_folder(long)
    folder.mkdir(parents=True)
    write_log(folder / "events.jsonl", long.method)
    began = time.perf_counter()
    store_events(long, Progress())
    stored = POINTS / (time.perf_counter() - began)

    client = Client(HTTP_HOST="localhost")
    client.force_login(user)
    curves = Curves.from_json(long.curves)
    series = reverse("trainer:run-series", args=[project.slug, long.pk])
    again = f"{series}?after={long.step}&width={curves.width}&cuts={curves.cuts}"
    page = reverse("trainer:run", args=[project.slug, long.pk])
    listed = reverse("trainer:runs", args=[project.slug])
    rows = [
        Row("points read from the log and stored", "a second", stored, more_is_better=True),
        Row("page of 1,000 runs", "ms", timed(lambda: client.get(listed)), goal=200),
        Row("page of the long run", "ms", timed(lambda: client.get(page)), goal=200),
        Row("its curves, whole", "ms", timed(lambda: client.get(series)), goal=200),
        Row("its curves, what is new", "ms", timed(lambda: client.get(again)), goal=200),
        Row("page of 1,000 runs, size", "KB", len(client.get(listed).content) / 1000),
        Row("its curves, whole, size", "KB", len(client.get(series).content) / 1000),
        Row("its curves, what is new, size", "KB", len(client.get(again).content) / 1000),
    ]
    publish("watching", rows)


def timed(ask: Callable[[], object]) -> float:
    """Median milliseconds, after one request that warms up."""
    ask()
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def populate():  # type: ignore[no-untyped-def]  # rows of apps that are not loaded yet
    """An owner, a project, its runs with a metric each, and the long one."""
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from feedback.actions.projects import create_project
    from feedback.models import Job, JobState
    from trainer.models import Run, RunEvent
    from trainer.spec import RunSpec

    user = get_user_model().objects.create_superuser("owner", password="owner")
    project = create_project(name="Watching", by=user)
    spec = RunSpec(method="dpo", model="/models/base", dataset="/data", budget={"hour_price": 2.5})
    jobs = [
        Job(
            project=project,
            task="trainer.tasks.perform_run",
            queue="gpu",
            state=state,
            started_at=timezone.now(),
        )
        for state in [JobState.SUCCEEDED] * (RUNS - 1) + [JobState.INTERRUPTED]
    ]
    Job.objects.bulk_create(jobs, batch_size=200)
    runs = [
        Run(
            project=project,
            job=job,
            name=f"dpo-{number}",
            method="dpo",
            spec=json.loads(spec.to_json()),
            spec_sha256=spec.sha256(),
            step=100,
            total_steps=100,
        )
        for number, job in enumerate(jobs)
    ]
    Run.objects.bulk_create(runs, batch_size=200)
    metrics = [
        RunEvent(run=run, seq=1, kind="metric", step=100, data={"values": {"loss": 0.1}}, at=run.created_at)
        for run in runs[:-1]
    ]
    RunEvent.objects.bulk_create(metrics, batch_size=200)
    return user, project, runs[-1]


def write_log(path: Path, method: str) -> None:
    """What a runner would have written: POINTS values in events of VALUES each, and a checkpoint now and then."""
    steps = POINTS // VALUES
    names = ("loss", "grad_norm", "accuracy", "margin", "reward_chosen", "reward_rejected", "entropy", "learning_rate",
             "memory_gb", "rows_per_second")  # fmt: skip
    with path.open("w") as log:
        at = "2026-11-27T12:{:02d}:{:02d}+00:00"
        start = {"seq": 1, "at": at.format(0, 0), "kind": "started", "method": method, "spec_sha256": "",
                 "versions": {}, "device": "cpu", "rows": {}, "columns": {}, "resumed_step": 0}  # fmt: skip
        log.write(json.dumps(start) + "\n")
        for step in range(1, steps + 1):
            values = {name: math.sin(step / 5000 * (place + 1)) for place, name in enumerate(names)}
            moment = at.format(step * 59 // steps, step % 60)
            event = {"seq": step + 1, "at": moment, "kind": "metric", "step": step, "total_steps": steps,
                     "epoch": 0.1, "values": values}  # fmt: skip
            log.write(json.dumps(event) + "\n")


if __name__ == "__main__":
    sys.exit(main())
