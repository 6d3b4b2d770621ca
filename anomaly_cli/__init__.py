"""Resonant anomaly detection: templates from side-bands, weak supervision, calibrated significance."""

__version__ = "0.1.0"
