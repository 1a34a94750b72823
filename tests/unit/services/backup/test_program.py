"""Threads that come after all others."""

import os
import sys
import threading

import pytest

from rpsd.services.backup.program import be_nice


@pytest.mark.skipif(sys.platform != "linux", reason="a priority for each thread is Linux's")
def test_a_nice_thread_leaves_the_others_as_they_are() -> None:
    before, found = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), []

    def work() -> None:
        be_nice()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [max(10, before)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
