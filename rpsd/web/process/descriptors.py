"""Room for connections: each takes a descriptor, and the kernel gives a process so many."""

import resource
from typing import Final

_RESERVE: Final = 512  # descriptors of the database, logs, the worker, kernels and calls to other machines


def room_for(connections: int) -> int:
    """How many of so many connections can be held, once the soft limit of descriptors is raised to what they need, if it may be.

    A server that accepted more would find no descriptor for the next one, and none for its database.
    """
    wanted = connections + _RESERVE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < wanted:
        soft = _raise(wanted, soft, hard)
    return connections if soft < 0 else max(1, min(connections, soft - _RESERVE, soft))


def _raise(wanted: int, soft: int, hard: int) -> int:
    """The soft limit after raising it: to what is wanted, else to the hard limit, else as it was."""
    for limit in (wanted, min(wanted, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit if 0 <= hard < limit else hard))
        except (ValueError, OSError):  # above the hard limit, or forbidden
            continue
        return limit
    return soft
