"""What deploy/ holds for machines: images that copy what is there, and files that accelerate reads."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGES = sorted((ROOT / "deploy" / "docker").glob("*.Dockerfile"))
CONFIGS = sorted((ROOT / "deploy" / "accelerate").glob("*.yaml"))


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_an_image_copies_what_is_there_and_does_not_run_as_root(path):
    text = path.read_text()
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.M) for word in line.split()[:-1]]

    assert copied
    assert all((ROOT / word).exists() for word in copied)
    assert {"feedback", "judges", "alignment", "trainer", "deploy"} <= set(copied)
    assert "USER concord" in text


def test_the_gpu_image_has_the_torch_that_is_pinned():
    pinned = re.search(r'"torch==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    image = (ROOT / "deploy" / "docker" / "gpu.Dockerfile").read_text()

    assert pinned is not None
    assert f"pytorch:{pinned[1]}-" in image


def test_compose_builds_our_images_and_starts_the_queues_there_are():
    services = yaml.safe_load((ROOT / "deploy" / "docker" / "compose.yaml").read_text())["services"]
    started = " ".join(str(service.get("command")) for service in services.values())

    for service in services.values():
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert "default,judge" in started
    assert services["gpu-worker"]["environment"]["CELERY_BROKER_URL"].startswith("redis://")


def test_accelerate_reads_its_files():
    """In a process of its own: the loader refuses a field that it does not know."""
    code = (
        "import sys; from accelerate.commands.config.config_args import load_config_from_file as load; "
        "print(*[load(path).distributed_type.value for path in sys.argv[1:]])"
    )
    command = [sys.executable, "-c", code, *map(str, CONFIGS)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == [yaml.safe_load(path.read_text())["distributed_type"] for path in CONFIGS]
