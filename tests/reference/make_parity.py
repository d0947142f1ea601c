#!/usr/bin/env python3
"""Writes the parity_*.safetensors of this folder: what scripts/record_pytorch.py records of three small models."""
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts"))
from record_pytorch import record  # noqa: E402


class Small(nn.Module):
    """Every kind of layer once, with modules and with functions between them."""
    def __init__(self):
        super().__init__()
        self.square = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8, eps=1e-5)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.wide, self.narrow = nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, x, keep):
        h = self.norm(0.05 * self.square(x))  # small: eps matters
        h = h + self.attention(h, h, h, key_padding_mask=~keep)[0]
        h = h + self.mlp(2 * h)
        return self.narrow(F.gelu(self.wide(h), approximate="tanh")) * 0.5


class Transformer(nn.Module):
    def __init__(self, norm_first, vocabulary=13, d=8):
        super().__init__()
        self.source_embedding = nn.Embedding(vocabulary, d, padding_idx=0)
        stacks = nn.Transformer(d, 2, 1, 1, 16, norm_first=norm_first, batch_first=True)
        self.encoder, self.decoder = stacks.encoder, stacks.decoder

    def embed(self, ids):
        d = self.source_embedding.embedding_dim
        angle = torch.arange(ids.shape[1], dtype=torch.float64)[:, None] / 10000 ** (torch.arange(0, d, 2, dtype=torch.float64) / d)
        return self.source_embedding(ids) * math.sqrt(d) + torch.stack([angle.sin(), angle.cos()], 2).reshape(-1, d).float()

    def forward(self, source, target):
        future = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        memory = self.encoder(self.embed(source), src_key_padding_mask=source == 0)
        h = self.decoder(self.embed(target), memory, tgt_mask=future, tgt_key_padding_mask=target == 0,
                         memory_key_padding_mask=source == 0)
        return F.linear(h, self.source_embedding.weight)


def moved(model):
    for p in model.parameters():  # away from zeros and ones
        with torch.no_grad():
            p += 0.1 * torch.randn_like(p)
    return model


torch.manual_seed(5)
keep = torch.tensor([[True] * 5, [True, True, True, False, False]])
record(moved(Small()), (torch.randn(2, 5, 8), keep), "parity_small.safetensors")
source, target = torch.randint(3, 13, (3, 5)), torch.randint(3, 13, (3, 4))
source[1, 3:], target[2, 3:] = 0, 0
for name, norm_first in ("post_norm", False), ("pre_norm", True):
    record(moved(Transformer(norm_first)), (source, target), f"parity_{name}.safetensors")
