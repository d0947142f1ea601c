"""For make_generated.py: layers with parameters of their own, which are inputs like all others."""
import math

import torch
import torch.nn.functional as F

from generated_layers import turned, weights_of
from generated_shapes import broadcast_from
from make_generated import Case, Input, ids, truth


def recurrent(r):
    op, relu = r.choice(["RNN", "LSTM", "LSTM", "GRU"]), r.random() < 0.5
    b, t, width, hidden, layers = r.choice([1, 2, 3]), r.randint(1, 4), *(r.choice([1, 1, 2, 3]) for _ in range(3))
    both, bias, begun, ends = (r.random() < 0.5 for _ in range(4))
    more = {"nonlinearity": "relu" if relu else "tanh"} if op == "RNN" else {}
    net = getattr(torch.nn, op)(width, hidden, layers, bias=bias, batch_first=True, bidirectional=both, **more).double()
    names = [name for name, _ in net.named_parameters()]
    state = [layers * (1 + both), b, hidden]
    before = [Input([b, t, width])] + ([ids([b], t + 1, 1)] if ends else [])  # PyTorch has no sequences of length 0
    before += [Input(state) for _ in range(2 if op == "LSTM" else 1)] if begun else []

    def f(x, *rest):
        rest = [p.contiguous() for p in rest]
        lengths = rest.pop(0) if ends else None
        first = (tuple(rest[:2]) if op == "LSTM" else rest[0]) if begun else None
        if ends:
            x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = torch.func.functional_call(net, dict(zip(names, rest[-len(names):])), (x, first))
        if ends:
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=t)
        return [y, *(last if op == "LSTM" else [last])]
    return Case(op, before + [Input(p.shape) for p in net.parameters()], f,
                [width, hidden, layers, bias, both, begun, ends, *([relu] if op == "RNN" else [])])


def multi_head_attention(r):
    heads, width, groups = r.choice([1, 2, 4]), r.choice([2, 4]), r.choice([1, 2, 4])
    kv_heads, d = max(heads // groups, 1), heads * width
    b, t, more, first = r.choice([1, 2]), r.choice([1, 2, 3]), r.choice([0, 1, 2]), r.choice([0, 0, 3])
    s, base = t + more, r.choice([0, 0, 100])
    with_bias, causal, masked, biased = (r.random() < 0.5 for _ in range(4))
    xs = [Input([b, t, d]), Input([b, s, d]), Input([b, s, d])]
    xs += [truth(broadcast_from(r, [b, heads, t, s]))] if masked else []
    xs += [Input(broadcast_from(r, [b, heads, t, s]))] if biased else []
    for rows in (d, kv_heads * width, kv_heads * width, d):
        xs += [Input([rows, d])] + ([Input([rows])] if with_bias else [])

    def heads_of(q, k, v, rest):  # queries, keys and values in heads, and the weight and bias of the output
        parts = [rest[i:i + 1 + with_bias] for i in range(masked + biased, len(rest), 1 + with_bias)]
        split = lambda x, p: F.linear(x, *p).unflatten(-1, (-1, width)).transpose(1, 2)
        q, k, v = split(q, parts[0]), split(k, parts[1]), split(v, parts[2])
        if base:
            q, k = turned(q, first, base), turned(k, 0, base)
        k, v = (x.repeat_interleave(heads // kv_heads, 1) for x in (k, v))
        return q, k, v, parts[3]

    def f(q, k, v, *rest):
        q, k, v, out = heads_of(q, k, v, rest)
        allowed = torch.ones(b, heads, t, s, dtype=torch.bool)
        if causal:
            allowed = allowed.tril(s - t)
        if masked:
            allowed = allowed & rest[0]
        y = weights_of(q, k, allowed, rest[masked] if biased else 0, 1 / math.sqrt(width)) @ v
        return F.linear(y.transpose(1, 2).flatten(2), *out)

    def size(*xs):  # a score's gradient before softmax takes the average from it, times an input and a query or key
        q, k, v, out = heads_of(*xs[:3], xs[3:])
        largest = lambda x, axis: float(x.norm(dim=axis).max())
        return 2 * largest(out[0], 0) * largest(v, -1) * max(float(q.abs().max()), float(k.abs().max()), 1) / math.sqrt(width)
    return Case("MultiHeadAttention", xs, f, [d, heads, kv_heads, with_bias, base, causal, masked, biased, first],
                size=size)


def norms_of_layers(r):
    if r.random() < 0.4:
        out, width = r.choice([1, 2, 3]), r.choice([1, 2, 3, 5])
        xs = [Input([r.choice([0, 1, 2, 3]), width]), Input([out, 1]), Input([out, width], "p"), Input([out])]
        return Case("WeightNorm", xs, lambda x, g, v, b: F.linear(x, g * v / v.norm(dim=1, keepdim=True), b),
                    size=lambda x, g, v, b: 4 * max(1, 2 / float(v.norm(dim=1).min())))
    c, momentum = r.choice([1, 2, 3]), r.choice([0.1, 0.5, 1.0])
    x = Input([r.choice([2, 3]), c] + r.choice([[], [1], [3], [2, 2]]), layouts="cts")

    def f(x, m, v, w, b):  # and the running statistics, which PyTorch changes in place
        m, v = m.detach().clone(), v.detach().clone()
        return F.batch_norm(x.contiguous(), m, v, w.contiguous(), b.contiguous(), True, momentum, 1e-2), m, v
    smallest = lambda x: float(x.transpose(0, 1).flatten(1).var(-1, correction=0).min())
    running = [Input([c], layouts="cts"), Input([c], "p", layouts="cts")]  # expanded ones can not be written
    return Case("BatchNorm", [x, *running, Input([c]), Input([c])], f, [c, momentum],
                size=lambda x, *_: 4 / math.sqrt(smallest(x) + 1e-2))
