"""The simulation: detector by closed forms, chunks that resume, kinematics of the signal."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.core.errors import AnomalyError, ConfigError, DataError
from anomaly_cli.core.events import FEATURES
from anomaly_cli.core.progress import silent
from anomaly_cli.datasets import simulate as simulation_module
from anomaly_cli.datasets.detector import (
    HCAL,
    Particles,
    momentum_resolution,
    simulate_detector,
    smear,
    tracking_efficiency,
)
from anomaly_cli.datasets.generator import Process
from anomaly_cli.datasets.jets import passes_trigger
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.datasets.simulate import Simulation, simulate


def particles(code, energy, eta=0.3, n=20_000):
    """One particle an event, at random azimuth."""
    phi = np.random.default_rng(9).uniform(-np.pi, np.pi, n)
    return Particles(np.arange(n), np.full(n, code), np.full(n, float(energy)), np.full(n, eta), phi)


def test_smearing_keeps_the_mean_and_has_the_asked_deviation():
    found = smear(np.full(200_000, 50.0), np.full(200_000, 10.0), np.random.default_rng(1))
    assert found.mean() == pytest.approx(50.0, abs=4 * 10 / np.sqrt(200_000))
    assert found.std() == pytest.approx(10.0, rel=0.02)


def test_a_muon_is_a_track_and_a_neutrino_nothing():
    muons = simulate_detector(particles(13, 50.0), np.random.default_rng(1))
    efficiency = tracking_efficiency(particles(13, 50.0))[0]
    assert len(muons.event) / 20_000 == pytest.approx(efficiency, abs=0.005)
    assert len(simulate_detector(particles(14, 50.0), np.random.default_rng(1)).event) == 0


def test_photons_are_measured_by_the_ecal_and_stay_in_their_tower():
    found = simulate_detector(particles(22, 100.0), np.random.default_rng(1))
    assert found.energy.mean() == pytest.approx(100.0, rel=2e-3)
    assert np.abs(found.eta - 0.3).max() < 0.0174
    turned = np.mod(found.phi - particles(22, 100.0).phi[found.event] + np.pi, 2 * np.pi) - np.pi
    assert np.abs(turned).max() < 2 * np.pi / 360


def test_energy_of_a_charged_hadron_is_counted_once():
    found = simulate_detector(particles(211, 100.0), np.random.default_rng(1))
    total = np.bincount(found.event, weights=found.energy, minlength=20_000)
    assert total.mean() == pytest.approx(100.0, rel=0.03)
    assert (total[total > 0] < 190).all()
    assert total.std() < HCAL.resolution(np.array([100.0]), np.array([0.3]))[0]  # the track helps


def test_a_soft_neutral_hadron_is_lost_in_the_noise():
    assert len(simulate_detector(particles(130, 2.0), np.random.default_rng(1)).event) < 0.1 * 20_000


def test_nothing_is_seen_outside_the_calorimeters_and_tracks_end_with_the_tracker():
    assert len(simulate_detector(particles(22, 500.0, eta=5.2), np.random.default_rng(1)).event) == 0
    assert (tracking_efficiency(particles(211, 50.0, eta=2.6)) == 0).all()
    assert (momentum_resolution(particles(211, 50.0, eta=2.0)) > momentum_resolution(particles(211, 50.0))).all()


def test_constituents_come_back_by_event_and_falling_pt():
    generator = np.random.default_rng(2)
    n = 5003
    many = Particles(
        np.sort(generator.integers(0, 50, n)),
        generator.choice([22, 211, 130, 11], n),
        generator.exponential(20.0, n) + 1.0,
        generator.normal(0, 1.5, n),
        generator.uniform(-np.pi, np.pi, n),
    )
    found = simulate_detector(many, np.random.default_rng(3))
    step = np.diff(found.event)
    assert (step >= 0).all()
    assert (np.diff(found.pt)[step == 0] <= 0).all()
    assert found.pt.min() > 0.5


def test_the_trigger_cuts_on_pt_and_eta():
    eta = np.array([0.0, 2.4, 2.6, 0.0])
    pt = np.array([1300.0, 1201.0, 1300.0, 1199.0])
    rows = np.zeros((4, 14))
    rows[:, 0], rows[:, 2] = pt, pt * np.sinh(eta)
    assert passes_trigger(rows).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "top"},
        {"name": "qcd", "energy": 3000.0},
        {"name": "signal", "mass": 13_200.0},
        {"name": "signal", "mx": 3000.0, "my": 600.0},
        {"name": "signal", "mass": 14000.0, "mx": 5.0},
    ],
)
def test_impossible_processes_are_refused(settings):
    with pytest.raises(ConfigError, match="simulate"):
        Process(**settings)


def test_collisions_of_another_energy_are_other_events_and_masses_end_there():
    usual, later = Process("signal"), Process("signal", 13_200.0, energy=13_600.0)
    assert "Beams:eCM = 13000" in usual.settings
    assert "Beams:eCM = 13600" in later.settings
    with pytest.raises(ConfigError, match=r"collision energy of 13\.6 TeV"):
        Process("signal", 14_000.0, energy=13_600.0)
    assert Process("qcd").settings[3] == "Beams:eCM = 13000"  # as in the files that there are: chunks stay valid


@pytest.fixture
def small_chunks(monkeypatch):
    pytest.importorskip("pythia8mc")
    monkeypatch.setattr(simulation_module, "CHUNK_EVENTS", 40)


def test_signal_has_its_masses_and_an_interrupted_run_gives_the_same_file(tmp_path, small_chunks):
    wanted = Simulation(Process("signal", mass=4000.0, mx=400.0, my=200.0), 60, 5)
    simulate(wanted, tmp_path / "whole.h5", 1, silent)

    class Interrupted(Exception):
        pass

    def interrupt(step):
        if step.done:
            raise Interrupted

    with pytest.raises(Interrupted):
        simulate(wanted, tmp_path / "again.h5", 1, interrupt)
    assert not (tmp_path / "again.h5").exists()
    (folder,) = tmp_path.glob("again.h5.*.chunks")
    assert len(list(folder.iterdir())) == 1
    made = simulate(wanted, tmp_path / "again.h5", 1, silent)
    assert made.n_passed_now < made.n_passed
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert not folder.exists()
    table = read_events(tmp_path / "again.h5")
    features = table.compute(FEATURES)
    assert table.is_signal.all()
    assert len(table) == 60
    assert np.median(features.mjj) == pytest.approx(4000.0, rel=0.06)
    assert np.median(features.values[:, 0]) == pytest.approx(200.0, rel=0.2)
    assert np.median(features.values[:, :2].sum(axis=1)) == pytest.approx(400.0, rel=0.15)


def test_another_seed_gives_other_events_and_an_existing_file_is_kept(tmp_path, small_chunks):
    first, second = (Simulation(Process("signal"), 10, seed) for seed in (1, 2))
    simulate(first, tmp_path / "1.h5", 1, silent)
    simulate(second, tmp_path / "2.h5", 1, silent)
    assert (tmp_path / "1.h5").read_bytes() != (tmp_path / "2.h5").read_bytes()
    with pytest.raises(DataError, match="exists already"):
        simulate(first, tmp_path / "1.h5", 1, silent)


def test_a_line_that_pythia_does_not_know_is_refused(tmp_path, small_chunks):
    wanted = Simulation(Process("qcd", extra=("HardQCD:nothing = on",)), 10, 1)
    with pytest.raises(AnomalyError, match="does not understand 'HardQCD:nothing = on'"):
        simulate(wanted, tmp_path / "1.h5", 1, silent)
    assert not (tmp_path / "1.h5").exists()


@pytest.mark.slow
def test_processes_change_nothing(tmp_path):
    pytest.importorskip("pythia8mc")
    wanted = Simulation(Process("signal"), 50, 3)
    for processes in (1, 2):
        simulate(wanted, tmp_path / f"{processes}.h5", processes, silent)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


@pytest.mark.slow
def test_qcd_events_are_like_those_of_the_shipped_set(tmp_path, shared_data):
    from scipy.stats import ks_2samp

    pytest.importorskip("pythia8mc")
    simulate(Simulation(Process("qcd"), 800, 11), tmp_path / "q.h5", 2, silent)
    made = read_events(tmp_path / "q.h5").compute(FEATURES)
    shared = read_events(shared_data("sim/lhco_sim_qcd.h5")).compute(FEATURES)
    pairs = [(made.mjj, shared.mjj), *zip(made.values.T, shared.values.T, strict=True)]
    assert min(ks_2samp(a, b).pvalue for a, b in pairs) > 1e-4
