"""For make_generated.py: how shapes and axes are drawn; and the ops that move elements, and indices."""
import math

import numpy as np
import torch
import torch.nn.functional as F

from make_generated import Case, Input, ids, truth

SIZES = [0] + [1] * 4 + [2] * 6 + [3] * 6 + [4] * 3 + [5] * 2 + [7]
POSITIVE = SIZES[1:]


def dims(r, low=0, high=4, sizes=SIZES, most=40):
    if low <= 1 <= high and r.random() < 0.03:
        return [r.choice([16, 17, 31, 33, 64, 67])]
    while True:
        s = [r.choice(sizes) for _ in range(r.randint(low, high))]
        if math.prod(s) <= most:
            return s


def axis(r, shape):
    a = r.randrange(len(shape))
    return r.choice([a, a - len(shape)])


def some_axes(r, shape):
    chosen = r.sample(range(len(shape)), r.randint(1, len(shape)))
    return [r.choice([a, a - len(shape)]) for a in chosen]


def broadcast_from(r, shape):
    """A shape that broadcasts to this one."""
    s = [1 if r.random() < 0.3 else n for n in shape]
    return s[r.randint(0, len(s)):] if r.random() < 0.3 else s


def kind(r, usual="r"):
    return r.choice([usual] * 4 + ["t", "s"])


