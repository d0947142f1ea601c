"""For make_generated.py: linear algebra. What has free signs is compared by what does not depend on them."""
import math

import torch

from generated_shapes import broadcast_from
from make_generated import Case, Input

SIZES = [0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 8]


def matrices(r, *last):
    """A batch of matrices: not all elements equal along their axes, which would make every one of them singular."""
    batch = r.choice([[], [], [1], [2], [2], [3], [0], [2, 1], [1, 3]])
    return Input(batch + list(last), layouts="ctse" if math.prod(batch) > 1 else "cts")


def symmetric(x):
    return x + x.transpose(-1, -2)


def definite(x):
    return x @ x.transpose(-1, -2) + torch.eye(x.shape[-1], dtype=x.dtype)


def solution(a, b):
    """torch.linalg.solve takes some matrices for batches of vectors: here b is a matrix, in a batch of a's rank."""
    x = b[:, None] if b.dim() == 1 else b
    batch = torch.broadcast_shapes(a.shape[:-2], x.shape[:-2])
    x = torch.linalg.solve(a.expand(*batch, *a.shape[-2:]), x.expand(*batch, *x.shape[-2:]))
    return x[..., 0] if b.dim() == 1 else x


def upright(x):
    """The q and r of which the diagonal of r is positive."""
    q, r = torch.linalg.qr(x)
    d = r.diagonal(0, -2, -1).sign().detach()
    return q * d[..., None, :], r * d[..., None]


def linalg(r):
    op = r.choice(["inv", "solve", "solve", "det", "slogdet", "cholesky", "qr", "svd", "eigh"])
    m, n = r.choice(SIZES), r.choice(SIZES)
    name = "linalg::" + op
    if op in ("qr", "svd"):
        def parts(x):  # the singular values, and the first of the matrices whose sum x is, divided by its own
            u, s, vh = torch.linalg.svd(x, full_matrices=False)
            return s, u[..., :1] @ vh[..., :1, :]
        return Case(name, [matrices(r, m, n)], upright if op == "qr" else parts)
    x = matrices(r, n, n)
    if op == "solve":
        if r.random() < 0.3:
            return Case(name, [x, Input([n])], solution)
        batch, columns = list(x.shape[:-2]), r.choice(SIZES)
        x.shape = tuple(broadcast_from(r, batch)) + (n, n)
        x.layouts = "cts"
        return Case(name, [x, Input(broadcast_from(r, batch) + [n, columns])], solution)
    if op == "cholesky":
        return Case(name, [x], lambda x: torch.linalg.cholesky(definite(x)))
    if op == "eigh":
        k = r.randrange(max(n, 1))

        def values(x):  # and the projection on one vector
            w, v = torch.linalg.eigh(symmetric(x))
            one = v[..., k:k + 1]
            return w, one @ one.transpose(-1, -2)
        return Case(name, [x], values, [k])
    f = {"inv": torch.linalg.inv, "det": torch.linalg.det, "slogdet": lambda x: list(torch.linalg.slogdet(x))}[op]
    return Case(name, [x], f)
