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
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 PYTHONPATH=$root
cd $root
head=$$(scontrol show hostnames "$${SLURM_JOB_NODELIST:-localhost}" 2>/dev/null | head -n 1 || echo localhost)
if [ "$cards" -gt 1 ] || [ "$nodes" -gt 1 ]; then
  set -- srun $python -m torch.distributed.run --nnodes=$nodes --nproc-per-node=$cards \
    --rdzv-backend=c10d --rdzv-endpoint="$$head:29400" --rdzv-id="$$SLURM_JOB_ID" -m trainer.runner $spec
else
  set -- $python -m trainer.runner $spec
fi
"$$@" &
trap 'touch "$$(dirname $spec)/CANCEL"' TERM
while :; do
  status=0
  wait $$! || status=$$?
  kill -0 $$! 2>/dev/null || break
done
exit $$status
