# The web server and the workers that wait for judges: no torch in it.
# docker build -f deploy/docker/web.Dockerfile -t concord-web .
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 CONCORD_VAR=/var/concord
RUN useradd --create-home --uid 1000 concord && mkdir /var/concord && chown concord /var/concord
WORKDIR /concord
COPY pyproject.toml README.md LICENSE ./
COPY feedback feedback
COPY judges judges
COPY alignment alignment
COPY trainer trainer
COPY deploy deploy
COPY docs/statistics.md docs/statistics.md
COPY manage.py ./
RUN pip install .
USER concord
VOLUME /var/concord
EXPOSE 8000
CMD ["python", "manage.py", "serve", "--address", "0.0.0.0", "--port", "8000"]
