#!/bin/bash
# One run of Concord. Filled by trainer/launchers/slurm.py; a template of your own may use the same placeholders.
#SBATCH --job-name=$name
#SBATCH --output=$log
#SBATCH --open-mode=append
#SBATCH --nodes=$nodes
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=$cards
#SBATCH --requeue
# A warning before the time limit, so that the runner saves a checkpoint.
#SBATCH --signal=B:TERM@300
$partition
set -euo pipefail
spec=$spec
trap 'touch "$$(dirname "$$spec")/CANCEL"' TERM
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 PYTHONPATH=$root
cd $root
if [ "$nodes" -gt 1 ]; then
  export NNODES=$nodes MASTER_PORT=29400
  MASTER_ADDR=$$(scontrol show hostnames "$$SLURM_JOB_NODELIST" | head -n 1)
  export MASTER_ADDR
  # Machines that have ended wait for the one that still writes the checkpoint.
  set -- srun --export=ALL --kill-on-bad-exit=0 --wait=0 $python -m trainer.runner.ranks $cards "$$spec"
elif [ "$cards" -gt 1 ]; then
  set -- $python -m trainer.runner.ranks $cards "$$spec"
else
  set -- $python -m trainer.runner "$$spec"
fi
"$$@" &
runner=$$!
# The trap cuts a wait short.
while kill -0 "$$runner" 2>/dev/null; do
  wait "$$runner" || true
done
status=0
wait "$$runner" || status=$$?
exit "$$status"
