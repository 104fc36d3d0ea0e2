"""Codebooks against brute force, autograd, Lloyd's algorithm and the decay of a power."""

import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from course_utils.arguments import ArgumentError
from course_utils.models.vq import VectorQuantiser, code_perplexity


def quantiser(num_codes=5, dim=3, **options):
    torch.manual_seed(0)
    return VectorQuantiser(num_codes, dim, **options).double()


@pytest.fixture
def vectors(generator):
    return torch.randn(40, 6, 3, generator=generator, dtype=torch.float64)


@pytest.mark.concept("vae.vq")
def test_codes_are_the_nearest_by_brute_force(vectors):
    subject = quantiser()
    codes = subject.codes(vectors)
    for row in range(40):
        for place in range(6):
            squares = [sum((vectors[row, place] - e) ** 2).item() for e in subject.codebook]
            assert codes[row, place] == int(np.argmin(squares))
    found = subject.eval()(vectors)
    assert torch.equal(found.codes, codes)
    assert torch.equal(found.vectors, subject.codebook[codes])


@pytest.mark.concept("vae.vq")
def test_losses_are_their_formulas(vectors):
    subject = quantiser(decay=None, commitment=0.3).eval()
    found = subject(vectors)
    apart = (vectors - subject.codebook[found.codes]).square().sum() / 240
    torch.testing.assert_close(found.codebook_loss, apart)
    torch.testing.assert_close(found.commitment_loss, 0.3 * apart)
    assert quantiser().eval()(vectors).codebook_loss == 0


@pytest.mark.concept("vae.vq")
def test_each_term_moves_what_it_should(vectors):
    """Codebook: from its own loss alone. Encoder: from what lies behind and the commitment."""
    subject = quantiser(decay=None, commitment=0.3)
    z = vectors.requires_grad_()
    found = subject(z)
    behind = found.vectors.cos().sum()

    def slopes(term):
        return torch.autograd.grad(
            term, (z, subject.codebook), retain_graph=True, allow_unused=True
        )

    of_behind, of_codebook, of_commitment = map(
        slopes, (behind, found.codebook_loss, found.commitment_loss)
    )
    near = subject.codebook[found.codes].detach()
    assert of_behind[1] is None and of_codebook[0] is None and of_commitment[1] is None
    torch.testing.assert_close(of_behind[0], -near.sin())
    torch.testing.assert_close(of_commitment[0], 0.3 * 2 * (z - near).detach() / 240)
    for k in range(5):
        mine = found.codes == k
        expected = 2 * (subject.codebook[k] - z[mine]).sum(0) / 240
        torch.testing.assert_close(of_codebook[1][k], expected)


@pytest.mark.concept("vae.vq")
def test_no_codebook_is_without_loss_on_a_continuum(vectors):
    """K codes leave an error on any more than K different vectors; one each leaves none."""
    rows = vectors.flatten(0, 1)[:20]
    subject = quantiser(20).eval()
    subject.codebook.copy_(rows)
    assert torch.equal(subject(rows).vectors, rows)
    subject.codebook[0] = subject.codebook[1]
    assert subject(rows).commitment_loss > 0


@pytest.mark.concept("vae.straight-through")
def test_gradient_before_the_quantiser_is_the_one_behind_it(vectors):
    subject = quantiser(commitment=0.0)
    z = vectors.requires_grad_()
    found = subject(z)
    loss = (found.vectors.square() * torch.arange(3)).sin().sum()
    behind, before = torch.autograd.grad(loss, (found.vectors, z))
    assert torch.equal(behind, before)


