"""`python -m trainer.runner` for a rank that is taken for a card's though it has none.

accelerate makes FSDP2 and DeepSpeed of the ranks of cards only: of a CPU's it makes DDP. What follows is all it takes
to have it think otherwise; the sharding itself is torch's and DeepSpeed's own, over gloo.
"""

import sys
from importlib.util import find_spec

import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType

from trainer.runner import ppo, training
from trainer.runner.__main__ import main

PartialState._prepare_backend = lambda *_: ("gloo", DistributedType.MULTI_GPU)
PartialState.set_device = lambda state: setattr(state, "device", torch.device("cpu"))
_arguments = training.training_arguments
training.training_arguments = lambda *given: _arguments(*given) | {"use_cpu": False}
_accelerator = ppo.Accelerator
ppo.Accelerator = lambda **given: _accelerator(**given | {"cpu": False})
if find_spec("deepspeed"):
    import deepspeed.comm.torch

    deepspeed.comm.torch.build_shm_op = lambda: (
        None
    )  # a faster all-reduce, which it would compile in each rank

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
