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
