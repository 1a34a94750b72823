#!/bin/sh
# The command of the release that is current.
exec /opt/rpsd/current/venv/bin/python -m rpsd "$@"
