"""Tasks that behave and misbehave on purpose; the compute tests name this module instead of the product's tasks."""

import ctypes
import os
import signal
import time

import numpy as np

from rpsd.core.errors import Fault, TooShort
from rpsd.core.model import Packet


def echo(packet, report):
    report(0.5, "half way")
    return Packet({"seen": dict(packet.head), "pid": os.getpid(), "nice": os.nice(0), "omp": os.environ["OMP_NUM_THREADS"]}, packet.arrays)


def stall(packet, report):
    report(0.1, "stopping myself")
    os.kill(os.getpid(), signal.SIGSTOP)
    return Packet({}, {})


def spin(packet, report):
    report(0.1, "spinning")
    while True:
        time.sleep(0.01)


def crash(packet, report):
    ctypes.string_at(0)


def devour(packet, report):
    return Packet({}, {"y": np.ones(packet.head["n"])})


def refuse(packet, report):
    raise TooShort("3 points, 60 are needed", errors=[Fault("/values", "too few")], hint="send more", retry_after=2.0)


def stumble(packet, report):
    return {}["secret value"]


def warm(packet, report):
    return Packet({}, {})


TASKS = tuple((task.__name__, task) for task in (echo, stall, spin, crash, devour, refuse, stumble, warm))
