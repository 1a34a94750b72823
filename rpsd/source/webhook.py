"""What a receiver of alerts gets: the one place that words the request and, later, signs it and rules on addresses."""

import json
from collections.abc import Mapping
from typing import Any

from rpsd import __version__
from rpsd.core.source import Receiver
from rpsd.source.fetch import Fetcher


def post(fetcher: Fetcher, receiver: Receiver, message: Mapping[str, Any], identifier: str) -> None:
    """Deliver one message as JSON; `identifier` is the same for each try of it. No redirect is followed.

    Raises SourceFailed unless the answer is 2xx.
    """
    body = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    headers = {"content-type": "application/json", "user-agent": f"rpsd/{__version__}", "rpsd-delivery": identifier}
    fetcher.post(receiver.url, body, headers)
