"""Writes the reference files that the tests compare with: what PyTorch computes. Run in this folder: python3 make_reference.py

  layers.safetensors       each layer: its state, input x, output y, a cotangent, the gradients ("Linear.grad.weight")
  optim.safetensors        each optimiser: start, 100 gradients, the parameters after 1, 2, 10 and 100 of its steps
  schedules.safetensors    each schedule: the rate of steps 1 to 400
  transformer_*.safetensors  a whole Transformer: state, batch, loss, all gradients, the losses of 20 Adam steps
"""
import json
import math
import struct

import torch
import torch.nn.functional as F
from torch import nn

TYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}


def save(path, tensors):
    header, blobs, end = {"__metadata__": {"torch": torch.__version__}}, [], 0
    for name, t in sorted(tensors.items()):
        blob = t.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [end, end + len(blob)]}
        blobs.append(blob)
        end += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def by_our_names(named):
    """Gradus keeps the three input projections of attention apart; PyTorch stacks them."""
    out = {}
    for name, t in named:
        if "in_proj_" in name:
            for letter, part in zip("qkv", t.chunk(3)):
                out[name.replace("in_proj_", letter + "_proj.")] = part
        else:
            out[name] = t
    return out


def state(model):
    return by_our_names((n, p.detach().clone()) for n, p in model.named_parameters())


def gradients(model):
    return by_our_names((n, p.grad) for n, p in model.named_parameters())


def prefixed(prefix, tensors):
    return {f"{prefix}.{name}": t for name, t in tensors.items()}


def sinusoids(length, d):
    i = torch.arange(0, d, 2, dtype=torch.float64)
    angle = torch.arange(length, dtype=torch.float64)[:, None] / 10000 ** (i / d)
    return torch.stack([angle.sin(), angle.cos()], 2).reshape(length, d).float()


# ---- layers
class Positions(nn.Module):
    def __init__(self, d, length):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(length, d))

    def forward(self, x):
        return x + self.weight[: x.shape[1]]


class FeedForward(nn.Module):
    def __init__(self, d, ff):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(d, ff), nn.Linear(ff, d)

    def forward(self, x):
        return self.linear2(F.relu(self.linear1(x)))


def layers():
    torch.manual_seed(1)
    out = {}

    def case(name, model, x, call=lambda model, x: model(x), also={}):
        for p in model.parameters():  # away from zeros and ones
            with torch.no_grad():
                p += 0.1 * torch.randn_like(p)
        x = x.clone().requires_grad_(x.is_floating_point())
        y = call(model, x)
        cotangent = torch.randn_like(y)
        y.backward(cotangent)
        out.update(prefixed(name, {"x": x, "y": y, "cotangent": cotangent, **also}))
        out.update(prefixed(name + ".state", state(model)))
        out.update(prefixed(name + ".grad", gradients(model)))
        if x.grad is not None:
            out[name + ".grad.x"] = x.grad

    x = torch.randn(2, 5, 8)
    case("Linear", nn.Linear(8, 6), x)
    case("Linear_without_bias", nn.Linear(8, 6, bias=False), x)
    embedding = nn.Embedding(7, 8, padding_idx=2)
    case("Embedding", embedding, torch.tensor([[1, 2, 6, 1], [0, 2, 2, 5]]))
    case("LayerNorm", nn.LayerNorm(8), x)
    case("FeedForward", FeedForward(8, 16), x)
    case("LearnedPositionalEncoding", Positions(8, 9), x)
    case("PositionalEncoding", nn.Identity(), x, lambda model, x: x + sinusoids(9, 8)[:5])
    case("ReLU", nn.ReLU(), x)
    case("GELU", nn.GELU(), 3 * x)
    case("GELU_tanh", nn.GELU("tanh"), 3 * x)
    case("SiLU", nn.SiLU(), 3 * x)
    case("Tanh", nn.Tanh(), 3 * x)
    case("Sigmoid", nn.Sigmoid(), 3 * x)
    case("Sequential", nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 3, bias=False)), x)

    memory = torch.randn(2, 7, 8)
    may_attend = torch.ones(2, 7, dtype=torch.bool)
    may_attend[0, 5:] = False
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    case("MultiHeadAttention_causal", nn.MultiheadAttention(8, 2, batch_first=True), x,
         lambda model, x: model(x, x, x, attn_mask=future)[0])
    case("MultiHeadAttention_cross", nn.MultiheadAttention(8, 4, batch_first=True), x,
         lambda model, x: model(x, memory, memory, key_padding_mask=~may_attend)[0],
         {"memory": memory, "may_attend": may_attend})
    case("MultiHeadAttention_weights", nn.MultiheadAttention(8, 4, batch_first=True, bias=False), x,
         lambda model, x: model(x, memory, memory, key_padding_mask=~may_attend, average_attn_weights=False)[1],
         {"memory": memory, "may_attend": may_attend})
    # The output projection had no part in the weights.
    out = {name: t for name, t in out.items() if t is not None}
    save("layers.safetensors", out)


