"""Both levels of the sandbox, as they are on this machine."""

import shutil
from collections.abc import Callable

import pytest

from judges.core.sandbox import Limits, Ran, Sandbox
from judges.core.sandbox.levels import filters, namespaces, works


@pytest.fixture(params=["namespaces", "filters"])
def walls(request: pytest.FixtureRequest) -> Sandbox:
    if request.param == "namespaces" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    level = namespaces() if request.param == "namespaces" else filters()
    if level is None or not works(level):
        pytest.skip(f"the level {request.param} does not work on this machine")
    return level


@pytest.fixture
def attempt(walls: Sandbox) -> Callable[..., Ran]:
    """Run an attack as the body of a grade function; what it returns is the reward, 1 for a success."""

    def run(body: str, **limits) -> Ran:
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        job = {"source": f"import os\ndef grade(sample, item):\n{lines}\n", "cases": [[{}, {}]]}
        return walls.run("functions", job, Limits(**({"seconds": 3.0, "start_seconds": 15.0} | limits)))

    return run
