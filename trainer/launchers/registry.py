"""The launchers by the name that a run carries, as the setting LAUNCHERS has them."""

from collections.abc import Callable, Mapping

from django.conf import settings
from django.utils.translation import gettext as _

from feedback.errors import Refused
from trainer.launchers.kubernetes import KubernetesLauncher
from trainer.launchers.launcher import Launcher
from trainer.launchers.local import LocalLauncher
from trainer.launchers.ray import RayLauncher
from trainer.launchers.remote import RemoteLauncher
from trainer.launchers.settings import LauncherSettings, read_settings
from trainer.launchers.slurm import SlurmLauncher

_KINDS: Mapping[str, Callable[[LauncherSettings], Launcher]] = {
    "local": LocalLauncher,
    "ray": RayLauncher,
    "slurm": SlurmLauncher,
    "kubernetes": KubernetesLauncher,
    "remote": RemoteLauncher,
}


def launcher_names() -> list[str]:
    """Every launcher that this server has."""
    return sorted(read_settings(settings.LAUNCHERS))


def settings_of(name: str) -> LauncherSettings:
    """What is said of the launcher; Refused where this server has none of that name."""
    known = read_settings(settings.LAUNCHERS)
    if name not in known:
        raise Refused(
            _("%(name)r is no launcher; use one of %(choices)s.")
            % {"name": name, "choices": ", ".join(sorted(known))},
            field="launcher",
        )
    return known[name]


def launcher_named(name: str) -> Launcher:
    """The launcher; Refused where this server has none of that name."""
    found = settings_of(name)
    return _KINDS[found.kind](found)
