"""Series: the one door to their list, their samples and their care; what each function does stands in the file it comes from."""

from rpsd.store.listing import find, page, require
from rpsd.store.reading import gaps
from rpsd.store.ticks import delete, read, stream, whole
from rpsd.store.ticks import write as upsert
from rpsd.store.upsert import compress, fold

__all__ = ["compress", "delete", "find", "fold", "gaps", "page", "read", "require", "stream", "upsert", "whole"]
