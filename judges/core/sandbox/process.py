"""One process: a job in, answers out, ended as a group when it is done, silent for too long, or says too much."""

import json
import os
import select
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from judges.core.sandbox.limits import Limits, Ran

PIECE = 65536
PRINTED = 2000  # characters of what the code printed that are kept
STILL = 0.05  # seconds between looks at the clock


def run_process(
    command: Sequence[str], job: Mapping[str, Any], limits: Limits, environment: Mapping[str, str], cases: int
) -> Ran:
    """Run a program of the sandbox. It is killed, with all it started, however this ends."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as given:
        given.write(json.dumps(job).encode())
        given.seek(0)
        process = subprocess.Popen(
            command,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    output, printed, ended = b"", b"", "it was stopped"
    try:
        output, printed, ended = _read(process, limits, cases)
    finally:
        _kill(process, ended)
    answers = _answers(output)
    return Ran(answers, ended or _how_it_ended(process), _text(printed), time.monotonic() - started)


def _read(process: subprocess.Popen[bytes], limits: Limits, cases: int) -> tuple[bytes, bytes, str]:
    """Both outputs until they end, one grows too large, or no answer came for too long."""
    if process.stdout is None or process.stderr is None:
        raise ValueError("both outputs must be pipes")
    output, printed = bytearray(), bytearray()
    deadline = time.monotonic() + limits.start_seconds + limits.seconds
    end = deadline + (cases - 1) * (limits.seconds + 1.0)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, printed)
        while selector.get_map():
            for key, _ in selector.select(STILL):
                piece = os.read(key.fd, PIECE)
                key.data.extend(piece)
                if not piece:
                    selector.unregister(key.fileobj)
                elif key.data is output and b'"case"' in piece:
                    deadline = min(end, time.monotonic() + limits.seconds + 1.0)
            if max(len(output), len(printed)) > limits.output_bytes:
                return bytes(output), bytes(printed), f"it wrote more than {limits.output_bytes} bytes"
            if time.monotonic() > deadline:
                return bytes(output), bytes(printed), "it ran out of time"
    return bytes(output), bytes(printed), ""


def _kill(process: subprocess.Popen[bytes], ended: str) -> None:
    """End the group, and wait until nobody holds its outputs: a namespace dies a moment after its maker."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.0 if ended else 1.0)  # one that is done is given the time to say with what status
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 5.0
    for pipe in (process.stdout, process.stderr):
        if pipe:
            while time.monotonic() < deadline:
                if select.select([pipe], [], [], 0.1)[0] and not os.read(pipe.fileno(), PIECE):
                    break
            pipe.close()


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """bubblewrap tells of a signal as a shell does."""
    status = process.returncode
    number = -status if status < 0 else status - 128
    if status == 0:
        return ""
    if number in (signal.SIGXCPU, signal.SIGALRM):
        return "it ran out of time"
    names = {int(known): known.name for known in signal.Signals}
    return f"it was ended by {names[number]}" if number in names else f"it ended with status {status}"


def _answers(output: bytes) -> list[dict[str, Any]]:
    """The whole lines that are JSON objects; a program that was cut off leaves half a line."""
    found = []
    for line in output.split(b"\n")[:-1]:
        with suppress(ValueError, RecursionError):
            answer = json.loads(line)
            if isinstance(answer, dict):
                found.append(answer)
    return found


def _text(printed: bytes) -> str:
    return printed[-PRINTED:].decode("utf-8", "replace").replace("\x00", "\ufffd")
