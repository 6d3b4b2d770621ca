"""Trainings against the worst weights and inputs near by, and how sharp a minimum is, where the answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anomaly_cli.nets.committee import Lessons, Recipe, train_committee
from anomaly_cli.nets.robust import Robustness, attacked, moved_uphill
from anomaly_cli.nets.sharpness import largest_curvatures, rise_within

M, N, D = 3, 400, 4


def lessons(uses=None):
    generator = torch.Generator().manual_seed(5)
    target = (torch.arange(N) % 3 == 0).float()
    inputs = torch.randn(N, D, generator=generator) + 0.7 * target[:, None]
    stops = torch.rand(M, N, generator=generator) < 0.2
    return Lessons(inputs, target, torch.ones(M, N), stops, torch.ones(M, D) if uses is None else uses, [1, 2, 3])


def trained(hard, uses=None):
    return train_committee(lessons(uses), Recipe((8, 8), 4, 64, 0.02, 0.1, 4, 1, hard))


def farthest(one, other):
    pairs = [
        pair
        for a, b in zip(one, other, strict=True)
        for x, y in zip(a, b, strict=True)
        for pair in zip(x, y, strict=False)
    ]
    return max(float((x - y).abs().max()) for x, y in pairs)


def quadratic_losses(parameters, inputs):
    """The loss of member i: sum_b (w_i . x_b)^2 / 2."""
    return 0.5 * torch.einsum("md,mbd->mb", parameters[0], inputs).square().sum(dim=1)


@pytest.mark.parametrize("scaled", [False, True])
def test_sharpness_aware_training_tends_to_the_plain_one_as_its_radius_goes_to_zero(scaled):
    """At a radius that rounding just sees, both passes are done, and the weights are those of the plain training."""
    plain = trained(Robustness())
    assert farthest(trained(Robustness(1e-9, scaled)), plain) < 1e-4
    assert farthest(trained(Robustness(0.2, scaled)), plain) > 0.01


def test_adversarial_training_tends_to_the_plain_one_as_the_attack_goes_to_zero():
    plain = trained(Robustness())
    assert farthest(trained(Robustness(attack=1e-9)), plain) < 1e-4
    assert farthest(trained(Robustness(attack=0.3)), plain) > 0.01


@pytest.mark.parametrize("hard", [Robustness(0.1), Robustness(0.5, True), Robustness(attack=0.2, attack_steps=3)])
def test_hardened_members_do_not_depend_on_their_company_and_do_not_see_what_they_may_not(hard):
    uses = torch.ones(M, D)
    uses[:, 1] = 0.0
    together = trained(hard, uses)
    whole = lessons(uses)
    one = Lessons(whole.inputs, whole.target, whole.weight[1:2], whole.stops[1:2], uses[1:2], [2])
    alone = train_committee(one, Recipe((8, 8), 4, 64, 0.02, 0.1, 4, 1, hard))
    assert farthest(alone, together[1:2]) < 1e-4
    assert all(float(member[0][0][:, 1].abs().max()) == 0.0 for member in together)


def test_weights_move_by_the_radius_and_uphill_each_member_on_its_own():
    generator = torch.Generator().manual_seed(1)
    parameters = [torch.randn(M, 5, D, generator=generator), torch.randn(M, 1, D, generator=generator)]
    gradients = [torch.randn(one.shape, generator=generator) for one in parameters]
    moved = moved_uphill(parameters, gradients, 0.3, False)
    steps = torch.cat([(new - old).flatten(1) for new, old in zip(moved, parameters, strict=True)], dim=1)
    slopes = torch.cat([one.flatten(1) for one in gradients], dim=1)
    assert steps.norm(dim=1).tolist() == pytest.approx([0.3] * M, rel=1e-4)
    assert (steps * slopes).sum(dim=1).tolist() == pytest.approx((0.3 * slopes.norm(dim=1)).tolist(), rel=1e-4)
    scaled = moved_uphill(parameters, gradients, 0.3, True)
    sizes = torch.cat([one.flatten(1).abs() for one in parameters], dim=1)
    steps = torch.cat([(new - old).flatten(1) for new, old in zip(scaled, parameters, strict=True)], dim=1)
    assert (steps / sizes).norm(dim=1).tolist() == pytest.approx([0.3] * M, rel=1e-4)
    assert (steps * slopes).sum(dim=1).tolist() == pytest.approx(
        (0.3 * (sizes * slopes).norm(dim=1)).tolist(), rel=1e-4
    )
    assert torch.isfinite(moved_uphill(parameters, [0.0 * one for one in gradients], 0.3, False)[0]).all()


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_an_attack_raises_the_loss_and_stays_within_its_size(steps):
    generator = torch.Generator().manual_seed(2)
    parameters, inputs = [torch.randn(M, D, generator=generator)], torch.randn(M, 53, D, generator=generator)
    generators = [torch.Generator().manual_seed(index) for index in range(M)]
    hard = Robustness(attack=0.25, attack_steps=steps)
    found = attacked(quadratic_losses, parameters, inputs, hard, generators)
    assert float((found - inputs).abs().max()) <= 0.25 * (1.0 + 1e-5)
    before, after = quadratic_losses(parameters, inputs), quadratic_losses(parameters, found)
    assert (after > before).all()
    # the worst shift of (w . x)^2 is by the sign of w times that of w . x
    worst = (torch.einsum("md,mbd->mb", parameters[0], inputs).abs() + 0.25 * parameters[0].abs().sum(1)[:, None]) ** 2
    assert (after <= 0.5 * worst.sum(dim=1) * (1.0 + 1e-5)).all()
    if steps == 1:
        assert after.tolist() == pytest.approx((0.5 * worst.sum(dim=1)).tolist(), rel=1e-4)


def quadratic_form(eigenvalues):
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.standard_normal((len(eigenvalues), len(eigenvalues))))[0]
    matrix = torch.from_numpy(basis @ np.diag(eigenvalues) @ basis.T)

    def loss(parameters):
        x = torch.cat([one.ravel() for one in parameters])
        return 0.5 * x @ matrix @ x + 3.0

    return loss


def test_sharpness_of_a_quadratic_form_is_that_of_its_largest_eigenvalue():
    eigenvalues = [-7.0, 0.0, 0.5, 1.0, 1.5, 2.0, 4.0, 9.0]
    loss, center = quadratic_form(eigenvalues), [torch.zeros(3, 2, dtype=torch.float64), torch.zeros(2).double()]
    for radius in (0.01, 2.0):
        assert rise_within(loss, center, radius, 40, 1) == pytest.approx(0.5 * 9.0 * radius**2, rel=1e-6)
        assert 0.0 < rise_within(loss, center, radius, 3, 1) <= 0.5 * 9.0 * radius**2 * (1.0 + 1e-9)
    assert largest_curvatures(loss, center, 3, 1).tolist() == pytest.approx([9.0, 4.0, 2.0], rel=1e-3)
