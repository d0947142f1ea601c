"""Writes reference files of models of sequences, as PyTorch computes them. Run in this folder: python3 make_sequence_models.py

  gpt.safetensors         a small GPT: state, ids, targets, logits, loss, all gradients
  recurrent.safetensors   RNN, LSTM, GRU: state, x, lengths, initial states, outputs, final states, cotangents, gradients
  attention.safetensors   grouped heads, rotary positions, ALiBi, T5's relative positions
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from make_reference import save


def prefixed(prefix, tensors):
    return {f"{prefix}.{name}": t for name, t in tensors.items()}


# ---- GPT
class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x):
        b, t, d = x.shape
        split = lambda y: y.view(b, t, self.heads, d // self.heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x)), is_causal=True)
        return self.out_proj(y.transpose(1, 2).reshape(b, t, d))


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.self_attn = Attention(d, heads)
        self.linear1, self.linear2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        x = x + self.self_attn(self.norm1(x))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self, vocabulary, block, d, heads, layers):
        super().__init__()
        self.token_embedding, self.position_embedding = nn.Embedding(vocabulary, d), nn.Embedding(block, d)
        self.blocks = nn.Sequential(*(Block(d, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(d)

    def forward(self, ids):
        h = self.token_embedding(ids) + self.position_embedding(torch.arange(ids.shape[1]))
        return self.norm(self.blocks(h)) @ self.token_embedding.weight.T


def gpt():
    torch.manual_seed(1)
    model = GPT(11, 9, 16, 4, 2)
    for p in model.parameters():
        with torch.no_grad():
            p += 0.1 * torch.randn_like(p)
    ids, targets = torch.randint(0, 11, (3, 8)), torch.randint(0, 11, (3, 8))
    targets[1, 6:] = -100
    logits = model(ids)
    loss = F.cross_entropy(logits.reshape(-1, 11), targets.reshape(-1))
    loss.backward()
    out = {"ids": ids, "targets": targets, "logits": logits, "loss": loss}
    out.update(prefixed("state", dict(model.named_parameters())))
    out.update(prefixed("grad", {n: p.grad for n, p in model.named_parameters()}))
    save("gpt.safetensors", out)


# ---- recurrent layers
def recurrent():
    torch.manual_seed(2)
    out = {}

    def case(name, model, lengths=None, initial=False):
        gated = isinstance(model, nn.LSTM)
        x = torch.randn(3, 5, 4, requires_grad=True)
        shape = (model.num_layers * (2 if model.bidirectional else 1), 3, 6)
        states = [torch.randn(shape, requires_grad=True) for _ in range(2 if gated else 1)] if initial else []
        given = (tuple(states) if gated else states[0]) if initial else None
        if lengths is None:
            y, final = model(x, given)
        else:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            y, final = model(packed, given)
            y = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=5)[0]
            out[f"{name}.lengths"] = lengths
        results = {"y": y, **dict(zip("hc", final if gated else [final]))}
        cotangents = {n: torch.randn_like(t) for n, t in results.items()}
        torch.autograd.backward(list(results.values()), list(cotangents.values()))
        out.update(prefixed(name, {"x": x, **results, **dict(zip(["h0", "c0"], states))}))
        out.update(prefixed(name + ".cotangent", cotangents))
        out.update(prefixed(name + ".state", dict(model.named_parameters())))
        out.update(prefixed(name + ".grad", {n: p.grad for n, p in model.named_parameters()}))
        out.update(prefixed(name + ".grad", {"x": x.grad, **{n: s.grad for n, s in zip(["h0", "c0"], states)}}))

    lengths = torch.tensor([3, 5, 1])
    for kind in (nn.RNN, nn.LSTM, nn.GRU):
        make = lambda **o: kind(4, 6, batch_first=True, **o)
        case(f"{kind.__name__}_plain", make())
        case(f"{kind.__name__}_deep", make(num_layers=2, bidirectional=True), initial=True)
        case(f"{kind.__name__}_lengths", make(num_layers=2, bidirectional=True), lengths, initial=True)
        case(f"{kind.__name__}_without_bias", make(bias=False), lengths)
    case("RNN_relu", nn.RNN(4, 6, nonlinearity="relu", batch_first=True))
    save("recurrent.safetensors", out)


# ---- attention
def rotated(x, first, base):
    """Neighbouring elements as complex numbers, turned by their position."""
    t, d = x.shape[-2:]
    angles = torch.arange(first, first + t, dtype=torch.float64)[:, None] * base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    turned = torch.view_as_complex(x.double().reshape(*x.shape[:-1], d // 2, 2)) * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).reshape(x.shape).float()


def t5_bucket(distance, bidirectional, buckets, max_distance):
    """key position - query position -> bucket, in T5's own arithmetic."""
    side = torch.zeros_like(distance)
    if bidirectional:
        buckets //= 2
        side = (distance > 0).long() * buckets
        distance = distance.abs()
    else:
        distance = -torch.minimum(distance, torch.zeros_like(distance))
    exact = buckets // 2
    large = exact + (torch.log(distance.float() / exact) / math.log(max_distance / exact) * (buckets - exact)).long()
    return side + torch.where(distance < exact, distance, large.clamp(max=buckets - 1))


