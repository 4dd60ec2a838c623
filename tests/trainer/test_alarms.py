"""Each alarm fires on a stream in which it is true, names its evidence, and stays silent on a healthy one."""

import json
import math
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feedback.models import Notice
from trainer.actions.following import Progress
from trainer.actions.runs import _stored_progress, start_run
from trainer.alarms import ALARMS, CHANCE, Raised, Watch, stalled
from trainer.events import FIELDS, EventWriter, read_events
from trainer.folders import run_folder
from trainer.runner.stopping import StopWatch
from trainer.runner.watched import WatchedEvents
from trainer.spec import RunSpec

from .conftest import GOOD, PROMPTS, turn, write_rows

Events = Iterable[Mapping[str, Any]]


def started(method: str) -> dict[str, Any]:
    return {"kind": "started", "method": method}


def metric(step: int, **values: float | None) -> dict[str, Any]:
    return {"kind": "metric", "step": step, "values": values}


def evaluation(step: int, **values: float | None) -> dict[str, Any]:
    return {"kind": "evaluation", "step": step, "values": values}


def raised(events: Events) -> list[Raised]:
    watch = Watch()
    return [alarm for event in events for alarm in watch.feed(event)]


def noise(step: int) -> float:
    return random.Random(step).uniform(-0.05, 0.05)


def healthy(method: str) -> Events:
    """A run that learns: noisy, with a reward that saturates and a held-out loss that falls.

    One that learns from given rows becomes certain of what it was given.
    """
    yield started(method)
    certain = 0.93 if method in ("sft", "dpo") else 0.997
    for step in range(1, 101):
        yield metric(
            step,
            loss=1 / step**0.5 + noise(step),
            grad_norm=1 + noise(step),
            reward=2 - 2 / step**0.5 + noise(step),
            kl=4 * (1 - 1 / step) + noise(step),
            entropy=2 * certain**step + noise(step) / 100,
            length=40 + 0.1 * step + 20 * noise(step),
        )
        if step % 10 == 0:
            yield evaluation(
                step,
                loss=1 / step**0.5 + noise(step) / 5,
                win_rate=0.5 + 0.002 * step + noise(step) / 4,
                win_rate_n=400,
                win_rate_decided=200,
            )


@pytest.mark.parametrize("method", ["sft", "dpo", "ppo", "reward"])
def test_a_healthy_run_sets_off_nothing(method):
    assert raised(healthy(method)) == []


def overfits() -> Events:
    for step in range(1, 61):
        yield metric(step, loss=2 / step)
        if step % 10 == 0:
            yield evaluation(step, loss=1 + abs(step - 20) / 40)


def blows_up() -> Events:
    """PPO without a KL coefficient, as measured: 79 nats at the end."""
    yield started("ppo")
    for step in range(1, 61):
        yield metric(step, loss=0.1, kl=79 * step / 60)


def collapses() -> Events:
    yield started("ppo")
    for step in range(1, 61):
        yield metric(step, loss=0.1, entropy=2.0 * 0.93**step)


def pads() -> Events:
    for step in range(1, 61):
        yield metric(step, loss=0.1, reward=0.1 * step, length=20 + step)


def games() -> Events:
    for step in range(1, 61):
        yield metric(step, loss=0.1, reward=0.05 * step)
        if step % 10 == 0:
            yield evaluation(step, win_rate=0.7 - abs(step - 30) / 100, win_rate_n=800, win_rate_decided=800)


def breaks() -> Events:
    yield metric(1, loss=0.4, grad_norm=1.0)
    yield metric(2, loss=0.3, grad_norm=None)


STREAMS = {
    "overfitting": (overfits, 40, "The held-out loss was 1 at step 20 and is 1.5 now"),
    "kl_blow_up": (blows_up, 21, "nats a response; 25 is far."),
    "entropy_collapse": (collapses, None, "The entropy fell from 1.61 to"),
    "length_hacking": (
        pads,
        None,
        "The answers grew from 23 to 37 tokens while the reward rose from 0.3 to 1.7.",
    ),
    "reward_hacking": (
        games,
        50,
        "fell from 0.70 at step 30 to 0.50, while the reward rose from 1.4 to 2.4; of 800 prompts 0.07 may be",
    ),
    "nan": (breaks, 2, "grad_norm is not a finite number."),
}


@pytest.mark.parametrize("name", STREAMS)
def test_an_alarm_fires_once_with_its_evidence(name):
    stream, step, evidence = STREAMS[name]

    (alarm,) = raised(stream())

    assert alarm.alarm == name
    assert evidence in alarm.evidence
    assert step is None or alarm.step == step


