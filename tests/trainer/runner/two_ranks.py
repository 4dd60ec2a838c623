"""Started by torchrun with two ranks: a spec is carried out on both, and FSDP2's parts answer as the whole does.

accelerate makes no FSDP of a CPU's ranks, so policy and value model are cut by torch's `fully_shard` as it would.
"""

from __future__ import annotations

import copy
import sys

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from trainer.runner.__main__ import main
from trainer.runner.actor_critic import ActorCritic
from trainer.runner.rollouts import answer, gathered, is_sharded

SETTINGS = {"temperature": 0.0, "longest": 6, "pad": 0, "ends": (49,)}


def check_parts() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_labels=1,
        pad_token_id=0,
    )
    whole = ActorCritic(LlamaForCausalLM(config), LlamaForSequenceClassification(config))
    cut = copy.deepcopy(whole)
    mesh = init_device_mesh("cpu", (2,))
    for layer in [*cut.policy.model.layers, *cut.value.model.layers]:
        fully_shard(layer, mesh=mesh)
    fully_shard(cut, mesh=mesh)
    assert is_sharded(cut)
    assert not is_sharded(whole)
    prompts = [[1, 2, 3], [4, 5, 6, 7]]
    ids = torch.tensor([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6]])
    for _ in range(2):  # before anything else has run, and again after a step
        with gathered(cut):
            found = answer(cut.policy, prompts, synced_gpus=True, **SETTINGS)
        assert found == answer(whole.policy, prompts, **SETTINGS)
        for mine, theirs in zip(cut(ids, 2, 1.0), whole(ids, 2, 1.0), strict=True):
            torch.testing.assert_close(mine, theirs)
        cut(ids, 2, 1.0)[0].sum().backward()


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    check_parts()
    sys.exit(main(sys.argv[1:]))