def attention():
    torch.manual_seed(3)
    d, heads, kv_heads = 16, 4, 2
    q, k, v, o = nn.Linear(d, d), nn.Linear(d, d // 2), nn.Linear(d, d // 2), nn.Linear(d, d)
    x = torch.randn(2, 5, d, requires_grad=True)
    split = lambda y, n: y.view(2, 5, n, d // heads).transpose(1, 2)
    y = F.scaled_dot_product_attention(rotated(split(q(x), heads), 0, 10000), rotated(split(k(x), kv_heads), 0, 10000),
                                       split(v(x), kv_heads), is_causal=True, enable_gqa=True)
    y = o(y.transpose(1, 2).reshape(2, 5, d))
    cotangent = torch.randn_like(y)
    y.backward(cotangent)
    out = {"grouped.x": x, "grouped.y": y, "grouped.cotangent": cotangent, "grouped.grad.x": x.grad}
    for name, layer in {"q_proj": q, "k_proj": k, "v_proj": v, "out_proj": o}.items():
        for n, p in layer.named_parameters():
            out[f"grouped.state.{name}.{n}"], out[f"grouped.grad.{name}.{n}"] = p, p.grad

    # A bias is PyTorch's floating-point mask.
    qkv = torch.randn(3, 2, 4, 5, 6).unbind()
    qkv, bias = [t.requires_grad_() for t in qkv], torch.randn(4, 5, 5, requires_grad=True)
    y = F.scaled_dot_product_attention(*qkv, attn_mask=bias)
    cotangent = torch.randn_like(y)
    y.backward(cotangent)
    out.update(prefixed("biased", {"y": y, "cotangent": cotangent, "bias": bias, **dict(zip("qkv", qkv))}))
    out.update(prefixed("biased.grad", {"bias": bias.grad, **{n: t.grad for n, t in zip("qkv", qkv)}}))

    # slopes as in the paper's own code
    def slopes(n):
        if math.log2(n).is_integer():
            start = 2 ** (-(2 ** -(math.log2(n) - 3)))
            return [start * start**i for i in range(n)]
        nearest = 2 ** math.floor(math.log2(n))
        return slopes(nearest) + slopes(2 * nearest)[0::2][: n - nearest]

    for heads in (1, 4, 8, 12):
        out[f"alibi.{heads}"] = torch.tensor(slopes(heads), dtype=torch.float64)
    distances = torch.arange(-299, 300)  # of keys from the query at 0
    out["t5.both"] = t5_bucket(distances, True, 32, 128)
    out["t5.past"] = t5_bucket(distances, False, 32, 128)
    save("attention.safetensors", out)


gpt()
recurrent()
attention()
