"""The step of bench_train_step.cpp in PyTorch: forward, backward and Adam of the same Transformer, from the same distributions.
Prints the same JSON lines. Run by scripts/compare_with_pytorch.sh, or by hand:
    python3 benchmarks/torch_train_step.py --config tiny --mode eager
Modes: eager; fused (Adam in one kernel); compile (torch.compile and the fused Adam)."""
import argparse
import json
import math
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

# name: vocabulary, width, feed-forward width, heads, layers, batch, source and target length
CONFIGS = {
    "toy": (64, 64, 256, 4, 2, 32, 12, 12),
    "copy": (11, 512, 2048, 8, 2, 30, 10, 10),
    "tiny": (9800, 128, 256, 4, 4, 256, 16, 16),
    "small": (8000, 256, 1024, 8, 3, 64, 32, 32),
    "base": (8000, 512, 2048, 8, 6, 16, 64, 64),
}
DROPOUT = 0.1


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x, memory, mask):
        def split(y):  # (b,t,d) -> (b,h,t,d/h)
            return y.view(y.shape[0], y.shape[1], self.heads, -1).transpose(1, 2)

        q, k, v = split(self.q_proj(x)), split(self.k_proj(memory)), split(self.v_proj(memory))
        p = DROPOUT if self.training else 0.0
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
        else:
            scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
            y = F.dropout(scores.masked_fill(~mask, float("-inf")).softmax(-1), p) @ v
        return self.out_proj(y.transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    """An encoder layer, or with `memory` a decoder layer."""

    def __init__(self, width, inner, heads, memory):
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.cross_attn = Attention(width, heads) if memory else None
        self.linear1, self.linear2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if memory else 2))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x, mask, memory=None, memory_mask=None):
        x = self.norms[0](x + self.dropout(self.self_attn(x, x, mask)))
        if memory is not None:
            x = self.norms[1](x + self.dropout(self.cross_attn(x, memory, memory_mask)))
        return self.norms[-1](x + self.dropout(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class Transformer(nn.Module):
    def __init__(self, vocabulary, width, inner, heads, layers):
        super().__init__()
        self.scale = math.sqrt(width)
        self.table = nn.Embedding(vocabulary, width)
        self.encoder = nn.ModuleList(Layer(width, inner, heads, False) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(width, inner, heads, True) for _ in range(layers))
        angle = torch.arange(512).unsqueeze(1) * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        self.register_buffer("positions", torch.stack((angle.sin(), angle.cos()), -1).flatten(1))
        self.dropout = nn.Dropout(DROPOUT)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def embed(self, ids):
        return self.dropout(self.table(ids) * self.scale + self.positions[: ids.shape[1]])

    def forward(self, source, target, source_mask, target_mask):
        memory = self.embed(source)
        for layer in self.encoder:
            memory = layer(memory, source_mask)
        x = self.embed(target)
        for layer in self.decoder:
            x = layer(x, target_mask, memory, source_mask)
        return F.linear(x, self.table.weight)


def run(name, args):
    vocabulary, width, inner, heads, layers, batch, s, t = CONFIGS[name]
    torch.manual_seed(0)
    model = Transformer(vocabulary, width, inner, heads, layers)
    fused = {} if args.mode == "eager" else {"fused": True}
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, **fused)
    forward = torch.compile(model) if args.mode == "compile" else model
    source, target = torch.randint(3, vocabulary, (batch, s)), torch.randint(3, vocabulary, (batch, t + 1))
    into, out = target[:, :-1], target[:, 1:]
    source_mask = (source != 0)[:, None, None, :]
    target_mask = torch.ones(t, t, dtype=torch.bool).tril() & (into != 0)[:, None, None, :]

    def step():
        logits = forward(source, into, source_mask, target_mask)
        loss = F.cross_entropy(logits.reshape(-1, vocabulary), out.reshape(-1), ignore_index=0, label_smoothing=0.1)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return loss.item()

    first = step()
    step()
    times, end = [], time.perf_counter() + args.seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        last = step()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    print(json.dumps({
        "peer": f"torch {torch.__version__} {args.mode}", "config": name, "threads": args.threads,
        "params": sum(p.numel() for p in model.parameters()), "ms_step": round(1e3 * median, 3),
        "min_ms": round(1e3 * min(times), 3), "tok_s": round(batch * (s + t) / median), "steps": len(times),
        "loss0": round(first, 4), "loss": round(last, 4),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="toy", choices=sorted(CONFIGS))
    parser.add_argument("--mode", default="eager", choices=["eager", "fused", "compile"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    run(arguments.config, arguments)
