"""In place of `python -m verl.trainer.main_ppo` (verl 0.9.1): its words, rows, reward function, metrics, checkpoints.

It trains nothing: a step answers each prompt of a batch with "yes", has the reward function grade it, writes a line as
verl's file logger does, and every `save_freq` steps what verl leaves of a checkpoint. It resumes from the last.
"""

import asyncio
import importlib.util
import json
import sys
import time
from pathlib import Path

OPTIONS = json.loads((Path(__file__).parents[3] / "engine_options.json").read_text())["verl"]["options"]
LOGGER = "ray_kwargs.ray_init.runtime_env.env_vars.VERL_FILE_LOGGER_PATH"


def read(words: list[str]) -> dict[str, str]:
    """Later words win. As Hydra has it, a name that is not there fails, and so does a + before one that is."""
    given = {}
    for word in words:
        name, _, value = word.partition("=")
        known = name.removeprefix("+") in OPTIONS
        if known == name.startswith("+"):
            sys.exit(f"Could not override '{name}'")
        given[name.removeprefix("+")] = value.strip("'")
    return given


def main() -> None:
    given = read(sys.argv[1:])
    folder = Path(given["trainer.default_local_dir"])
    (folder / "given.json").write_text(json.dumps(given))
    rows = [json.loads(line) for line in Path(given["data.train_files"]).read_text().splitlines()]
    held_out = Path(given["data.val_files"]).read_text().splitlines()
    steps, save = int(given["trainer.total_training_steps"]), int(given["trainer.save_freq"])
    batch = int(given["data.train_batch_size"])
    assert int(given["trainer.total_epochs"]) * (len(rows) // batch) >= steps
    tracker = folder / "latest_checkpointed_iteration.txt"
    first = int(tracker.read_text()) + 1 if tracker.exists() else 1
    with Path(given[LOGGER]).open("wb", buffering=0) as log:
        for step in range(first, steps + 1):
            time.sleep(float(given.get("trainer.esi_redundant_time", 0)) or 0.02)
            rewards = [score(given, row) for row in rows[:batch]]
            if step % save == 0 or step == steps:
                (folder / f"global_step_{step}" / "actor").mkdir(parents=True)
                (folder / f"global_step_{step}" / "actor" / "weights").write_text(str(step))
                tracker.write_text(str(step))
            data = {
                "critic/score/mean": sum(rewards) / len(rewards),
                "actor/pg_loss": -0.01 * step,
                "actor/entropy": 2.0,
                "actor/reward_kl_penalty": 0.01,
                "actor/grad_norm": None if step == 2 else 0.5,
                "response_length/mean": 20.0,
                "response_length/clip_ratio": 0.25,
                "timing_s/step": 0.05,
            }
            if step == steps and held_out and int(given["trainer.test_freq"]) > 0:
                data["val-core/concord/acc/mean@1"] = 0.75
            log.write(json.dumps({"step": step, "data": data}).encode() + b"\n")


def score(given: dict[str, str], row: dict) -> float:
    """As the naive reward manager calls it."""
    spec = importlib.util.spec_from_file_location("reward", given["reward.custom_reward_function.path"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asked = {
        "data_source": row["data_source"],
        "solution_str": "yes",
        "ground_truth": row["reward_model"]["ground_truth"],
        "extra_info": {**row["extra_info"], "num_turns": 2, "rollout_reward_scores": {}},
        "spec": given["reward.custom_reward_function.reward_kwargs.spec"],
    }
    return asyncio.run(module.compute_score(**asked))


if __name__ == "__main__":
    main()
