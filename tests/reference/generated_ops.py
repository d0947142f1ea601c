"""The ops of make_generated.py: for each a function that draws shapes and settings and says what PyTorch computes.

Where ops.h asks for something else than PyTorch does, the reference here is put together from what ops.h says, with a comment.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

from generated_layers import attention, convolutions, draw_loss, normalisations, pools, softmaxes, tables
from generated_linalg import linalg
from generated_modules import multi_head_attention, norms_of_layers, recurrent
from generated_shapes import POSITIVE, SIZES, axis, broadcast_from, dims, draw_shape, kind, some_axes
from make_generated import Case, Input, ids, truth

# ---- functions of each element
MATHS = dict(exp="r", expm1="r", log="p", log1p="p", sqrt="p", rsqrt="p", sin="r", cos="r", tan="r", tanh="r", erf="r", sigmoid="r")
STEPS = ["sign", "floor", "ceil", "round", "neg", "abs", "relu"]
CURVES = {
    "gelu": lambda x: F.gelu(x), "gelu.tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "mish": F.mish,
    "hardswish": F.hardswish,
}


def maths(r):
    op = r.choice(list(MATHS))
    edge = op not in ("log", "sqrt", "rsqrt")  # of 0 and of negative numbers: the values only
    k = kind(r, MATHS[op])
    return Case(op, [Input(dims(r), k)], getattr(torch, op), accuracy="elementwise", grad=edge or k == "p")


def steps(r):
    op = r.choice(STEPS)
    ints = op in ("neg", "abs") and r.random() < 0.3
    x = ids(dims(r), 9, -9) if ints else Input(dims(r), kind(r))
    return Case(op, [x], getattr(torch, op), accuracy="exact", kinks=True)


def tests(r):
    op = r.choice(["isnan", "isinf", "isfinite"])
    return Case(op, [Input(dims(r), "s")], getattr(torch, op))


def curves(r):
    op = r.choice(list(CURVES))
    # of -inf PyTorch's formulas give NaN here and the limit there: no special values
    return Case(op, [Input(dims(r), r.choice("rrt"))], CURVES[op])


def curves_with_settings(r):
    x, a = Input(dims(r), r.choice("rrt")), r.choice([0.25, 0.5, 1.0, 2.0])
    op = r.choice(["softplus", "elu", "leaky_relu", "clamp", "glu", "swiglu", "prelu"])
    if op == "softplus":
        t = r.choice([1.5, 20.0])
        return Case(op, [x], lambda x: F.softplus(x, a, t), [a, t])
    if op == "elu":
        return Case(op, [x], lambda x: F.elu(x, a), [a])
    if op == "leaky_relu":
        return Case(op, [x], lambda x: F.leaky_relu(x, a / 4), [a / 4])
    if op == "clamp":  # bounds that no element has: there PyTorch's gradient is 1, ops.h says 0
        low, high = r.choice([(-0.7, 0.8), (0.3, 5.3), (-9.3, -0.2)])
        name, bounds = r.choice([(op, [low, high]), ("clamp.min", [low, None]), ("clamp.max", [None, high])])
        return Case(name, [Input(dims(r), kind(r))], lambda x: x.clamp(*bounds), [b for b in bounds if b], accuracy="elementwise")
    if op == "prelu":
        s = dims(r, 2, 4)
        w = r.choice([1, s[1]])
        return Case(op, [Input(s), Input([w])], lambda x, w: torch.where(x > 0, x, w.reshape([1, -1] + [1] * (x.dim() - 2)) * x))
    s = dims(r, 1, 4)
    d = axis(r, s)
    s[d] *= 2
    f = {"glu": lambda x: F.glu(x, d), "swiglu": lambda x: F.silu(x.chunk(2, d)[0]) * x.chunk(2, d)[1]}[op]
    return Case(op, [Input(s)], f, [d])


# ---- arithmetic and comparisons
BINARY = {"+": torch.add, "-": torch.sub, "*": torch.mul, "/": torch.div, "maximum": torch.maximum, "minimum": torch.minimum}
COMPARE = {"==": torch.eq, "!=": torch.ne, "<": torch.lt, "<=": torch.le, ">": torch.gt, ">=": torch.ge}


def pair(r, make):
    s = dims(r)
    a, b = s, broadcast_from(r, s)
    if r.random() < 0.3:
        a = broadcast_from(r, s)
    return [make(a), make(b)][:: r.choice([1, -1])]


def binary(r):
    op = r.choice(list(BINARY))
    if r.random() < 0.3:
        xs = pair(r, lambda s: ids(s, 50, -50))
        if op == "/":
            xs[1] = ids(xs[1].shape, 9, 1)
            return Case(op, xs, lambda a, b: torch.div(a, b, rounding_mode="trunc"))
        return Case(op, xs, BINARY[op])
    xs = pair(r, lambda s: Input(s, kind(r)))
    if op == "/" and r.random() < 0.8:
        xs[1].kind = "p"
    grad = op != "/" or xs[1].kind == "p"
    return Case(op, xs, BINARY[op], accuracy="exact" if "imum" in op else "elementwise", grad=grad, kinks=True)


def binary_more(r):
    op = r.choice(["pow", "remainder"])
    if op == "pow":
        xs = pair(r, lambda s: Input(s))
        xs[0].kind = "p"
        return Case(op, xs, torch.pow, accuracy="elementwise")
    if r.random() < 0.5:
        xs = pair(r, lambda s: ids(s, 50, -50))
        xs[1].low, xs[1].high = r.choice([(1, 9), (-9, 0)])
        return Case(op, xs, torch.remainder)
    # divisor = numerator's half etc. would sit on a jump; random ones do not
    xs = pair(r, lambda s: Input(s))
    xs[1].kind = "p"
    return Case(op, xs, torch.remainder, kinks=True)


def with_number(r):
    op = r.choice(["+.number", "-.number", "*.number", "/.number", "+.of_number", "-.of_number", "*.of_number", "/.of_number",
                   "pow.number", "remainder.number"])
    number = r.choice([-3, 2, 0.5, 1.25])
    x = Input(dims(r), "p" if op in ("/.of_number", "pow.number") else kind(r))
    if op == "remainder.number":
        x.kind = "p"  # of positive numbers, away from 0
    f = {"+.number": lambda x: x + number, "-.number": lambda x: x - number, "*.number": lambda x: x * number,
         "/.number": lambda x: x / number, "+.of_number": lambda x: number + x, "-.of_number": lambda x: number - x,
         "*.of_number": lambda x: number * x, "/.of_number": lambda x: number / x, "pow.number": lambda x: x**number,
         "remainder.number": lambda x: torch.remainder(x, number)}[op]
    return Case(op, [x], f, [number], accuracy="scaled" if op == "remainder.number" else "elementwise", kinks=True)


def compare(r):
    op = r.choice(list(COMPARE))
    make = r.choice([lambda s: ids(s, 3), lambda s: Input(s, "t"), lambda s: Input(s, "s")])
    if r.random() < 0.3:
        return Case(op + ".number", [make(dims(r))], lambda x: COMPARE[op](x, 1), [1])
    return Case(op, pair(r, make), COMPARE[op])


def conversions(r):
    op = r.choice(["to.int64", "to.boolean", "to.float32", "zeros_like", "ones_like"])
    x = Input(dims(r), kind(r))
    if op == "to.int64":  # PyTorch leaves open what NaN and infinities become
        low, high = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max
        return Case(op, [x], lambda x: torch.where(x.isinf(), torch.where(x > 0, high, low), x.nan_to_num(0, 0, 0).to(torch.int64)))
    if op == "to.boolean":
        return Case(op, [x], lambda x: x.to(torch.bool))
    # to.float32: there and back, of numbers that float32 has
    return Case(op, [x], torch.clone if op == "to.float32" else getattr(torch, op), accuracy="exact")


def logic(r):
    op = r.choice(["logical_and", "logical_or", "logical_xor", "logical_not"])
    if op == "logical_not":
        return Case(op, [truth(dims(r))], torch.logical_not)
    return Case(op, pair(r, truth), getattr(torch, op))


def choose(r):
    s = dims(r)
    if r.random() < 0.4:
        return Case("masked_fill", [Input(s, kind(r)), truth(broadcast_from(r, s))], lambda x, m: x.masked_fill(m, -1.5),
                    [-1.5], accuracy="exact")
    return Case("where", [truth(broadcast_from(r, s)), Input(s, kind(r)), Input(broadcast_from(r, s), kind(r))], torch.where,
                accuracy="exact")


# ---- reductions
def reduce(r):
    op = r.choice(["sum", "mean", "prod", "any", "all"])
    s = dims(r)
    number = op in ("sum", "prod", "any", "all") and r.random() < 0.3
    x = ids(s, 4, -3) if number else Input(s, kind(r))
    if op in ("any", "all") and r.random() < 0.4:
        x = truth(s)
    base = getattr(torch, op)
    if not s or r.random() < 0.25:
        return Case(op, [x], base, [0])
    axes, keep = some_axes(r, s), r.random() < 0.5
    f = lambda x: base(x, dim=axes, keepdim=keep)
    if op == "prod":
        def f(x):
            for a in axes:
                x = x.prod(a, keepdim=True)
            return x if keep else x.squeeze([a for a in axes])
    return Case(op, [x], f, [1, axes, keep])


def moments(r):
    op = r.choice(["var", "stddev"])
    s = dims(r, 1)
    axes, keep, correction = some_axes(r, s), r.random() < 0.5, r.choice([0, 1, 1, 2])
    n = math.prod(s[a] for a in axes)
    f = torch.var if op == "var" else torch.std
    # the standard deviation of equal elements has the gradient 0 here and NaN there
    return Case(op, [Input(s, layouts="cts")], lambda x: f(x, dim=axes, keepdim=keep, correction=correction),
                [axes, keep, correction], grad=n > max(correction, 1))


def norms(r):
    p = r.choice([1, 1.5, 2, 2, 3, math.inf])
    s = dims(r, 1, sizes=POSITIVE)
    x = Input(s, layouts="cts")
    if r.random() < 0.3:
        return Case("norm", [x], lambda x: torch.linalg.vector_norm(x, p), [float(p), 0], kinks=True)
    axes, keep = some_axes(r, s), r.random() < 0.5
    return Case("norm", [x], lambda x: torch.linalg.vector_norm(x, p, dim=axes, keepdim=keep), [float(p), 1, axes, keep], kinks=True)


def first(x, largest, axes, keep):
    """The extreme over the axes: of equal ones, and of NaNs, the first takes the gradient (torch.amax shares it)."""
    axes = sorted(a % x.dim() for a in axes)
    rest = [a for a in range(x.dim()) if a not in axes]
    rows = x.permute(*rest, *axes).reshape([x.shape[a] for a in rest] + [-1])
    at = (np.argmax if largest else np.argmin)(rows.detach().numpy(), -1)
    y = rows.gather(-1, torch.from_numpy(np.asarray(at))[..., None])[..., 0]
    return y.reshape([1 if a in axes else n for a, n in enumerate(x.shape)]) if keep else y


def extremes(r):
    op = r.choice(["max", "min", "argmax", "argmin"])
    s = dims(r, 0 if op in ("max", "min") else 1, sizes=POSITIVE)
    x = ids(s, 5) if r.random() < 0.2 else Input(s, kind(r))
    if op in ("argmax", "argmin"):
        a, keep, find = axis(r, s), r.random() < 0.5, getattr(np, op)
        return Case(op, [x], lambda x: torch.from_numpy(np.asarray(find(x.numpy(), a, keepdims=keep))), [a, keep], grad=False)
    if not s or r.random() < 0.2:
        return Case(op, [x], lambda x: first(x.reshape(-1), op == "max", [0], False), [0], accuracy="exact", kinks=True)
    axes, keep = some_axes(r, s), r.random() < 0.5
    return Case(op, [x], lambda x: first(x, op == "max", axes, keep), [1, axes, keep], accuracy="exact", kinks=True)


def order(r):
    op = r.choice(["sort", "argsort", "topk", "median"])
    s = dims(r, 1, sizes=POSITIVE if op == "median" else SIZES)
    x = ids(s, 5) if r.random() < 0.2 else Input(s, kind(r))
    a, down = axis(r, s), r.random() < 0.5
    if op == "median":
        if r.random() < 0.3:
            return Case(op, [Input(s, layouts="cts")], torch.median, [0], accuracy="exact", kinks=True)
        keep = r.random() < 0.5
        x = Input(s, layouts="cts") if x.kind != "s" else x
        # of a copy: PyTorch 2.15 gives what memory happened to hold for expanded tensors with NaN
        return Case(op, [x], lambda x: torch.median(x.contiguous(), a, keep)[0], [1, a, keep], accuracy="exact", kinks=True)
    stable = lambda x, down: torch.sort(x, dim=a, descending=down, stable=True)
    if op == "topk":
        k = r.randint(0, s[a])
        return Case(op, [x], lambda x: [t.narrow(a, 0, k) for t in stable(x, True)], [k, a], accuracy="exact", kinks=True)
    if op == "argsort":
        return Case(op, [x], lambda x: stable(x, down)[1], [a, down], grad=False)
    return Case(op, [x], lambda x: stable(x, down), [a, down], accuracy="exact", kinks=True)


def scans(r):
    op = r.choice(["cumsum", "cumprod", "logcumsumexp"])
    s = dims(r, 1)
    a = axis(r, s)
    x = ids(s, 4, -3) if op != "logcumsumexp" and r.random() < 0.25 else Input(s, r.choice("rrt"))
    return Case(op, [x], lambda x: getattr(torch, op)(x, a), [a])


def sums_to(r):
    s = dims(r)
    to = broadcast_from(r, s)
    return Case("sum_to", [Input(s)], lambda x: x.sum_to_size(to), [to])


# ---- products
EQUATIONS = ["ij,jk->ik", "ij,jk", "bij,bjk->bik", "ij,kj->ki", "i,j->ji", "ij->ji", "ii->i", "ii", "ij->", "ij,ij->i", "bhi,bhj->bij",
             "...i,ij->...j", "i,ij,j", "ij,jk,kl->li", "bi,bi->b", "a b, b c -> a c"]


def draw_equation(r):
    if r.random() < 0.4:
        return r.choice(EQUATIONS)
    terms = ["".join(r.sample("ijkl", r.randint(0, 3))) for _ in range(r.randint(1, 3))]
    names = sorted(set("".join(terms)))
    if names and r.random() < 0.2:
        terms.append(r.choice(names) * 2)
    left = ",".join(terms)
    return left if r.random() < 0.2 else left + "->" + "".join(r.sample(names, r.randint(0, len(names))))


def products(r):
    op = r.choice(["matmul", "matmul", "linear", "einsum", "einsum", "dot", "outer", "bmm", "tensordot", "tensordot.axes"])
    m, k, n, b = (r.choice(SIZES) for _ in range(4))
    if r.random() < 0.05:
        k = r.choice([17, 33])
    if op == "matmul":
        batch = dims(r, 0, 2, most=6) if r.random() < 0.6 else []
        batch = batch if math.prod(batch) < 7 else []
        a = [k] if r.random() < 0.2 else broadcast_from(r, batch) + [m, k]
        c = [k] if r.random() < 0.2 else broadcast_from(r, batch) + [k, n]
        return Case(op, [Input(a), Input(c)], torch.matmul)
    if op == "linear":
        x = [Input(dims(r, 0, 2, most=6)[:2] + [k]), Input([n, k])] + ([Input([n])] if r.random() < 0.6 else [])
        return Case(op, x, F.linear)
    if op == "einsum":
        named = draw_equation(r)
        equation = named.replace(" ", "")
        sizes = {c: r.choice(SIZES[:-3]) for c in "abcdefghijkl"}
        terms = equation.split("->")[0].split(",")
        xs = [Input(([2] if "..." in t else []) + [sizes[c] for c in t.replace("...", "")]) for t in terms]
        return Case(op, xs, lambda *x: torch.einsum(equation, *x), [[ord(c) for c in named]])
    if op == "dot":
        return Case(op, [Input([k]), Input([k])], torch.dot)
    if op == "outer":
        return Case(op, [Input([m]), Input([n])], torch.outer)
    if op == "bmm":
        return Case(op, [Input([b, m, k]), Input([b, k, n])], torch.bmm)
    if op == "tensordot":
        return Case(op, [Input([m, k, b]), Input([k, b, n])], lambda x, y: torch.tensordot(x, y, 2), [2])
    return Case(op, [Input([m, k, b]), Input([b, n, k])], lambda x, y: torch.tensordot(x, y, ([1, -1], [2, 0])), [[1, -1], [2, 0]])


FAMILIES = [maths, maths, steps, steps, tests, curves, curves_with_settings, curves_with_settings, conversions, binary, binary, binary_more,
            with_number, compare, compare, logic, choose, reduce, reduce, moments, norms, extremes, extremes, order, order, scans, sums_to,
            products, products, products, linalg, linalg, linalg, convolutions, convolutions, pools, pools, softmaxes, softmaxes,
            normalisations, normalisations, attention, tables, recurrent, recurrent, multi_head_attention,
            norms_of_layers] + \
           [draw_shape] * 14 + [draw_loss] * 5


def draw_case(r):
    return r.choice(FAMILIES)(r)
