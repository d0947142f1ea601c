"""Writes generated cases for tests/ops/test_generated.cpp: random ops, settings, shapes, dtypes, strides and axes, and what
PyTorch (or NumPy) makes of them.   python3 make_generated.py [cases] [seed] [file]     default: 2000 1 generated.cases

A case is one line of text and the raw numbers of its outputs and gradients after it (little endian, row-major):
  op settings... | inputs | outputs
  input    dtype kind low high seed layout shape   `fr 0 0 17 t 2 3`: float32, kind r, transposed. Values are not stored: both
           sides compute them from the seed (see values). layout c contiguous, t axes stored in reverse, s every second
           element of the last axis, e the first axis longer than 1 stored once.
  output   dtype storage absolute relative shape: how far an element may be off. storage is the narrowest type that loses
           nothing. When there are gradients, the gradient of each stored floating-point input follows the outputs.

The reference is computed in float64 from the very same inputs and rounded to the dtype. How far one may be off is derived, not
chosen: exact; or elementwise, 4 units in the last place (float64: 1e-12); or 2e-6 (1e-12) of the size of the terms, which is how
much the result moves, relatively, when every input and every cotangent is changed by a random fraction of itself.

Every op that a header declares is drawn by some family; test_generated.cpp fails otherwise. Not drawn, because there is nothing to
compare with PyTorch: what has no operands (zeros, arange, eye, ...), and random numbers (rand, dropout, ...). Of the layers the
recurrent ones, attention in heads, BatchNorm and WeightNorm are drawn: the others add little but their parameters to the ops that
they call, or (SpectralNorm, caches, positions) are computed otherwise than in PyTorch; their tests are in tests/layers.
"""
import random
import sys

import numpy as np
import torch

GOLDEN = 0x9E3779B97F4A7C15
FLOATS = {"f": np.float32, "d": np.float64}


