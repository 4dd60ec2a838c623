"""What a process has held at most."""

from pathlib import Path


def peak_megabytes() -> float:
    """Since it began. Not ``ru_maxrss``, which a child takes over from the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
