# A machine of a Ray cluster on which verl trains: CUDA's compiler for its kernels, verl with what it pins, this code.
# docker build -f deploy/docker/verl.Dockerfile -t concord-verl .
FROM pytorch/pytorch:2.11.0-cuda13.0-cudnn9-devel
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 PYTHONPATH=/concord
RUN useradd --create-home --uid 1000 concord
RUN pip install "verl[vllm,fsdp]==0.9.1"
WORKDIR /concord
COPY feedback feedback
COPY judges judges
COPY alignment alignment
COPY trainer trainer
COPY deploy deploy
USER concord
# The head; the others: ray start --block --address=HEAD:6379. The launcher's url is the head's, its root /concord.
CMD ["ray", "start", "--head", "--block", "--dashboard-host=0.0.0.0", "--disable-usage-stats"]