def hashes(seed, n):
    """splitmix64 of seed and position."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def values(dtype, kind, low, high, seed, n):
    """Exact in float32, so that both dtypes see the same numbers."""
    h = hashes(seed, n)
    if dtype == "b":
        return (h >> np.uint64(63)).astype(bool)
    if dtype == "i":
        return ((h >> np.uint64(1)) % np.uint64(high - low)).astype(np.int64) + low
    k = (h >> np.uint64(42)).astype(np.float64)  # 22 bits
    real = (k - 2.0**21) / 2.0**20  # [-2, 2)
    if kind == "r":
        return real
    if kind == "p":  # [1/4, 9/4)
        return k / 2.0**21 + 0.25
    if kind == "u":  # (0, 1)
        return (k + 0.5) / 2.0**22
    if kind == "t":  # ties, both zeros
        return np.array([-1, -0.5, -0.0, 0, 0.5, 1])[k.astype(np.int64) % 6]
    assert kind == "s"  # special values among others
    eighth = (h & np.uint64(7)).astype(np.int64)
    return np.where(eighth < 5, np.array([np.nan, np.inf, -np.inf, -0.0, 0, 0, 0, 0])[eighth], real)


class Input:
    def __init__(self, shape, kind="r", dtype=None, low=0, high=0, layouts="ctse"):
        self.shape, self.kind, self.dtype, self.low, self.high, self.layouts = tuple(shape), kind, dtype, low, high, layouts

    def stored_shape(self):
        s = list(self.shape)
        if self.layout == "t":
            return s[::-1]
        if self.layout == "s" and s:
            s[-1] = 2 * s[-1] + 1
        if self.layout == "e":
            for i, n in enumerate(s):
                if n > 1:
                    s[i] = 1
                    break
        return s

    def view(self, stored):
        if self.layout == "t":
            return stored.permute(list(range(stored.dim()))[::-1])
        if self.layout == "s" and self.shape:
            return stored[..., 1::2]
        return stored.expand(self.shape) if self.layout == "e" else stored

    def finish(self, draw, dtype):
        self.dtype = self.dtype or dtype
        self.layout, self.seed = draw.choice("ccc" + self.layouts), draw.randrange(1 << 20)
        shape = self.stored_shape()
        v = values(self.dtype, self.kind, self.low, self.high, self.seed, int(np.prod(shape, dtype=np.int64)))
        self.data = torch.from_numpy(v.reshape(shape))

    def text(self):
        return " ".join(map(str, [self.dtype + self.kind, self.low, self.high, self.seed, self.layout, *self.shape]))


def ids(shape, high, low=0):
    return Input(shape, "r", "i", low, high)


def truth(shape):
    return Input(shape, "r", "b")


class Case:
    """f takes the inputs as float64, int64 or bool tensors. kinks: equal numbers must stay equal when the inputs are moved.
    size, of the inputs: by how much f may enlarge a cotangent before terms cancel; values are below 2, hence 2.
    terms: of what size the numbers are whose difference an output is, where moving the inputs may move neither."""

    def __init__(self, op, inputs, f, settings=(), accuracy="scaled", grad=True, kinks=False, size=lambda *xs: 2.0, terms=0.0):
        self.op, self.inputs, self.f, self.settings = op, inputs, f, settings
        self.accuracy, self.grad, self.kinks, self.size, self.terms = accuracy, grad, kinks, size, terms


def flat(settings):
    for s in settings:
        if isinstance(s, (list, tuple)):
            yield len(s)
            yield from flat(s)
        else:
            yield int(s) if isinstance(s, bool) else s


def run(case, datas, cotangents):
    """Outputs and gradients by the stored inputs, for the given stored inputs."""
    leaves = [d.clone().requires_grad_(case.grad and d.is_floating_point()) for d in datas]
    ys = case.f(*[x.view(leaf) for x, leaf in zip(case.inputs, leaves)])
    ys = list(ys) if isinstance(ys, (list, tuple)) else [ys]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    outputs = [(y, g) for y, g in zip(ys, cotangents(ys)) if y.requires_grad]
    if not wanted or not outputs:
        return ys, None
    grads = torch.autograd.grad([y for y, _ in outputs], wanted, [g for _, g in outputs], allow_unused=True)
    return ys, [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(grads, wanted)]


def moved(x, seed, kinks):
    """x with every element changed by up to a millionth of itself."""
    if not x.is_floating_point():
        return x
    a = x.detach().numpy()
    if kinks:
        r = np.sin(np.abs(a) * 12345.678 + seed)
        r = np.where(np.isfinite(r), r, 0)
    else:
        r = (hashes(seed, a.size) >> np.uint64(11)).astype(np.float64).reshape(a.shape) / 2.0**52 - 1
    return torch.from_numpy(np.asarray(a * (1 + 1e-6 * r)))


def scale(base, others):
    """The largest change relative to the millionth, and the largest value."""
    b = base.detach().numpy()
    size = 0.0
    for o in others:
        with np.errstate(invalid="ignore"):
            d = np.abs(o.detach().numpy() - b) / 1e-6
        size = max(size, float(np.max(d, where=np.isfinite(d), initial=0)))
    return size + float(np.max(np.abs(b), where=np.isfinite(b), initial=0))


def packed(y, dtype, absolute, relative):
    a = y.detach().numpy()
    if a.dtype == np.float64:
        with np.errstate(over="ignore"):
            a = a.astype(FLOATS[dtype])
            narrow = a.astype(np.float32)
        lossless = np.array_equal(narrow.astype(a.dtype), a, equal_nan=True)
        a, storage = (narrow, "f") if lossless else (a, "d")
    elif a.dtype == bool:
        dtype, storage = "b", "b"
    else:
        assert a.dtype == np.int64, a.dtype
        dtype, storage = "i", "s" if np.all((a > -1 << 15) & (a < 1 << 15)) else "i"
        a = a.astype(np.int16) if storage == "s" else a
    text = " ".join([dtype + storage, f"{absolute:.3g}", f"{relative:.3g}", *map(str, a.shape)])
    return text, np.ascontiguousarray(a).tobytes()


def write(case, draw, file):
    dtype = draw.choice("ffd")
    for x in case.inputs:
        x.finish(draw, dtype)
    floats = [x.dtype for x in case.inputs if x.dtype in "fd"]
    dtype = floats[0] if floats else "f"
    case.grad = case.grad and bool(floats) and all(x.kind != "s" for x in case.inputs)  # 0 * inf is nobody's contract
    seed = draw.randrange(1 << 20)
    plain = lambda ys: [torch.from_numpy(values("d", "r", 0, 0, seed + k, y.numel()).reshape(tuple(y.shape)))
                        for k, y in enumerate(ys)]
    datas = [x.data for x in case.inputs]
    ys, grads = run(case, datas, plain)
    other_ys, other_grads = [[] for _ in ys], [[] for _ in grads or []]
    smooth = [y.is_floating_point() for y in ys]
    if floats and any(smooth) and (case.accuracy == "scaled" or grads):
        for trial in range(3):
            near = run(case, [moved(d, 97 * trial + (0 if case.kinks else i), case.kinks) for i, d in enumerate(datas)],
                       lambda ys: [moved(g, 1000 + 97 * trial + k, False) for k, g in enumerate(plain(ys))])
            for into, made in ((other_ys, near[0]), (other_grads, near[1] or [])):
                for list_of, y in zip(into, made):
                    list_of.append(y)
    share = 2e-6 if dtype == "f" else 1e-12
    outputs = []
    for y, near, is_float in zip(ys, other_ys, smooth):
        if case.accuracy == "exact" or not is_float:
            outputs.append(packed(y, dtype, 0, 0))
        elif case.accuracy == "elementwise":
            outputs.append(packed(y, dtype, 0, 4 * 2.0**-23 if dtype == "f" else 1e-12))
        else:
            outputs.append(packed(y, dtype, share * (scale(y, near) + case.terms), share))
    if grads:
        seen = [x.view(d) for x, d in zip(case.inputs, datas)]
        terms = float(case.size(*seen)) * max((float(g.abs().max()) for g in plain(ys) if g.numel()), default=0)
    for g, near in zip(grads or [], other_grads):
        outputs.append(packed(g, dtype, share * (scale(g, near) + (0 if case.accuracy == "exact" else terms)), share))
    line = " ".join([case.op, *(repr(s) for s in flat(case.settings))])
    inputs = " ; ".join(x.text() for x in case.inputs)
    line += f" | {inputs} | {len(ys)} {seed if grads else -1} | " + " ; ".join(text for text, _ in outputs) + "\n"
    file.write(line.encode() + b"".join(blob for _, blob in outputs) + b"\n")


def main():
    from generated_ops import draw_case  # it needs the classes above
    cases, seed = (int(a) for a in (sys.argv[1:3] + ["2000", "1"][len(sys.argv) - 1:])[:2])
    path = sys.argv[3] if len(sys.argv) > 3 else "generated.cases"
    draw = random.Random(seed)
    torch.set_num_threads(1)
    with open(path, "wb") as file:
        for _ in range(cases):
            write(draw_case(draw), draw, file)


if __name__ == "__main__":
    sys.modules["make_generated"] = sys.modules["__main__"]
    main()
