"""Foreign code runs here and nowhere else: a grader's source, a response's code, a parser that can take for ever.

``sandbox()`` is the strongest that this machine has (see ``levels`` for what each level promises); its ``run``
takes one of ``programs``. ``each_case`` has one process do many cases, ``run_alone`` a process do one job.
"""

from judges.core.sandbox.cases import each_case, run_alone
from judges.core.sandbox.levels import NoSandbox, Sandbox, sandbox
from judges.core.sandbox.limits import Limits, Ran

__all__ = ["Limits", "NoSandbox", "Ran", "Sandbox", "each_case", "run_alone", "sandbox"]
