"""Streams of which river's alarms are recorded."""