@pytest.mark.concept("vae.ema-codebook")
def test_without_memory_one_update_is_one_step_of_lloyd(vectors):
    rows = vectors.flatten(0, 1)
    subject = quantiser(decay=0.0)
    start = subject.codebook.clone()
    nearest = torch.cdist(rows, start).argmin(1)
    means = torch.stack([rows[nearest == k].mean(0) for k in range(5)])
    subject(rows)
    torch.testing.assert_close(subject.codebook, means, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(subject.counts, torch.bincount(nearest).double())


@pytest.mark.concept("vae.ema-codebook")
def test_without_memory_many_updates_are_k_means(vectors):
    rows = vectors.flatten(0, 1)
    subject = quantiser(decay=0.0)
    peer = KMeans(
        5, init=subject.codebook.numpy(), n_init=1, tol=0, max_iter=500, algorithm="lloyd"
    )
    peer.fit(rows.numpy())
    for _ in range(peer.n_iter_ + 1):
        subject(rows)
    torch.testing.assert_close(
        subject.codebook, torch.from_numpy(peer.cluster_centers_), rtol=1e-10, atol=1e-12
    )


@pytest.mark.concept("vae.ema-codebook")
def test_with_memory_codes_approach_the_means_like_a_power(vectors):
    """Assignments held fixed and counts in equilibrium: e_t - mean = g^t (e_0 - mean)."""
    rows = vectors.flatten(0, 1)
    subject = quantiser(decay=0.9)
    codes = subject.codes(rows)
    means = torch.stack([rows[codes == k].mean(0) for k in range(5)])
    start = subject.codebook.clone()
    subject.counts.copy_(torch.bincount(codes, minlength=5))
    for step in range(1, 30):
        subject.follow(rows, codes)
        expected = 0.9**step * (start - means)
        torch.testing.assert_close(subject.codebook - means, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.concept("vae.ema-codebook")
def test_the_recursion_is_the_papers_ratio_of_two_averages(vectors):
    """m and N of appendix A.1, written out, over batches with changing assignments."""
    subject = quantiser(decay=0.8)
    sizes, sums = torch.ones(5).double(), subject.codebook.clone()
    for batch in vectors.split(8):
        rows = batch.flatten(0, 1)
        one_hot = torch.nn.functional.one_hot(torch.cdist(rows, sums / sizes[:, None]).argmin(1), 5)
        sizes = 0.8 * sizes + 0.2 * one_hot.double().sum(0)
        sums = 0.8 * sums + 0.2 * one_hot.double().T @ rows
        subject(batch)
        torch.testing.assert_close(subject.counts, sizes)
        torch.testing.assert_close(subject.codebook, sums / sizes[:, None], rtol=1e-9, atol=1e-12)


@pytest.mark.concept("vae.vq")
def test_a_code_far_away_is_dead_and_a_revival_brings_it_back(generator):
    data = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    for threshold, used in ((0.0, 4), (0.5, 5)):
        subject = quantiser(decay=0.9, revive_below=threshold)
        subject.codebook[0] = 100.0
        before = subject.codebook[0].clone()
        for _ in range(200):
            subject(data)
        assert len(subject.codes(data).unique()) == used
        assert torch.equal(subject.codebook[0], before) is (threshold == 0)
        assert bool(subject.codebook.isfinite().all())


@pytest.mark.concept("vae.vq")
def test_a_revived_code_is_a_vector_of_the_batch_and_gets_time_to_prove_itself(vectors):
    rows = vectors.flatten(0, 1)
    subject = quantiser(decay=0.9, revive_below=1.0)
    subject.codebook[2] = 50.0
    subject.counts[2] = 0.5
    subject(rows)
    assert (rows == subject.codebook[2]).all(1).any()
    assert subject.counts[2] == 240 / 5


def test_evaluation_leaves_the_codebook_alone(vectors):
    subject = quantiser(revive_below=9.0).eval()
    before = {name: value.clone() for name, value in subject.state_dict().items()}
    subject(vectors)
    assert all(torch.equal(before[name], value) for name, value in subject.state_dict().items())


@pytest.mark.concept("vae.vq")
def test_perplexity_counts_codes_in_use():
    assert code_perplexity(torch.zeros(9, 2, dtype=torch.int64), 8).item() == pytest.approx(1)
    assert code_perplexity(torch.arange(8), 8).item() == pytest.approx(8)
    shares = [0.5, 0.25, 0.25]
    entropy = -sum(p * math.log(p) for p in shares)
    assert code_perplexity(torch.tensor([0, 1, 0, 2]), 5).item() == pytest.approx(math.exp(entropy))


def test_arguments_are_checked(as_user):
    with pytest.raises(ArgumentError, match=r"^num_codes: expected a whole number >= 2, got 1"):
        VectorQuantiser(1, 2)
    with pytest.raises(ArgumentError, match=r"^decay: expected a number >= 0 and < 1, got 1.0"):
        VectorQuantiser(2, 2, decay=1.0)
    with pytest.raises(ArgumentError, match=r"^vectors: expected shape \(..., 3\), got shape \(2,"):
        quantiser()(torch.zeros(2, 4).double())
    with pytest.raises(ArgumentError, match=r"^codes: expected values <= 3, got a value of 7"):
        code_perplexity(torch.tensor([7]), 4)
