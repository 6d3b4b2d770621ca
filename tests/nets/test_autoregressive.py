"""The inverse of a flow, against zuko's own."""

from __future__ import annotations

import pytest
import torch
import zuko
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from anomaly_cli.nets.autoregressive import MaskedAutoregressive
from anomaly_cli.nets.flows import make_spline_flow
from anomaly_cli.nets.splines import FEW_BINS, Spline

SHAPES = st.tuples(st.integers(1, 5), st.integers(0, 2), st.integers(2, 5))
"""Features, conditions, passes: with 4 features in 3 passes there are 2 groups only."""


def pair(n_features, n_conditions, passes, bins=6):
    """Return a flow of ours and zuko's with the same weights, not at their start, in double precision."""
    torch.manual_seed(1)
    ours = make_spline_flow(n_features, n_conditions, 3, (16, 12), bins, passes).double()
    theirs = zuko.flows.NSF(
        n_features,
        n_conditions,
        bins=bins,
        transforms=3,
        hidden_features=[16, 12],
        activation=nn.SiLU,
        passes=min(passes, n_features),
    ).double()
    with torch.no_grad():
        for weight in ours.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    buffers = zip(ours.named_buffers(), theirs.named_buffers(), strict=True)
    assert all(name == other and torch.equal(one, two) for (name, one), (other, two) in buffers), "masks or orders"
    theirs.load_state_dict(ours.state_dict())  # strict: weights have the same names
    return ours, theirs


def context_of(n_conditions, n):
    return torch.randn(n, n_conditions, dtype=torch.float64) if n_conditions else None


@given(SHAPES, st.sampled_from([1, 2, 7]), st.sampled_from([2, 6, FEW_BINS]))
@settings(max_examples=40, deadline=None)
def test_a_flow_is_that_of_zuko_both_ways_with_the_same_gradients(shape, n, bins):
    n_features, n_conditions, passes = shape
    flows = pair(n_features, n_conditions, passes, bins)
    y, context = 2.0 * torch.randn(n, n_features, dtype=torch.float64), context_of(n_conditions, n)
    found = []
    for flow in flows:
        transform = flow(context).transform
        moved, log_det = transform.call_and_ladj(y)
        back, log_det_back = transform.inv.call_and_ladj(y)
        (back.sin().sum() + log_det_back.sum() + transform.inv(y).cos().sum()).backward()
        weights = [weight.grad for weight in flow.parameters()]
        found.append([moved, log_det, back, log_det_back, transform.inv(y), flow(context).log_prob(y), *weights])
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n_conditions", [0, 1])
def test_the_inverse_of_an_inverse_is_the_transform(n_conditions):
    flow, _ = pair(3, n_conditions, 2)
    x, context = torch.randn(9, 3, dtype=torch.float64), context_of(n_conditions, 9)
    transform = flow(context).transform.transforms[0]
    there, log_det = transform.inv.call_and_ladj(x)
    assert not torch.allclose(there, x)
    assert torch.equal(transform.inv.inv(x), transform(x))
    torch.testing.assert_close(transform.inv.log_abs_det_jacobian(x, there), log_det)
    torch.testing.assert_close(transform.inv.inv(there), x)
    torch.testing.assert_close(transform.inv._inverse(there), x)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
@pytest.mark.parametrize("conditions", [None, (), (4,)])
def test_samples_of_any_shape_are_those_of_zuko(shape, conditions):
    """One event, or several at each context, which have more dimensions than events have elsewhere."""
    flows = pair(3, 0 if conditions is None else 2, 3)
    context = None if conditions is None else torch.randn(*conditions, 2, dtype=torch.float64)
    found = []
    for flow in flows:
        torch.manual_seed(7)
        found.append(flow(context).sample(shape))
    assert found[0].shape == (*shape, *(conditions or ()), 3)
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-11)


def test_groups_with_gaps_are_refused():
    order, shapes = torch.tensor([0, 3, 1, 2]), [(4,), (4,), (3,)]
    with pytest.raises(ValueError, match="must lie side by side"):
        MaskedAutoregressive(4, order=order, passes=2, univariate=Spline, shapes=shapes)


@pytest.mark.parametrize("n_conditions", [0, 1])
def test_of_no_events_none_come_back(n_conditions):
    flow, _ = pair(3, n_conditions, 2)
    empty = torch.zeros(0, 3, dtype=torch.float64)
    moved, log_det = flow(context_of(n_conditions, 0)).transform.inv.call_and_ladj(empty)
    assert moved.shape == (0, 3)
    assert log_det.shape == (0,)


def test_a_pass_makes_the_splines_of_its_group_alone(monkeypatch):
    """What the inverse is there for: one spline per feature and event, where zuko makes them in every pass."""
    flow, _ = pair(4, 0, 4)
    made = []
    spline = Spline.__init__

    def counting(self, widths, *more):
        made.append(widths.shape[1])
        spline(self, widths, *more)

    monkeypatch.setattr(Spline, "__init__", counting)
    flow(None).transform.inv.call_and_ladj(torch.randn(6, 4, dtype=torch.float64))
    assert made == [1, 1, 1, 1] * 3
