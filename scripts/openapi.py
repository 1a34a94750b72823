"""Write the OpenAPI document of the routes to etc/openapi.json (`make openapi`); with --check only say whether it is up to date."""

import sys
from pathlib import Path

from litestar import Litestar, Router

from rpsd.web.app import ROUTES
from rpsd.web.openapi import encoded

TARGET = Path(__file__).resolve().parent.parent / "etc" / "openapi.json"


def main(arguments: list[str]) -> int:
    fresh = encoded(Litestar([Router("/", route_handlers=ROUTES)], openapi_config=None))
    if arguments == ["--check"]:
        same = TARGET.is_file() and TARGET.read_bytes() == fresh
        print("etc/openapi.json is up to date" if same else "etc/openapi.json differs from the routes: run `make openapi`")
        return 0 if same else 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
