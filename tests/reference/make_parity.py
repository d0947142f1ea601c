#!/usr/bin/env python3
"""Writes the parity_*.safetensors of this folder: what scripts/record_pytorch.py records of small models."""
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


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.both_ways = nn.LSTM(6, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.lstm = nn.LSTM(8, 5, batch_first=True)
        self.gru = nn.GRU(5, 4, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        h = self.lstm(self.both_ways(x)[0])[0]
        return self.head(self.gru(torch.tanh(self.lstm(torch.cat([h, h[..., :3]], 2))[0]))[0])  # called twice


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.head = nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.Linear(5, 3)

    def forward(self, x):
        h = self.pool(self.relu(self.norm(self.conv1(x))))
        return self.head(self.relu(self.conv2(input=h)).mean((2, 3)))


class Pair(nn.Module):
    def forward(self, x):
        return {"note": None, "h": (2 * x, x)}


class Silent(nn.Module):
    def forward(self, x):
        return None


class Edges(nn.Module):
    """What a recording must get through: dicts, None, calls by keyword and again, a weight of two names."""
    def __init__(self):
        super().__init__()
        self.twice, self.tied = nn.Linear(4, 4), nn.Linear(4, 4)
        self.tied.weight = self.twice.weight
        self.pair, self.silent = Pair(), Silent()

    def forward(self, x, scale):
        h = self.twice(input=torch.tanh(self.twice(input=x)))
        self.silent(h)
        return {"logits": scale * self.tied(self.pair(h)["h"][0]), "note": "text"}


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
record(moved(Recurrent()), torch.randn(2, 5, 6), "parity_recurrent.safetensors")
convolutions = moved(Convolutions()).double()  # float64, for a model in float32
convolutions.norm.running_mean.normal_(), convolutions.norm.running_var.uniform_(0.5, 2)
record(convolutions, (torch.randn(2, 2, 8, 8).double(),), "parity_convolutions.safetensors")
record(moved(Edges()), {"x": torch.randn(3, 4), "scale": torch.tensor(0.5)}, "parity_edges.safetensors")