def test_a_model_that_is_never_better_than_its_base_games_its_reward():
    """As measured of GRPO on a grader that pays for words: 0 at the first evaluation, and ever after."""
    steps = range(1, 21)
    gaming = [metric(step, reward=0.3 + 0.02 * step) for step in steps]
    for step in steps[4::5][::-1]:
        gaming.insert(step, evaluation(step, win_rate=0.0, win_rate_n=16, win_rate_decided=16))

    (alarm,) = raised(gaming)

    assert (alarm.alarm, alarm.step) == ("reward_hacking", 10)
    assert "fell from 0.50 at step 0 to 0.00, while the reward rose from 0.36 to 0.46" in alarm.evidence


def test_few_prompts_that_fall_a_little_are_noise():
    """Of 16 prompts a win and 3 losses; of ten times as many the same is a fall, under even and under the best."""

    def stream(times: int, *rates: float) -> Events:
        for step, rate in enumerate(rates, start=1):
            yield metric(step, reward=0.05 * step)
            yield evaluation(step, win_rate=rate, win_rate_n=16 * times, win_rate_decided=4 * times)

    for rates in ([0.4375] * 3, [0.55, 0.4375, 0.4375]):
        assert raised(stream(1, *rates)) == []
        assert [each.alarm for each in raised(stream(10, *rates))] == ["reward_hacking"]
    slightly = [0.55, 0.51, 0.51]  # no chance, and no matter
    assert raised(stream(10**5, *slightly)) == []


def test_ppo_on_a_learnt_reward_without_a_price_on_the_kl_is_seen_on_48_prompts():
    """As measured, at every fifth step: wins of 48 prompts, and how many were decided."""
    found = [(24, 0)] * 6 + [(20, 8), (19, 10), (19, 10), (18, 12), (18, 12), (16, 16), (15, 18)]
    gaming = [metric(5 * k, reward=1.5 + 0.05 * k) for k in range(1, 14)]
    for k, (wins, decided) in reversed([*enumerate(found, start=1)]):
        gaming.insert(k, evaluation(5 * k, win_rate=wins / 48, win_rate_n=48, win_rate_decided=decided))
    (alarm,) = raised(gaming)
    assert (alarm.alarm, alarm.step) == ("reward_hacking", 65)


EVALUATIONS, RUNS = 20, 200


def outcomes(chance: np.random.Generator, n: int, win: float, tie: float, kept: float) -> np.ndarray:
    """(evaluations, prompts): 1, ½ or 0 for a win, a tie or a loss. A share `kept` is as it was before."""
    drawn = chance.choice([1.0, 0.5, 0.0], p=[win, tie, 1 - win - tie], size=(EVALUATIONS, n))
    for before, after in pairwise(drawn):
        same = chance.random(n) < kept
        after[same] = before[same]
    return drawn


def share_of_alarms(
    n: int, win: float, tie: float, kept: float, fall: float = 0.0, said: int | None = None
) -> float:
    """The share of simulated runs that set off reward_hacking; `fall`: of the wins from half the run on."""
    chance, fired = np.random.default_rng(0), 0
    for _ in range(RUNS):
        scores = outcomes(chance, n, win, tie, kept)
        scores[EVALUATIONS // 2 :] *= chance.random((EVALUATIONS - EVALUATIONS // 2, n)) >= fall
        watch, found = Watch(), []
        for step, each in enumerate(scores, start=1):
            watch.feed(metric(step, reward=0.1 * step))
            decided = (each != 0.5).mean() * (said or n)
            values = {"win_rate": each.mean(), "win_rate_n": said or n, "win_rate_decided": decided}
            found += watch.feed(evaluation(step, **values))
        fired += bool(found)
    return fired / RUNS


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("win", "tie"), [(0.5, 0.0), (0.3, 0.4), (0.8, 0.1)])
@pytest.mark.parametrize("n", [4, 16, 100])
def test_chance_alone_sets_off_reward_hacking_in_few_runs(n, win, tie, kept):
    """Whose reward rises and whose win rate stays what it is, however much one evaluation is like the one before."""
    assert share_of_alarms(n, win, tie, kept) <= CHANCE


def test_a_fall_that_the_prompts_can_show_is_seen():
    assert share_of_alarms(100, 0.7, 0.0, 0.5, fall=0.6) > 0.95
    assert share_of_alarms(16, 0.7, 0.0, 0.5, fall=1.0) > 0.95
    # Were 16 prompts taken for many, most runs would be accused.
    assert share_of_alarms(16, 0.5, 0.0, 0.5, said=1000) > 0.5


