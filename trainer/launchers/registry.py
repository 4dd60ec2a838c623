"""The launchers by the name that a run carries."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.translation import gettext as _

from feedback.errors import Refused
from trainer.launchers.launcher import Launcher
from trainer.launchers.local import LocalLauncher

LAUNCHERS: Mapping[str, Launcher] = MappingProxyType({"local": LocalLauncher()})


def launcher_named(name: str) -> Launcher:
    """The launcher; Refused where this server has none of that name."""
    if name not in LAUNCHERS:
        raise Refused(
            _("%(name)r is no launcher; use one of %(choices)s.")
            % {"name": name, "choices": ", ".join(sorted(LAUNCHERS))},
            field="launcher",
        )
    return LAUNCHERS[name]
