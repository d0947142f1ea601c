"""For make_generated.py: convolutions, pooling, normalisations, attention and losses."""
import math

import torch
import torch.nn.functional as F

from generated_shapes import POSITIVE, SIZES, axis, broadcast_from, dims
from make_generated import Case, Input, ids, truth


# ---- convolutions, pooling
def convolutions(r):
    two = r.random() < 0.4
    axes, groups = 2 if two else 1, r.choice([1, 1, 2])
    some = lambda *c: [r.choice(c) for _ in range(axes)]
    kernel, stride, padding, dilation = some(1, 2, 3), some(1, 1, 2, 3), some(0, 0, 1, 2), some(1, 1, 2)
    cin, cout = groups * r.choice([1, 2]), groups * r.choice([1, 2])
    batch = r.choice([0, 1, 1, 2])
    if r.random() < 0.6:
        size = [d * (k - 1) + 1 + r.randint(0, 3) for d, k in zip(dilation, kernel)]
        xs = [Input([batch, cin] + size), Input([cout, cin // groups] + kernel)]
        f, op, extra = (F.conv2d if two else F.conv1d), f"conv{axes}d", []
        call = lambda *x: f(*x, stride=stride, padding=padding, dilation=dilation, groups=groups)
    else:
        more = [r.randrange(max(s, d)) for s, d in zip(stride, dilation)]
        size = [r.randint(1, 4) + 2 * p for p in padding]
        xs = [Input([batch, cin] + size), Input([cin, cout // groups] + kernel)]
        f, op, extra = (F.conv_transpose2d if two else F.conv_transpose1d), f"conv_transpose{axes}d", [more]
        call = lambda *x: f(*x, stride=stride, padding=padding, output_padding=more, groups=groups, dilation=dilation)
    if r.random() < 0.5:
        xs.append(Input([cout]))
    return Case(op, xs, call, [stride, padding, dilation, groups, *extra])


def pools(r):
    op = r.choice(["max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
                   "interpolate.nearest", "interpolate.linear"])
    axes = r.choice([1, 2]) if op.startswith("interpolate") else 1 if "1d" in op else 2
    some = lambda *c: [r.choice(c) for _ in range(axes)]
    kernel, stride, dilation = some(1, 2, 3), some(1, 2, 3), some(1, 1, 2)
    padding = [r.randint(0, k // 2) for k in kernel]
    size = [d * (k - 1) + 1 + r.randint(0, 3) for d, k in zip(dilation, kernel)]
    shape = [r.choice([1, 2]), r.choice([1, 2])] + size
    if op.startswith("max"):
        f = F.max_pool1d if axes == 1 else F.max_pool2d
        return Case(op, [Input(shape, r.choice("rrt"))], lambda x: f(x, kernel, stride, padding, dilation),
                    [kernel, stride, padding, dilation], accuracy="exact", kinks=True)
    if op.startswith("avg"):
        f, count = F.avg_pool1d if axes == 1 else F.avg_pool2d, r.random() < 0.5
        return Case(op, [Input(shape)], lambda x: f(x, kernel, stride, padding, count_include_pad=count), [kernel, stride, padding, count])
    if op.startswith("adaptive"):
        f = F.adaptive_avg_pool1d if axes == 1 else F.adaptive_avg_pool2d
        return Case(op, [Input(shape)], lambda x: f(x, kernel), [kernel])
    to = some(1, 2, 3, 5, 7)
    if op == "interpolate.nearest":  # PyTorch's positions are computed in float32; ops.h says floor(i L / n)
        def f(x):
            for a, (n, t) in enumerate(zip(size, to)):
                x = x.index_select(2 + a, torch.tensor([i * n // t for i in range(t)]))
            return x
        return Case(op, [Input(shape)], f, [to], accuracy="exact")
    corners, mode = r.random() < 0.5, ["linear", "bilinear"][axes - 1]
    return Case(op, [Input(shape)], lambda x: F.interpolate(x, to, mode=mode, align_corners=corners), [to, corners])


# ---- normalisations, attention
def softmaxes(r):
    op = r.choice(["softmax", "log_softmax", "logsumexp"])
    s = dims(r, 1, sizes=SIZES if op != "logsumexp" else POSITIVE)
    a = axis(r, s)
    x = Input(s, r.choice("rrrt"))
    if op == "logsumexp":
        keep = r.random() < 0.5
        return Case(op, [x], lambda x: torch.logsumexp(x, a, keep), [a, keep])
    return Case(op, [x], lambda x: getattr(torch, op)(x, a), [a])


def normalisations(r):
    op = r.choice(["layer_norm", "rms_norm", "batch_norm", "batch_norm.running", "group_norm", "instance_norm"])
    full = r.random() < 0.6
    s = dims(r, 3, 4, sizes=[1, 2, 2, 3, 3, 4, 5])
    d = s[-1] if op in ("layer_norm", "rms_norm") else s[1]
    eps = r.choice([1e-5, 1e-2])
    x = Input(s, layouts="cts")  # expanded ones have variance 0, whose rounding errors eps magnifies
    w = [Input([d]), Input([d])] if full else []
    # copies: the gradients of PyTorch 2.15's batch_norm are wrong for some strides of x, weight and running_var
    none = lambda p: [t.contiguous() for t in p] if p else (None, None)

    def size(rows):  # 1 / the smallest standard deviation, times a weight, times 2
        return lambda x, *_: 4 / math.sqrt(float(rows(x).var(-1, correction=0).min()) + eps)
    if op == "layer_norm":
        return Case(op, [x, *w], lambda x, *p: F.layer_norm(x, [d], *none(p), eps), [eps],
                    size=size(lambda x: x))
    if op == "rms_norm":
        return Case(op, [x, *w[:1]], lambda x, *p: F.rms_norm(x, [d], p[0] if p else None, eps), [eps],
                    size=lambda x, *_: 4 / math.sqrt(float((x * x).mean(-1).min()) + eps))
    if op == "batch_norm.running":
        running = [Input([d]), Input([d], "p")]

        def f(x, m, v, *p):
            return F.batch_norm(x.contiguous(), m.detach().contiguous(), v.detach().contiguous(), *none(p), False, 0.1, eps)
        return Case(op, [x, *running, *w], f, [eps])
    if op == "batch_norm":
        if math.prod(s) // s[1] < 2:
            x = Input([2] + s[1:], layouts="cts")
        return Case(op, [x, *w], lambda x, *p: F.batch_norm(x.contiguous(), None, None, *none(p), True, 0.1, eps), [eps],
                    size=size(lambda x: x.transpose(0, 1).flatten(1)))
    if op == "group_norm":
        groups = r.choice([g for g in range(1, d + 1) if d % g == 0])
        if math.prod(s) // s[0] // groups < 2:
            return normalisations(r)
        return Case(op, [x, *w], lambda x, *p: F.group_norm(x, groups, *none(p), eps), [groups, eps],
                    size=size(lambda x: x.reshape(x.shape[0] * groups, -1)))
    if math.prod(s[2:]) < 2:
        return normalisations(r)
    return Case(op, [x, *w], lambda x, *p: F.instance_norm(x, None, None, *none(p), True, 0.1, eps), [eps],
                size=size(lambda x: x.flatten(2)))


def weights_of(q, k, allowed, bias, scale):
    """Softmax of the scores over the keys that are allowed; of none 0: PyTorch has no such rule."""
    scores = q @ k.transpose(-1, -2) * scale + bias
    return torch.softmax(scores.masked_fill(~allowed, -1e300), -1) * allowed


def attention(r):
    b, h, t, s, d, e = (r.choice([1, 1, 2, 3]) for _ in range(6))
    causal, masked, biased = r.random() < 0.4, r.random() < 0.5, r.random() < 0.3
    scale = r.choice([0.0, 0.3])  # 0 says none given
    op = r.choice(["scaled_dot_product_attention", "attention_weights"])
    xs = [Input([b, h, t, d]), Input([b, h, s, d]), Input([b, h, s, e])]
    xs += [truth(broadcast_from(r, [b, h, t, s]))] if masked else []
    xs += [Input(broadcast_from(r, [b, h, t, s]))] if biased else []

    def f(q, k, v, *more):
        allowed = torch.ones(b, h, t, s, dtype=torch.bool)
        if causal:
            allowed = allowed.tril(s - t)
        if masked:
            allowed = allowed & more[0]
        w = weights_of(q, k, allowed, more[-1] if biased else 0, scale or 1 / math.sqrt(d))
        return w @ v if op[0] == "s" else w + 0 * v.sum()
    return Case(op, xs, f, [causal, masked, biased, scale])


def turned(x, start, base):
    """ops.h turns neighbours."""
    t, d = x.shape[-2:]
    angle = (start + torch.arange(t, dtype=torch.float64))[:, None] * base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1).flatten(-2)


def tables(r):
    op = r.choice(["embedding", "rotary", "one_hot"])
    if op == "rotary":
        s = dims(r, 1, 2, most=6)[:2] + [r.choice([1, 2, 3]), r.choice([2, 4, 6])]
        start, base = r.choice([0, 3]), r.choice([10000, 100])
        return Case(op, [Input(s)], lambda x: turned(x, start, base), [start, base])
    rows, width = r.randint(1, 5), r.choice(POSITIVE)
    if op == "one_hot":
        return Case(op, [ids(dims(r, 0, 2), rows)], lambda i: F.one_hot(i, rows), [rows])
    pad = r.choice([-1, 0, rows - 1])
    return Case(op, [ids(dims(r, 0, 2), rows), Input([rows, width])],
                lambda i, w: F.embedding(i, w, None if pad < 0 else pad), [pad], accuracy="exact")


# ---- losses
REDUCTIONS = ["mean", "sum", "none", "batchmean"]
PAIRS = {"mse": F.mse_loss, "l1": F.l1_loss}


def lengths(a):
    """Cosines: 2 / the shortest vector."""
    return lambda x, y, *_: 2 / min(float(x.norm(dim=a).min()), float(y.norm(dim=a).min()))


def draw_loss(r):
    op = r.choice(["cross_entropy", "linear_cross_entropy", "nll", "mse", "l1", "huber", "smooth_l1", "binary_cross_entropy",
                   "binary_cross_entropy_with_logits", "kl_div", "cosine_similarity", "cosine_embedding", "triplet_margin", "ctc"])
    how = r.randrange(3)
    name = REDUCTIONS[how]
    s, number = dims(r, sizes=POSITIVE), r.choice([0.5, 1.0, 2.0])
    if op in ("cross_entropy", "linear_cross_entropy", "nll"):
        rows, classes = dims(r, 1, 2, sizes=POSITIVE, most=9), r.randint(1, 6)
        ignored, smooth = r.choice([-100, 0]), r.choice([0.0, 0.0, 0.1])
        average = lambda y, i: y / (i != ignored).sum().clamp(min=1)  # no target counts: 0 here, NaN there
        loss = lambda z, i: average(F.cross_entropy(z.reshape(-1, classes), i.reshape(-1), ignore_index=ignored,
                                                    label_smoothing=smooth, reduction="sum"), i)
        if op == "cross_entropy":
            return Case(op, [Input(rows + [classes]), ids(rows, classes)], loss, [ignored, smooth], terms=1)
        if op == "nll":
            return Case(op, [Input(rows + [classes]), ids(rows, classes)],
                        lambda z, i: average(F.nll_loss(z.reshape(-1, classes), i.reshape(-1), ignore_index=ignored, reduction="sum"), i),
                        [ignored])
        k = r.randint(1, 4)
        return Case(op, [Input(rows + [k]), Input([classes, k]), ids(rows, classes), Input([classes])],
                    lambda x, w, i, b: loss(F.linear(x, w, b), i), [ignored, smooth], terms=1)  # log(1 + little)
    if op in PAIRS:
        return Case(op, [Input(s), Input(s)], lambda a, b: PAIRS[op](a, b, reduction=name), [how], kinks=True)
    if op == "huber":
        return Case(op, [Input(s), Input(s)], lambda a, b: F.huber_loss(a, b, delta=number, reduction=name), [number, how])
    if op == "smooth_l1":
        return Case(op, [Input(s), Input(s)], lambda a, b: F.smooth_l1_loss(a, b, beta=number, reduction=name), [number, how])
    if op == "binary_cross_entropy":
        return Case(op, [Input(s, "u"), Input(s, "u")], lambda a, b: F.binary_cross_entropy(a, b, reduction=name), [how])
    if op == "binary_cross_entropy_with_logits":
        w = [Input(s[-1:], "p")] if r.random() < 0.5 else []

        def f(x, t, *w):  # PyTorch's has no gradient by pos_weight
            y = -((w[0] if w else 1) * t * F.logsigmoid(x) + (1 - t) * F.logsigmoid(-x))
            return y if name == "none" else getattr(y, name)()
        return Case(op, [Input(s), Input(s, "u"), *w], f, [how])
    if op == "kl_div":
        how, log = (r.randrange(4) if s else how), r.random() < 0.5
        return Case(op, [Input(s), Input(s, "r" if log else "u")],
                    lambda a, b: F.kl_div(a, b, reduction=REDUCTIONS[how], log_target=log), [log, how])
    if op == "cosine_similarity":
        s = dims(r, 1, sizes=POSITIVE)
        a = axis(r, s)
        return Case(op, [Input(s), Input(s)], lambda x, y: F.cosine_similarity(x, y, a), [a], size=lengths(a))
    b, d = r.choice([1, 2, 3]), r.choice([1, 2, 3, 5])
    if op == "cosine_embedding":
        def f(x, y, t):  # PyTorch's own adds 1e-12 to squares of lengths, which float64 sees
            cosine = F.cosine_similarity(x, y, -1)
            loss = torch.where(t == 1, 1 - cosine, (cosine - number / 4).clamp(min=0))
            return loss if name == "none" else getattr(loss, name)()
        return Case(op, [Input([b, d]), Input([b, d]), ids([b], 2)], f, [number / 4, how], size=lengths(-1),
                    terms=b if name == "sum" else 1)
    if op == "triplet_margin":
        p, swap = r.choice([1.0, 2.0, 3.0]), r.random() < 0.5
        return Case(op, [Input([b, d]) for _ in range(3)],
                    lambda x, y, z: F.triplet_margin_loss(x, y, z, margin=number, p=p, swap=swap, reduction=name), [number, p, swap, how])
    t, c, labels = r.randint(2, 7), r.randint(2, 4), r.randint(1, 3)
    # of log_softmax of the input: PyTorch's gradient is that of normalised logarithms
    return Case(op, [Input([t, b, c]), ids([b, labels], c, 1), ids([b], t + 1, t // 2), ids([b], labels + 1)],
                lambda x, y, m, n: F.ctc_loss(x.log_softmax(-1), y, m, n, zero_infinity=True, reduction=name), [how],
                terms=t * (b if name == "sum" else 1))
