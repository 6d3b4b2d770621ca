"""A small plan of jobs that need no events."""

from __future__ import annotations

import dataclasses

from anomaly_cli.reproduce.eventfiles import EventFiles
from anomaly_cli.reproduce.running import plan_target
from anomaly_cli.reproduce.targets import load_target


def small_plan():
    """Return the plan of two distances of toys, two seeds each."""
    target = load_target("fpd-kpd-toys")
    quick = dataclasses.replace(target.scales["quick"], x=("truth", "shift mu_x by 1 sigma"))
    target = dataclasses.replace(target, settings={"points": 2_000}, scales={**target.scales, "quick": quick})
    return plan_target(target, "quick", EventFiles(), seeds=2)
