"""How a model version is served over the OpenAI API: the commands, ready to run on the machine that has its folder."""

import shlex
from typing import NamedTuple

from trainer.folders import model_folder
from trainer.models import ModelKind, ModelVersion

PORT = 8001


class ServeCommands(NamedTuple):
    """One command each; ``ours`` starts ``transformers serve`` by the version's number."""

    ours: str
    transformers: str
    vllm: str


def transformers_command(version: ModelVersion, host: str, port: int) -> list[str]:
    """What ``transformers serve`` is called with; the model's name over the API is its folder."""
    return ["transformers", "serve", str(model_folder(version)), "--host", host, "--port", str(port)]


def serve_commands(version: ModelVersion) -> ServeCommands | None:
    """None for a reward model, which answers nothing."""
    if version.kind != ModelKind.POLICY:
        return None
    vllm = [
        "vllm",
        "serve",
        str(model_folder(version)),
        "--served-model-name",
        version.name,
        "--port",
        str(PORT),
    ]
    return ServeCommands(
        f"python manage.py serve_model --version {version.pk}",
        shlex.join(transformers_command(version, "127.0.0.1", PORT)),
        shlex.join(vllm),
    )
