"""What requests and answers about model versions share."""

from typing import Annotated

import msgspec

Version = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ServingModel(msgspec.Struct):
    """The version that now serves."""

    name: str
    version: int
    stage: str
    created: str
    trained_from: str
    trained_until: str
    data_fingerprint: str
    digest: str
    reason: str
    promoted: str | None
    promoted_by: str | None
    predecessor: int | None
