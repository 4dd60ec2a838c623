"""Dataset formats, read and written."""

import pyarrow as pa

# Arrow's own pools keep what was freed, forty megabytes of it by the end of an export; the system's gives it back.
pa.set_memory_pool(pa.system_memory_pool())
