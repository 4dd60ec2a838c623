"""A run that verl trains on a Ray cluster: `python -m trainer.runner.verl CARDS NODES SPEC.json [SETTING…]`.

The life of a run is the runner's own (`execution`): lock, stop, events, outcome. In the middle verl is a child process,
which finds the cluster by RAY_ADDRESS and takes its cards there itself. In the run's folder:

    verl/train.jsonl, test.jsonl   the prompts, each once, of those that leave room for a response
    verl/metrics.jsonl             what its `file` logger writes: {"step": n, "data": {name: number}}
    verl/global_step_N             its checkpoints; checkpoint-N points there once it has noted N as whole
    final/                         the last one's weights, brought together by `verl.model_merger`

verl saves nothing when it is stopped: a cancelled run goes on from its last checkpoint. SETTINGs are verl's own, for
what it must know of the machines; they come last and win. Written against verl 0.9.1.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from alignment.formats.verl import verl_row
from trainer import verl
from trainer.events import read_events
from trainer.runner.callback import diverged
from trainer.runner.checkpoints import last_complete, mark_complete
from trainer.runner.execution import FAILED, Run, execute
from trainer.runner.failures import RunnerError
from trainer.runner.loading import load_tokenizer, starts_from_adapter
from trainer.runner.rows import TrainingRows, load_prompts
from trainer.runner.stopping import Cancelled
from trainer.runner.training import publish_final
from trainer.spec import SpecError

REWARD = Path(__file__).with_name("verl_reward.py")
LIBRARIES = ("verl", "ray", "vllm", "torch", "transformers")
ENDS_WITHIN = 60.0  # seconds after SIGTERM; Ray ends what it left
_POLL = 0.5
_CHECKPOINT = "latest_checkpointed_iteration.txt"
# verl's names for what has one name on the charts.
NAMES = {
    "actor/loss": "loss",
    "actor/pg_loss": "policy_loss",
    "critic/vf_loss": "value_loss",
    "critic/score/mean": "reward",
    "critic/vf_explained_var": "explained_variance",
    "actor/kl_loss": "kl",
    "actor/reward_kl_penalty": "kl",
    "actor/reward_kl_penalty_coeff": "kl_coefficient",
    "actor/entropy": "entropy",
    "actor/pg_clipfrac": "clip_share",
    "critic/vf_clipfrac": "value_clip_share",
    "actor/grad_norm": "grad_norm",
    "actor/lr": "learning_rate",
    "response_length/mean": "length",
    "perf/max_memory_allocated_gb": "memory_gb",
    "actor/perf/max_memory_allocated_gb": "memory_gb",
    "perf/throughput": "tokens_per_second",
}
LOSSES = ("loss", "policy_loss", "value_loss")


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or not all(each.isdecimal() for each in arguments[:2]):
        sys.stderr.write("Usage: python -m trainer.runner.verl CARDS NODES SPEC.json [SETTING…]\n")
        return FAILED
    cards, nodes, spec, *more = arguments
    return execute(Path(spec), partial(train, cards=int(cards), nodes=int(nodes), more=more))


def train(run: Run, cards: int, nodes: int, more: list[str]) -> dict[str, Any]:
    """Have verl train on the run's prompts; returns what goes into result.json."""
    spec = run.spec
    if spec.method not in verl.METHODS or spec.search:
        raise SpecError(f"method: verl trains {', '.join(verl.METHODS)} here, and no search")
    refused = verl.not_taken(spec.method, spec.parameters)
    if refused:
        raise SpecError(f"parameters.{refused[0]}")
    if starts_from_adapter(run):
        raise RunnerError("verl starts from a whole model: merge the adapter into its base first.")
    rows = load_prompts(run, load_tokenizer(run))
    settings = verl.settings(spec.method, spec.model, spec.parameters, spec.seed, cards, nodes)
    batch, prompts = settings["data.train_batch_size"], rows.counts["train"]["used"]
    steps, epochs = verl.schedule(spec.parameters, prompts, batch)
    if not steps:
        raise RunnerError(
            f"A step of verl takes {batch} prompts on all cards together, and {prompts} are left for "
            f"{spec.parameters['epochs']} epochs: add prompts, or take fewer in a step."
        )
    _report_start(run, rows)
    folder = run.folder / "verl"
    settings |= _places(run, folder, rows) | _rewards(run)
    settings |= {"trainer.total_training_steps": steps, "trainer.total_epochs": epochs}
    following = Following(run, folder, steps, steps / epochs)
    if last_complete(run.folder)[0] < steps:
        _train_to_end([*verl.words(settings), *more], following)
    if last_complete(run.folder)[0] < steps:
        raise RunnerError(
            f"verl ended before step {steps} and saved no last checkpoint; runner.log says why."
        )
    model = publish_final(run, partial(_merge, folder / f"global_step_{steps}" / "actor"))
    return {"model": model, "steps": steps, "rows": rows.counts, "evaluation": _last_evaluation(run)}


