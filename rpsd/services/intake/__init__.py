"""Rows on their way in and out as text: CSV, NDJSON, JSON, Parquet."""
