"""What one snapshot has otherwise than another."""

from alignment.actions.snapshots import snapshot_folder
from alignment.formats.dataset_difference import Difference, difference
from alignment.models import Snapshot


def compare_snapshots(before: Snapshot, after: Snapshot) -> Difference:
    """Read from their files. Raises OSError or pyarrow's ArrowException where one of them is gone or damaged."""
    folders = snapshot_folder(before), snapshot_folder(after)
    return difference(*folders, manifests=(before.manifest, after.manifest))
