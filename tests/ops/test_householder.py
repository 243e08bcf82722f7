"""Products of reflections against what defines them, and the QR factorization in their form."""

import numpy as np
import pytest

import gpudl
from gpudl.ops.householder import geqrf

torch = pytest.importorskip("torch")


def by_definition(a, tau):
    """H[0] H[1] ... times the first columns of the identity."""
    product = np.eye(len(a))
    for i, t in enumerate(tau):
        v = np.r_[np.zeros(i), 1, a[i + 1 :, i]]
        product = product @ (np.eye(len(a)) - t * np.outer(v, v))
    return product[:, : a.shape[1]]


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (7, 7), (80, 70), (200, 200)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_householder_product_is_its_definition(shape, dtype, device):
    rng = np.random.default_rng(0)
    a = rng.normal(size=shape)
    tau = 2 / (1 + (np.tril(a, -1) ** 2).sum(0))
    tau[::3] = 0
    got = gpudl.linalg.householder_product(*(gpudl.tensor(x.astype(dtype), device=device) for x in (a, tau)))
    want = by_definition(a.astype(dtype).astype("f8"), tau.astype(dtype).astype("f8"))
    np.testing.assert_allclose(got.cpu().numpy(), want, atol=2e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (2, 4, 3), (2, 3, 4, 4), (0, 3, 2)])
def test_geqrf_and_householder_product_make_qr(shape, device):
    x = gpudl.tensor(np.random.default_rng(0).normal(size=shape), device=device)
    a, tau = geqrf(x)
    q, r = gpudl.linalg.householder_product(a, tau), a[..., : shape[-1], :].triu()
    np.testing.assert_allclose((q @ r).cpu().numpy(), x.cpu().numpy(), atol=1e-13)
    oracle = torch.geqrf(torch.tensor(x.cpu().numpy()))
    np.testing.assert_allclose(a.cpu().numpy(), oracle.a.numpy(), atol=1e-13)
    np.testing.assert_allclose(tau.cpu().numpy(), oracle.tau.numpy(), atol=1e-13)


def test_geqrf_has_no_gradient_and_takes_no_half_floats():
    assert not geqrf(gpudl.eye(3).requires_grad_()).a.requires_grad
    with pytest.raises(RuntimeError):
        geqrf(gpudl.eye(3, dtype="float16"))
    with pytest.raises(RuntimeError, match=r"float64.*float32|float32.*float64"):
        gpudl.linalg.householder_product(gpudl.eye(3), gpudl.zeros(3, dtype="float64"))