# ---- optimisers
def optimisers():
    torch.manual_seed(2)
    start = {"a": torch.randn(3, 4), "b": torch.randn(5)}
    out = prefixed("start", start)
    grads = {name: torch.randn(100, *p.shape) * torch.logspace(-3, 1, 100).reshape(-1, *[1] * p.dim()) for name, p in start.items()}
    out.update(prefixed("gradients", grads))
    cases = {
        "Adam": lambda p: torch.optim.Adam(p, lr=1e-2),
        "Adam_paper": lambda p: torch.optim.Adam(p, lr=3e-3, betas=(0.9, 0.98), eps=1e-9),
        "Adam_decay": lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=0.1),
        "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
        "SGD": lambda p: torch.optim.SGD(p, lr=1e-2),
        "SGD_momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.1),
        "SGD_nesterov": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True),
        "groups": lambda p: torch.optim.Adam([{"params": p[:1]}, {"params": p[1:], "lr": 5e-2, "weight_decay": 0.2}], lr=1e-2),
    }
    for name, make in cases.items():
        params = {n: t.clone().requires_grad_() for n, t in start.items()}
        optimiser = make(list(params.values()))
        for step in range(1, 101):
            for n, p in params.items():
                p.grad = grads[n][step - 1].clone()
            optimiser.step()
            if step in (1, 2, 10, 100):
                out.update(prefixed(f"{name}.{step}", {n: p.detach().clone() for n, p in params.items()}))
    for name, clip in {"clip_norm": lambda p: torch.nn.utils.clip_grad_norm_(p, 0.5),
                       "clip_value": lambda p: torch.nn.utils.clip_grad_value_(p, 0.5)}.items():
        params = {n: t.clone().requires_grad_() for n, t in start.items()}
        for n, p in params.items():
            p.grad = grads[n][-1].clone()
        norm = clip(list(params.values()))
        if norm is not None:
            out["clip_norm.norm"] = norm
        out.update(prefixed(name, {n: p.grad for n, p in params.items()}))
    save("optim.safetensors", out)


def schedules():
    S = torch.optim.lr_scheduler
    optimiser = lambda lr: torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    by_rule = lambda f: (lambda o: S.LambdaLR(o, lambda epoch: f(epoch + 1)))  # PyTorch counts from 0
    cases = {
        "noam": (1.0, by_rule(lambda s: 512**-0.5 * min(s**-0.5, s * 40**-1.5))),
        "inverse_sqrt": (1.0, by_rule(lambda s: 1e-7 + (0.005 - 1e-7) * s / 50 if s < 50 else 0.005 * math.sqrt(50 / s))),
        # Their rate after n calls is ours of step n: ours reaches `last` at step `total`.
        "cosine": (0.1, lambda o: S.CosineAnnealingLR(o, T_max=300, eta_min=0.01)),
        "linear": (0.1, lambda o: S.LinearLR(o, start_factor=1.0, end_factor=0.25, total_iters=300)),
        "step": (0.1, lambda o: S.StepLR(o, step_size=70, gamma=0.5)),
    }
    out = {}
    for name, (lr, make) in cases.items():
        o = optimiser(lr)
        schedule, rates = make(o), []
        for _ in range(401):
            rates.append(schedule.get_last_lr()[0])
            o.step()
            if name == "cosine" and len(rates) > 300:  # PyTorch's would rise again
                continue
            schedule.step()
        out[name] = torch.tensor(rates, dtype=torch.float64)
    save("schedules.safetensors", out)


# ---- a whole Transformer
class Transformer(nn.Module):
    def __init__(self, vocabulary, d, heads, ff, norm_first):
        super().__init__()
        self.source_embedding = nn.Embedding(vocabulary, d, padding_idx=0)
        stacks = nn.Transformer(d, heads, 2, 2, ff, dropout=0.0, norm_first=norm_first, batch_first=True)
        self.encoder, self.decoder = stacks.encoder, stacks.decoder

    def embed(self, ids):
        d = self.source_embedding.embedding_dim
        return self.source_embedding(ids) * math.sqrt(d) + sinusoids(ids.shape[1], d)

    def forward(self, source, target):
        future = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        memory = self.encoder(self.embed(source), src_key_padding_mask=source == 0)
        h = self.decoder(self.embed(target), memory, tgt_mask=future, tgt_key_padding_mask=target == 0,
                         memory_key_padding_mask=source == 0)
        return F.linear(h, self.source_embedding.weight)


def transformer(name, norm_first):
    torch.manual_seed(3)
    model = Transformer(23, 32, 4, 64, norm_first)
    for p in model.parameters():
        with torch.no_grad():
            p += 0.05 * torch.randn_like(p)
    with torch.no_grad():
        model.source_embedding.weight *= 0.3
        model.source_embedding.weight[0] = 0
    source, target = torch.randint(3, 23, (6, 9)), torch.randint(3, 23, (6, 8))
    target[:, 0] = 1
    source[1, 6:], source[4, 3:], target[2, 5:], target[4, 7:] = 0, 0, 0, 0
    loss_of = lambda: F.cross_entropy(model(source, target[:, :-1]).reshape(-1, 23), target[:, 1:].reshape(-1), ignore_index=0,
                                      label_smoothing=0.1)
    out = {"source": source, "target": target, "logits": model(source, target[:, :-1])}
    out.update(prefixed("state", state(model)))
    loss = loss_of()
    loss.backward()
    out["loss"] = loss
    out.update({n: t.clone() for n, t in prefixed("grad", gradients(model)).items()})
    adam, losses = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9), []
    for _ in range(20):
        loss = loss_of()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    out["losses"] = torch.tensor(losses, dtype=torch.float64)
    save(f"transformer_{name}.safetensors", out)


if __name__ == "__main__":
    layers()
    optimisers()
    schedules()
    transformer("post_norm", False)
    transformer("pre_norm", True)