# ---- shapes
def views(r):
    s = dims(r, 1)
    a, b, x = axis(r, s), axis(r, s), Input(s, kind(r))
    at, n = a % len(s), s[a]
    op = r.choice(["reshape", "transpose", "permute", "squeeze", "unsqueeze", "expand", "slice", "select", "movedim", "movedim.lists", "flatten",
                   "diagonal", "unfold", "contiguous", "tril", "triu", "flip", "roll", "roll.all", "repeat", "tile", "repeat_interleave",
                   "repeat_interleave.each", "pad", "pad.reflect", "pad.replicate", "diag"])
    case = lambda f, *settings: Case(op, [x], f, settings, accuracy="exact")
    if op == "reshape":
        to = [math.prod(s[:at]), math.prod(s[at:])] if r.random() < 0.5 or not math.prod(s) else s[at:] + [-1]
        return case(lambda x: x.reshape(to), to)
    if op == "transpose":
        return case(lambda x: x.transpose(a, b), a, b)
    if op == "permute":
        p = r.sample(range(len(s)), len(s))
        return case(lambda x: x.permute(p), p)
    if op == "squeeze":
        x = Input(s[:at] + [1] + s[at:])
        return case(lambda x: x.squeeze(at), at)
    if op == "unsqueeze":
        return case(lambda x: x.unsqueeze(a), a)
    if op == "expand":
        x, to = Input(broadcast_from(r, s)), s
        return case(lambda x: x.expand(to), to)
    if op == "slice":
        start, end, step = r.randint(-n, n), r.randint(-n, n + 2), r.choice([1, 1, 2, 3])

        def f(x):  # PyTorch has no slice function
            at_all = [slice(None)] * x.dim()
            at_all[a] = slice(start, end, step)
            return x[tuple(at_all)]
        return case(f, a, start, end, step)
    if op == "select":
        if n == 0:
            return views(r)
        i = r.randint(0, n - 1)  # negative ones are refused, as all indices of ops.h
        return case(lambda x: x.select(a, i), a, i)
    if op == "movedim":
        return case(lambda x: x.movedim(a, b), a, b)
    if op == "movedim.lists":
        source, to = (r.sample(range(len(s)), len(s) // 2 + 1) for _ in range(2))
        return case(lambda x: x.movedim(source, to), source, to)
    if op == "flatten":
        low, high = sorted([at, b % len(s)])
        return case(lambda x: x.flatten(low, high), low, high)
    if op in ("diagonal", "tril", "triu"):
        x, k = Input(dims(r, 2, 3)[:3] if len(s) < 2 else s), r.randint(-2, 2)
        if len(x.shape) < 2:
            x = Input([2, 3])
        if op != "diagonal":
            return case(lambda x: getattr(torch, op)(x, k), k)
        p, q = r.sample(range(len(x.shape)), 2)
        k = 0 if 0 in x.shape else r.randint(1 - min(x.shape[p], 1), 0) + r.randint(0, x.shape[q] - 1)
        return case(lambda x: x.diagonal(k, p, q), k, p, q)
    if op == "unfold":
        size, step = r.randint(min(1, n), n), r.randint(1, 3)
        if size == 0:
            return views(r)
        return case(lambda x: x.unfold(a, size, step), a, size, step)
    if op == "contiguous":
        return case(lambda x: x.contiguous())
    if op == "flip":
        axes = some_axes(r, s)
        return case(lambda x: x.flip(axes), axes)
    if op == "roll":
        axes = some_axes(r, s)
        shifts = [r.randint(-5, 5) for _ in axes]
        return case(lambda x: x.roll(shifts, axes), shifts, axes)
    if op == "roll.all":
        return case(lambda x: x.roll(b), b)
    if op == "repeat":
        counts = [r.choice([0, 1, 1, 2, 3]) for _ in range(len(s) + r.randint(0, 1))]
        return case(lambda x: x.repeat(counts), counts)
    if op == "tile":
        counts = [r.choice([1, 2, 3]) for _ in range(r.randint(1, len(s) + 1))]
        return case(lambda x: x.tile(counts), counts)
    if op == "repeat_interleave":
        k = r.randint(0, 3)
        return case(lambda x: x.repeat_interleave(k, a), k, a)
    if op == "repeat_interleave.each":
        return Case(op, [x, ids([n], 4)], lambda x, k: x.repeat_interleave(k, a), [a], accuracy="exact")
    if op == "diag":
        x, k = Input(r.choice([[n], [3, n], [n, 2]])), r.randint(-1, 1)
        if len(x.shape) == 2:
            k = 0
        return case(lambda x: torch.diag(x, k), k)
    if op == "pad":
        pairs = [[r.randint(0, 2), r.randint(0, 2)] for _ in range(r.randint(1, len(s)))]
        return case(lambda x: F.pad(x, [p for pair in pairs[::-1] for p in pair], value=1.5), pairs)
    x = Input([2, 2, r.randint(1, 4), r.randint(2, 5)])  # the ranks that PyTorch has
    pairs = [[r.randint(0, m - 1), r.randint(0, m - 1)] for m in x.shape[2:]]
    return case(lambda x: F.pad(x, [p for pair in pairs[::-1] for p in pair], mode=op[4:]), pairs)


def joins(r):
    op = r.choice(["cat", "stack", "split", "split.sizes", "chunk", "meshgrid"])
    s = dims(r, 1)
    a = axis(r, s)
    exact = dict(accuracy="exact")
    if op == "meshgrid":
        return Case(op, [Input([r.choice([0, 1, 2, 3])]) for _ in range(2)], lambda *x: torch.meshgrid(*x, indexing="ij"), **exact)
    if op == "cat":
        xs = [Input([r.choice(SIZES[:-3]) if i == a % len(s) else n for i, n in enumerate(s)]) for _ in range(r.randint(1, 3))]
        return Case(op, xs, lambda *x: torch.cat(x, a), [a], **exact)
    if op == "stack":
        return Case(op, [Input(s) for _ in range(r.randint(1, 3))], lambda *x: torch.stack(x, a), [a], **exact)
    if s[a] == 0:
        return joins(r)
    k = r.randint(1, s[a])
    if op == "split":
        return Case(op, [Input(s)], lambda x: x.split(k, a), [k, a], **exact)
    if op == "split.sizes":
        return Case(op, [Input(s)], lambda x: x.split([k, s[a] - k], a), [[k, s[a] - k], a], **exact)
    return Case(op, [Input(s)], lambda x: x.chunk(k, a), [k, a], **exact)


# ---- indices
def written(x, places, src):
    """x with src at the places (indices of all axes, of src's shape): of several at one place the last one, alone with a gradient.
    PyTorch leaves open which is written, and gives all of them the gradient."""
    last = np.full(x.shape, -1)
    for k, place in enumerate(zip(*(np.asarray(p).reshape(-1) for p in places))):
        last[place] = k
    last = torch.from_numpy(last)
    if src.numel() == 0:
        return x + 0 * src.sum()
    return torch.where(last >= 0, src.reshape(-1)[last.clamp(min=0)], x)


def indices(r):
    op = r.choice(["index_select", "gather", "scatter_add", "scatter", "take_along", "index_put", "index_put.add", "slice_scatter",
                   "masked_select", "nonzero", "unique", "searchsorted", "bincount"])
    s = dims(r, 1, sizes=POSITIVE)
    a = axis(r, s)
    at, x = a % len(s), Input(s, kind(r))
    smaller = [r.randint(1, 4) if i == at else r.randint(1, n) for i, n in enumerate(s)]
    exact = dict(accuracy="exact")
    if op == "index_select":
        return Case(op, [x, ids([r.randint(0, 5)], s[a])], lambda x, i: x.index_select(a, i), [a], **exact)
    if op == "gather":
        return Case(op, [x, ids(smaller, s[a])], lambda x, i: x.gather(a, i), [a], **exact)
    if op == "scatter_add":
        return Case(op, [x, ids(smaller, s[a]), Input(smaller)], lambda x, i, y: x.scatter_add(a, i, y), [a])
    if op == "scatter":
        def f(x, i, y):
            places = list(np.indices(i.shape))
            places[at] = i.numpy()
            return written(x, places, y)
        return Case(op, [x, ids(smaller, s[a]), Input(smaller)], f, [a], **exact)
    if op == "take_along":
        i = [r.randint(1, 4) if k == at else r.choice([1, n]) for k, n in enumerate(s)]
        return Case(op, [x, ids(i, s[a])], lambda x, i: torch.take_along_dim(x, i, a), [a], **exact)
    if op.startswith("index_put"):
        count = r.randint(1, len(s))
        to = dims(r, 0, 2, sizes=POSITIVE, most=9)
        i = [ids(broadcast_from(r, to) if k else to, s[k]) for k in range(count)]
        v = Input(broadcast_from(r, to + s[count:]))
        if op == "index_put.add":
            return Case(op, [x, v, *i], lambda x, v, *i: x.index_put(tuple(i), v, accumulate=True))

        def f(x, v, *i):
            v = v.expand(to + s[count:])
            rest = np.indices(v.shape)[len(to):]
            grown = [np.broadcast_to(k.expand(to).numpy().reshape(to + [1] * (len(s) - count)), v.shape) for k in i]
            return written(x, [*grown, *rest], v)
        return Case(op, [x, v, *i], f, **exact)
    if op == "slice_scatter":
        start, end, step = r.randint(0, s[a]), r.randint(0, s[a]), r.choice([1, 2])
        end = max(start, end)
        src = list(s)
        src[at] = len(range(start, end, step))
        return Case(op, [x, Input(src)], lambda x, y: torch.slice_scatter(x, y, a, start, end, step), [a, start, end, step], **exact)
    if op == "masked_select":
        return Case(op, [x, truth(broadcast_from(r, s))], torch.masked_select, **exact)
    if op == "nonzero":
        return Case(op, [r.choice([x, truth(s), ids(s, 2), Input(s, "s")])], torch.nonzero, grad=False)
    if op == "unique":  # NaN is left out: PyTorch's are unordered
        x = r.choice([Input(s, "t"), ids(s, 4)])
        return Case(op, [x], lambda x: torch.unique(x, return_inverse=True, return_counts=True), grad=False, kinks=True)
    if op == "searchsorted":
        right, rows = r.random() < 0.5, r.random() < 0.3
        x = Input([2, s[-1]] if rows else [s[-1]], "t")
        return Case(op, [x, Input([2, 3] if rows else s, "t")],
                    lambda x, v: torch.searchsorted(x.sort(-1)[0].contiguous(), v.contiguous(), right=right), [right], grad=False)
    n, least = r.randint(0, 9), r.randint(0, 5)
    if r.random() < 0.5:
        return Case(op, [ids([n], 6)], lambda i: torch.bincount(i, minlength=least), [least])

    def f(i, w):  # PyTorch's has no gradient
        return w.new_zeros(max(least, int(i.max()) + 1 if n else 0)).index_add(0, i, w)
    return Case(op, [ids([n], 6), Input([n])], f, [least])


def draw_shape(r):
    return r.choice([views, views, joins, indices, indices])(r)
