# The machine that trains: CUDA's torch, the training libraries, and this code.
# docker build -f deploy/docker/gpu.Dockerfile -t concord-gpu .
FROM pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 CONCORD_VAR=/var/concord HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
RUN useradd --create-home --uid 1000 concord && mkdir /var/concord && chown concord /var/concord
WORKDIR /concord
COPY pyproject.toml README.md LICENSE ./
COPY feedback feedback
COPY judges judges
COPY alignment alignment
COPY trainer trainer
COPY deploy deploy
COPY manage.py ./
# Its torch is the image's: the version is the one that pyproject.toml pins.
RUN pip install ".[train]"
USER concord
VOLUME /var/concord
# As a worker; a cluster's job starts `python -m trainer.runner SPEC.json` instead.
CMD ["python", "-m", "celery", "-A", "deploy.celery", "worker", "-Q", "gpu", "-P", "threads", "-c", "8", "-n", "gpu@%h"]
