"""Series: the one door to their list, their samples and their care; what each function does stands in the file it comes from."""

from rpsd.store.listing import delete, find, page, require
from rpsd.store.reading import gaps, read, stream
from rpsd.store.upsert import compress, fold, upsert

__all__ = ["compress", "delete", "find", "fold", "gaps", "page", "read", "require", "stream", "upsert"]