def test_only_an_alarm_that_was_written_counts_as_raised(tmp_path):
    """A run of an older version went on without the alarm: it is raised now."""
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as older:
        for event in STREAMS["kl_blow_up"][0]():
            written(older, event)

    with WatchedEvents(path, StopWatch(tmp_path)) as events:
        written(events, metric(61, loss=0.1, kl=79.0))
    with WatchedEvents(path, StopWatch(tmp_path)) as events:
        written(events, metric(62, loss=0.1, kl=79.0))

    assert [event["step"] for event in read_events(path)[0] if event["kind"] == "alarm"] == [61]


def written(events: EventWriter, event: Mapping[str, Any]) -> None:
    """As a runner writes it: every field of its kind, and numbers that are none as they come."""
    fields = dict.fromkeys(FIELDS[event["kind"]]) | {n: v for n, v in event.items() if n != "kind"}
    if fields.get("values"):
        fields["values"] = {n: math.nan if v is None else v for n, v in event["values"].items()}
    events.write(event["kind"], **fields)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", STREAMS)
def test_a_run_stops_on_the_alarms_that_it_names_and_on_no_other(tmp_path, name, named):
    """The runner's own watching, over an events file; test_stops.py has a whole run that is stopped so."""
    stop, path = StopWatch(tmp_path), tmp_path / "events.jsonl"
    spec = RunSpec("sft", "m", "d", stop_on=[name] if named else [other for other in ALARMS if other != name])
    stopped_at = None
    with WatchedEvents(path, stop) as events:
        events.obey(spec)
        for event in STREAMS[name][0]():
            written(events, event)
            if stop.reason() and stopped_at is None:
                stopped_at = event["step"]

    (alarm,) = [event for event in read_events(path)[0] if event["kind"] == "alarm"]
    assert (alarm["alarm"], stopped_at) == (name, alarm["step"] if named else None)
    assert stop.reason() == (f"alarm: {ALARMS[name].title}. {alarm['evidence']}" if named else None)
    assert stop.by_itself is named

    resumed = StopWatch(tmp_path)
    with WatchedEvents(path, resumed) as events:
        events.obey(spec)
        for event in STREAMS[name][0]():
            written(events, event)
    assert resumed.reason() is None  # seen before, and gone on from by a person


@pytest.mark.django_db
@pytest.mark.parametrize("named", [True, False])
def test_a_run_that_is_to_stop_on_silence_is_stopped_by_who_reads_its_log(
    project, policy_model, tmp_path, named
):
    run = start_run(
        project=project,
        method="sft",
        base=policy_model,
        dataset=written_rows(tmp_path),
        by=None,
        stop_on=["stalled"] if named else ["nan"],
    )
    run_folder(run).mkdir(parents=True)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    lines = [
        {"seq": n, "at": (long_ago + timedelta(seconds=n)).isoformat(), "kind": "metric", "epoch": 1.0}
        | {"step": n, "total_steps": 9, "values": {"loss": 1.0}}
        for n in range(1, 5)
    ]
    (run_folder(run) / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    progress = _stored_progress(run, Progress())

    assert progress.step == 4
    assert progress.stop.startswith("Its last word came 35") is named
    assert Notice.objects.get().text.startswith(f"{run.name}: {ALARMS['stalled'].title}")


def written_rows(folder: Path) -> Path:
    rows = [{"prompt": turn("user", prompt), "completion": turn("assistant", GOOD)} for prompt in PROMPTS]
    write_rows(folder / "train.parquet", rows)
    return folder / "train.parquet"


def test_every_alarm_but_silence_has_a_stream_here():
    assert {*STREAMS, "stalled"} == set(ALARMS)
    assert all(alarm.advice.endswith(".") and alarm.meaning.endswith(".") for alarm in ALARMS.values())


def test_what_was_raised_before_a_resume_is_not_raised_again():
    watch = Watch()
    watch.feed({"kind": "alarm", "step": 22, "alarm": "kl_blow_up", "evidence": "seen"})

    assert [each for event in blows_up() for each in watch.feed(event)] == []


def test_the_kl_of_grpo_is_a_mean_over_tokens():
    def stream(kl: float) -> Events:
        yield started("grpo")
        for step in range(1, 31):
            yield metric(step, loss=0.1, kl=kl, completions_mean_length=100.0)

    assert raised(stream(0.02)) == []
    assert "40 nats a response" in raised(stream(0.4))[0].evidence


@pytest.mark.parametrize(
    ("moments", "now", "silent"),
    [
        ([0, 1, 2, 3], 60, False),  # twenty times a second is no long silence
        ([0, 1, 2, 3], 124, True),
        ([0, 30, 60, 90], 600, False),
        ([0, 30, 60, 90], 700, True),
        ([0, 1], 10_000, False),  # no usual pace yet
    ],
)
def test_silence_is_measured_in_usual_steps(moments, now, silent):
    assert bool(stalled(moments, now)) is silent