def _last_evaluation(run: Run) -> dict[str, float | None] | None:
    """Of any attempt: the last one may have had nothing to do but bring the weights together."""
    events, _ = read_events(run.folder / "events.jsonl")
    found = [event["values"] for event in events if event["kind"] == "evaluation"]
    return found[-1] if found else None


def _report_start(run: Run, rows: TrainingRows) -> None:
    run.events.write(
        "started",
        method=run.spec.method,
        spec_sha256=run.spec.sha256(),
        versions={name: _version(name) for name in LIBRARIES},
        device="verl on Ray",
        rows=rows.counts,
        columns=rows.columns,
        resumed_step=last_complete(run.folder)[0],
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _places(run: Run, folder: Path, rows: TrainingRows) -> dict[str, Any]:
    """Where verl reads and writes; without held-out prompts it is given the others and asked for no evaluation."""
    folder.mkdir(exist_ok=True)
    train = _write(folder / "train.jsonl", rows.train)
    test = _write(folder / "test.jsonl", rows.test) if rows.test is not None else train
    every = run.spec.parameters["eval_steps"] or verl.NEVER
    return {
        "data.train_files": str(train),
        "data.val_files": str(test),
        "trainer.val_before_train": False,
        "trainer.test_freq": every if rows.test is not None else -1,
        "trainer.default_local_dir": str(folder),
        "trainer.max_actor_ckpt_to_keep": 2,
        "trainer.max_critic_ckpt_to_keep": 2,
        "trainer.project_name": "concord",
        "trainer.experiment_name": run.folder.name,
        "+ray_kwargs.ray_init.runtime_env.env_vars.VERL_FILE_LOGGER_PATH": str(folder / "metrics.jsonl"),
    }


def _write(path: Path, rows: Any) -> Path:
    with path.open("w") as file:
        for index, row in enumerate(rows):
            beside = {name: value for name, value in row.items() if name != "prompt"}
            file.write(json.dumps(verl_row(index, row["prompt"], beside)) + "\n")
    return path


def _rewards(run: Run) -> dict[str, Any]:
    """One reward model, which verl serves itself, or the graders as its reward function."""
    (first, *_) = run.spec.parameters["rewards"]
    if "model" in first:
        served = "reward.reward_model"
        return {
            f"{served}.enable": True,
            f"{served}.model_path": str(first["model"]),
            f"{served}.rollout.name": "vllm",
            f"{served}.rollout.tensor_model_parallel_size": 1,
            f"{served}.rollout.prompt_length": run.spec.parameters["max_length"],
        }
    return {
        "reward.custom_reward_function.path": str(REWARD),
        "+reward.custom_reward_function.reward_kwargs.spec": str(run.folder / "spec.json"),
    }


class Following:
    """verl's files as this run's events: its metrics, and the checkpoints that it notes as whole."""

    def __init__(self, run: Run, folder: Path, steps: int, an_epoch: float) -> None:
        self.run, self.folder = run, folder
        self._reported = self._saved()
        self._steps, self._an_epoch, self._offset = steps, an_epoch, 0
        # verl begins its file anew at each start.
        (folder / "metrics.jsonl").unlink(missing_ok=True)

    def look(self) -> None:
        """Report what is new. Raises RunnerError where the loss is no number any more."""
        for step, data in self._lines():
            values = metric_values(data, in_all=self.run.spec.method == "ppo")
            if values:
                self.run.report_metric(step, self._steps, round(step / self._an_epoch, 4), values)
            spoilt = [values[name] for name in LOSSES if name in values and not _is_finite(values[name])]
            if spoilt:
                self._forget_newer()
                raise diverged(self.run, spoilt[0], step)
            self._reported = step
            if held_out := held_out_reward(data):
                self.run.report_evaluation(step, held_out)
        self._checkpoint()

    def _lines(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Whole lines; one that is still being written is left for the next look."""
        try:
            with (self.folder / "metrics.jsonl").open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        end = data.rfind(b"\n") + 1
        self._offset += end
        for line in data[:end].splitlines():
            found = json.loads(line)
            yield int(found["step"]), found["data"]

    def _saved(self) -> int:
        """The last step of which verl has noted a checkpoint."""
        try:
            return int((self.folder / _CHECKPOINT).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _forget_newer(self) -> None:
        """Have verl go on from the last checkpoint that this run has: what it saved since is spoilt."""
        step, _ = last_complete(self.run.folder)
        note = self.folder / _CHECKPOINT
        if step:
            note.write_text(str(step))
        else:
            note.unlink(missing_ok=True)

    def _checkpoint(self) -> None:
        step = self._saved()
        link = self.run.folder / f"checkpoint-{step}"
        # verl logs a step after it has saved it; weights gone wrong never become a checkpoint.
        if not 0 < step <= self._reported or link.exists():
            return
        for older in self.run.folder.glob("checkpoint-*"):
            older.unlink()
        link.symlink_to(self.folder / f"global_step_{step}", target_is_directory=True)
        mark_complete(link)
        self.run.events.write("checkpoint", step=step, path=str(link))


def metric_values(data: Mapping[str, Any], *, in_all: bool) -> dict[str, float | None]:
    """A line's figures by our names. verl's KL is a mean over tokens; ``in_all`` makes it that of a response."""
    values = {ours: data[name] for name, ours in NAMES.items() if name in data}
    if (share := data.get("response_length/clip_ratio")) is not None:
        values["ended_share"] = 1 - share
    if in_all and values.get("kl") is not None and values.get("length"):
        values["kl"] *= values["length"]
    return values


def held_out_reward(data: Mapping[str, Any]) -> dict[str, float | None] | None:
    """The mean reward on held-out prompts, where the line has one."""
    found = [value for name, value in data.items() if name.startswith("val-core/") and "/mean@" in name]
    return {"reward": found[0]} if found else None


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _train_to_end(words: list[str], following: Following) -> None:
    """verl as a child, followed until it ends. Raises Cancelled, or RunnerError where it failed."""
    run = following.run
    run.check_stop()
    child = subprocess.Popen([sys.executable, "-m", "verl.trainer.main_ppo", *words], cwd=following.folder)
    try:
        while child.poll() is None:
            following.look()
            if reason := run.stop.reason():
                _end(child)
                following.look()
                raise Cancelled(reason, *last_complete(run.folder))
            time.sleep(_POLL)
    finally:
        _end(child)
    following.look()
    if child.returncode:
        run.check_stop()  # a signal to the whole group reaches it as well
        raise RunnerError(f"verl ended with status {child.returncode}; the end of runner.log says why.")


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _merge(checkpoint: Path, folder: Path) -> None:
    """Bring the shards of the actor together into one model as transformers reads it."""
    shutil.rmtree(folder, ignore_errors=True)
    words = ["merge", "--backend", "fsdp", "--local_dir", str(checkpoint), "--target_dir", str(folder)]
    done = subprocess.run([sys.executable, "-m", "verl.model_merger", *words], check=False)
    if done.returncode:
        raise RunnerError(f"verl.model_merger ended with status {done.returncode}; runner.log says why.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
