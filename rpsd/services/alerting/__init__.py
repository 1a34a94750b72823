"""Alerting inside the process: rules over its own metrics, and objectives with their budgets of errors."""
