"""The only home of apsw: rows in and out of core types."""
