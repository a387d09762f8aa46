"""Measurements: each prints ratios taken in one run. ``make bench`` runs them all."""
