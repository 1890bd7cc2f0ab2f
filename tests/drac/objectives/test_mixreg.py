"""Mixreg: the loss of its equation, its draws, and PPO where every share is 1."""

from __future__ import annotations

from typing import Any

import pytest
import scipy.stats
import torch
from small_updates import (
    largest_difference,
    make_config,
    minibatch_of,
    network_of,
    ppo_losses,
    random_rollout,
    updated,
)
from torch import Tensor

from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.objectives import mixreg
from drac.objectives.mixreg import Mixreg, draw_shares, mixed
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO, Terms
from drac.objectives.ppo import terms as ppo_terms
from drac.rollout import Minibatch


def config(**options: Any) -> TrainConfig:
    return make_config(method="mixreg", **options)


def inputs_of(batch: Minibatch, share: Tensor, partners: Tensor) -> Inputs:
    other = batch[partners]
    draws = {f"partner_{name}": value for name, value in other.tensors().items()}
    return Inputs(batch, batch.obs, None, {"share": share, **draws})


def test_the_loss_is_that_of_each_mixture_on_its_own() -> None:
    """The paper's section 3.2 sample by sample, each pair through the network singly."""
    network, batch = network_of(ActorCritic), minibatch_of(12)
    generator = torch.Generator().manual_seed(5)
    share = torch.rand(12, generator=generator, dtype=torch.float64)
    partners = torch.randperm(12, generator=generator)
    assert 0 < (share > 0.5).sum() < 12
    loss, figures = Mixreg(config())(network, inputs_of(batch, share, partners))

    expected = []
    for i, j in enumerate(partners.tolist()):
        lam = share[i].item()

        def blend(values: Tensor, i: int = i, j: int = j, lam: float = lam) -> Tensor:
            return values[i] * lam + values[j] * (1 - lam)

        logits, value = network(blend(batch.obs)[None])
        expected.append(
            ppo_losses(
                logits[0],
                value[0],
                int(batch.actions[i if lam >= 0.5 else j]),
                blend(batch.old_log_probs),
                blend(batch.old_values),
                blend(batch.returns),
                blend(batch.advantages),
            )
        )
    policy, value_loss, entropy = (sum(part) / 12 for part in zip(*expected, strict=True))
    torch.testing.assert_close(loss, policy + 0.5 * value_loss - 0.01 * entropy, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        figures[:3], torch.stack([policy, value_loss, entropy]).detach(), rtol=0, atol=1e-12
    )


def test_shares_of_one_are_ppo_bit_for_bit() -> None:
    network, batch = network_of(ActorCritic), minibatch_of(12)
    partners = torch.arange(12).roll(1)
    inputs = inputs_of(batch, torch.ones(12), partners)
    loss, figures = Mixreg(config())(network, inputs)
    ppo, ppo_figures = PPO(config())(network, inputs)
    assert torch.equal(loss, ppo)
    assert torch.equal(figures, ppo_figures)
    half, _ = Mixreg(config())(network, inputs_of(batch, torch.full((12,), 0.5), partners))
    assert not torch.equal(half, ppo)


def test_updates_with_shares_of_one_are_ppo_s_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ppo = updated(make_config(method="ppo"))
    mix = updated(config())
    monkeypatch.setattr(
        "drac.objectives.mixreg.draw_shares", lambda number, alpha, generator: torch.ones(number)
    )
    ones = updated(config())
    assert all(torch.equal(ppo[name], ones[name]) for name in ppo)
    assert largest_difference(ppo, mix) > 1e-6


def test_raw_advantages_are_normalized_after_they_are_mixed() -> None:
    """As by the authors' code: over the whole minibatch, whichever micro-batch a row is in."""
    batch = minibatch_of(32)
    objective = Mixreg(config(mix_advantages="raw"))
    draws = objective.draw(batch, 5, torch.Generator().manual_seed(0))
    share, partner = draws["share"].double(), draws["partner_advantages"]
    one = share * batch.advantages + (1 - share) * partner
    expected = (one - one.mean()) / (one.std(correction=0) + 1e-8)
    seen: list[Tensor] = []
    with pytest.MonkeyPatch.context() as patch:

        def terms(logits: Tensor, value: Tensor, samples: Minibatch, config: TrainConfig) -> Terms:
            seen.append(samples.advantages)
            return ppo_terms(logits, value, samples, config)

        patch.setattr(mixreg, "terms", terms)
        for rows in (slice(0, 20), slice(20, 32)):
            cut = {name: tensor[rows] for name, tensor in draws.items()}
            objective(network_of(ActorCritic), Inputs(batch[rows], batch.obs[rows], None, cut))
    torch.testing.assert_close(torch.cat(seen), expected, rtol=0, atol=1e-6)
    released = TrainConfig(method="mixreg", fidelity="released")
    assert (TrainConfig(method="mixreg").mix_advantages, released.mix_advantages) == (
        "normalized",
        "raw",
    )


def test_shares_of_zero_are_the_partners() -> None:
    batch = minibatch_of(6)
    images, samples = mixed(batch.obs, batch, batch[torch.arange(5, -1, -1)], torch.zeros(6))
    assert torch.equal(images, batch.obs.flip(0))
    for name, value in batch.tensors().items():
        assert torch.equal(samples.tensors()[name], value.flip(0))


def test_partners_are_gathered_as_uint8_and_each_sample_is_one_once() -> None:
    batch = next(random_rollout(0).minibatches(1, torch.Generator().manual_seed(0)))
    draws = Mixreg(config()).draw(batch, 5, torch.Generator().manual_seed(0))
    assert draws["partner_obs"].dtype == torch.uint8
    assert {tensor.shape[0] for tensor in draws.values()} == {len(batch)}
    assert torch.equal(draws["partner_returns"].sort().values, batch.returns.sort().values)
    rows = [batch.returns.tolist().index(value) for value in draws["partner_returns"].tolist()]
    assert rows != list(range(len(batch)))
    assert torch.equal(draws["partner_obs"], batch.obs[rows])
    assert torch.equal(draws["partner_actions"], batch.actions[rows])


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    """Compared with scipy's distribution function; 0.005 is more than four standard errors."""
    shares = draw_shares(200_000, alpha, torch.Generator().manual_seed(0)).double()
    assert 0 <= shares.min() <= shares.max() <= 1
    for bound in (0.001, 0.1, 0.25, 0.5, 0.9, 0.999):
        expected = scipy.stats.beta.cdf(bound, alpha, alpha)
        assert (shares < bound).double().mean() == pytest.approx(expected, abs=0.005)


def test_shares_come_from_the_generator_alone() -> None:
    one, two, three = (draw_shares(50, 0.2, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)
