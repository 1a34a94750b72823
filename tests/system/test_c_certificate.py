"""A certificate that is renewed while clients come: by a reload, and by the hook for certbot, which restarts behind the socket."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.system.conftest import Record
from tests.system.installed import Appliance

pytestmark = pytest.mark.system
CONFIG, PLACE = "/etc/rpsd/config.yaml", "/etc/rpsd/tls"
_MAKE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost"
    " -addext subjectAltName=DNS:localhost"
    f" -keyout {PLACE}/key.new -out {PLACE}/cert.new 2>&1 && chown rpsd: {PLACE}/*.new && chmod 600 {PLACE}/*.new"
    f" && mv {PLACE}/cert.new {PLACE}/cert.pem && mv {PLACE}/key.new {PLACE}/key.pem"
)


@pytest.fixture(scope="module")
def over_tls(appliance: Appliance) -> Iterator[Appliance]:
    """The appliance with a certificate; without it afterwards."""
    machine = appliance.machine
    machine.shell(f"cp -p {CONFIG} /var/tmp/config.tls && install -d -m 750 -g rpsd {PLACE} && {_MAKE}")
    machine.run("tee", "-a", CONFIG, entry=f"server: {{tls_cert: {PLACE}/cert.pem, tls_key: {PLACE}/key.pem}}\n")
    machine.run("systemctl", "restart", "rpsd.service")
    yield appliance
    machine.shell(f"cat /var/tmp/config.tls > {CONFIG} && rm -r {PLACE} && systemctl restart rpsd.service")
    appliance.until_good()


def met(appliance: Appliance, renew: Callable[[], None]) -> dict[str, Any]:
    """What a client meets that connects anew all the time while it is renewed: answers by certificate, and failures."""
    command = appliance.machine.reaching(sys.executable, "-m", "tests.system.newcomer", "8000")
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == "asking\n"
        renew()
        told: dict[str, Any] = json.loads(client.communicate("", timeout=60)[0])
    finally:
        client.kill()
        client.wait()
    return told


@pytest.mark.parametrize("act", ["systemctl reload rpsd.service", "/usr/share/rpsd/renew-certificate.sh"])
def test_a_renewed_certificate_is_served_and_nobody_refused(over_tls: Appliance, act: str, record: Record) -> None:
    told = met(over_tls, lambda: (over_tls.machine.shell(f"{_MAKE} && {act}"), None)[1])
    record(
        f"certificate renewed by {Path(act).name.split()[0]}",
        f"{told['answered']} fresh TLS connections beside it, failed: {told['failed'] or 'none'}",
    )
    assert not told["failed"]
    assert len(told["certificates"]) == 2
