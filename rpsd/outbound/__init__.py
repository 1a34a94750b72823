"""The process that speaks with the outside for the serving process, which has no network: it never opens the database."""
