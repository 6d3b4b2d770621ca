"""A small grid for scans of small data."""

from __future__ import annotations

GRID = """
[grid]
windows = [{windows}]
methods = ["curtains_f4f_efficient"]
inject = [150]
seeds = {seeds}
closure = false

[analysis.data]
file = "{data}"
reserve = 0.3

[analysis.classifier]
folds = 3

[analysis.classifiers.trees]
ensemble = {ensemble}
iterations = 20

[analysis.significance]
background_efficiencies = [0.2, 0.05]
toys = 1000

[analysis.methods.curtains_f4f_efficient]
base_epochs = 1
transport_epochs = 1
scaling_bags = 1
"""
EMPTY = "6.2-6.4"
"""A window whose side-bands hold too few events to train on."""
