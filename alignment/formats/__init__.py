"""Dataset formats, read and written."""

import os

# Arrow's own pools keep what was freed, forty megabytes of it by the end of an export; the system's gives it back.
# Said before Arrow is loaded, since parts of it take no other word.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
