"""`python -m trainer.runner` for a rank that is taken for a card's though it has none.

accelerate makes FSDP2 and DeepSpeed of the ranks of cards only: of a CPU's it makes DDP. What follows is all it takes
to have it think otherwise; the sharding itself is torch's and DeepSpeed's own, over gloo.
"""

import sys
from importlib import import_module
from importlib.util import find_spec

import torch
from accelerate.state import AcceleratorState, PartialState
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
    # A faster all-reduce, which every rank would compile. (`deepspeed.comm.torch` is also a name for torch there.)
    import_module("deepspeed.comm.torch").build_shm_op = lambda: None

if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.write(f"trained by {AcceleratorState().distributed_type.value}\n")
    sys.exit(status)
