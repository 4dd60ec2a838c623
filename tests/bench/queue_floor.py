"""What a take would cost on this machine if it did next to nothing: as many round trips, sent by a program in C.

pgbench comes with PostgreSQL's server. It goes by the same connections and rates as the people, and its transaction
locks one row, reads one and changes one.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

TRANSACTION = """
\\set person random(1, {people})
\\set item random(1, 5000)
BEGIN;
SELECT set_config('synchronous_commit', 'off', true) FROM feedback_rater WHERE id = :person FOR NO KEY UPDATE;
SELECT answered FROM feedback_rater WHERE id = :person;
UPDATE feedback_queueitem SET responses = responses WHERE comparison_id = :item;
COMMIT;
"""


def floor(url: str, people: int, a_second: float, seconds: int) -> list[float] | None:
    """Every transaction's time, in milliseconds, from when it was due; None where there is no pgbench."""
    program = found()
    if program is None:
        return None
    at = urlsplit(url)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "take.sql").write_text(TRANSACTION.format(people=people))
        command = [
            *(program, "-n", "-M", "prepared", "-f", "take.sql", "-c", str(people), "-j", "4"),
            *("-R", str(a_second), "-T", str(seconds), "-l", "--log-prefix=took"),
            *("-h", at.hostname or "127.0.0.1", "-p", str(at.port or 5432), "-U", at.username or "postgres"),
            at.path.strip("/"),
        ]
        password = {"PGPASSWORD": at.password} if at.password else {}
        subprocess.run(command, cwd=folder, env=os.environ | password, check=True, capture_output=True)
        lines = [line.split() for log in Path(folder).glob("took.*") for line in log.read_text().splitlines()]
    return [int(line[2]) / 1000 for line in lines]


def found() -> str | None:
    """Where pgbench is; Debian keeps it beside the server, off the path."""
    beside = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    return shutil.which("pgbench") or (str(beside[-1]) if beside else None)
