"""Writes the reference files of convolutions, pooling, normalisations and what is made of them, all in float64. Run in this
folder: python3 make_vision.py

  vision_ops.safetensors     functions of x alone: input x, output y, a cotangent, the gradient of x
  vision_layers.safetensors  layers: their state, x, y, a cotangent, the gradients, and what training changed ("after")
  vit.safetensors            a Vision Transformer: state, images, classes, logits, loss, all gradients
"""
import torch
import torch.nn.functional as F
from torch import nn

from make_reference import by_our_names, prefixed, save

torch.set_default_dtype(torch.float64)


def ops():
    torch.manual_seed(1)
    out = {}
    image, line = torch.randn(2, 3, 7, 6), torch.randn(2, 3, 9)
    with_nan = image.clone()
    with_nan[0, 0, 2, 3] = with_nan[1, 2, 0, 0] = float("nan")
    with_ties = torch.randn(2, 3, 7, 6).round()
    cases = {
        "max_pool2d": (image, lambda x: F.max_pool2d(x, (2, 3), stride=(2, 1), padding=1, dilation=(1, 2))),
        "max_pool2d_nan": (with_nan, lambda x: F.max_pool2d(x, 3, stride=2)),
        "max_pool2d_ties": (with_ties, lambda x: F.max_pool2d(x, 3, stride=1)),
        "max_pool1d": (line, lambda x: F.max_pool1d(x, 3, padding=1)),
        "avg_pool2d": (image, lambda x: F.avg_pool2d(x, (3, 2), stride=2, padding=1)),
        "avg_pool2d_not_counted": (image, lambda x: F.avg_pool2d(x, (3, 2), stride=2, padding=1, count_include_pad=False)),
        "avg_pool2d_nan": (with_nan, lambda x: F.avg_pool2d(x, 3, stride=1)),
        "avg_pool1d": (line, lambda x: F.avg_pool1d(x, 4, stride=2, padding=2)),
        "adaptive_avg_pool2d": (image, lambda x: F.adaptive_avg_pool2d(x, (3, 4))),
        "adaptive_avg_pool2d_nan": (with_nan, lambda x: F.adaptive_avg_pool2d(x, (3, 4))),
        "adaptive_avg_pool1d": (line, lambda x: F.adaptive_avg_pool1d(x, 4)),
        "nearest2d": (image, lambda x: F.interpolate(x, (10, 4))),
        "nearest1d": (line, lambda x: F.interpolate(x, 14)),
        "bilinear": (image, lambda x: F.interpolate(x, (10, 4), mode="bilinear")),
        "bilinear_corners": (image, lambda x: F.interpolate(x, (10, 4), mode="bilinear", align_corners=True)),
        "linear": (line, lambda x: F.interpolate(x, 14, mode="linear")),
        "instance_norm": (image, lambda x: F.instance_norm(x)),
        "rms_norm": (line, lambda x: F.rms_norm(x, (9,), eps=2.0**-23)),
    }
    for name, (x, f) in cases.items():
        x = x.clone().requires_grad_()
        y = f(x)
        cotangent = torch.randn_like(y)
        y.backward(cotangent)
        out.update(prefixed(name, {"x": x, "y": y, "cotangent": cotangent, "grad": x.grad}))
    save("vision_ops.safetensors", out)


def layers():
    torch.manual_seed(2)
    out = {}
    image, line = torch.randn(2, 4, 6, 5), torch.randn(3, 4, 7)

    def case(name, model, x, train=True, calls=1):
        """`calls` forward passes before the one that counts: running statistics move on."""
        for p in model.parameters():  # away from zeros and ones
            with torch.no_grad():
                p += 0.1 * torch.randn_like(p)
        model.train(train)
        model.zero_grad()
        snapshot = lambda: {n: t.detach().clone() for n, t in model.state_dict().items()}
        out.update(prefixed(name + ".state", snapshot()))
        for i in range(calls - 1):
            model(x + i + 1)
        x = x.clone().requires_grad_()
        y = model(x)
        cotangent = torch.randn_like(y)
        y.backward(cotangent)
        out.update(prefixed(name, {"x": x, "y": y, "cotangent": cotangent}))
        out.update(prefixed(name + ".after", snapshot()))
        out.update(prefixed(name + ".grad", {n: p.grad.clone() for n, p in model.named_parameters()}))
        out[name + ".grad.x"] = x.grad

    case("Conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), line)
    case("Conv2d", nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), image)
    case("Conv2d_without_bias", nn.Conv2d(4, 3, 3, bias=False), image)
    case("ConvTranspose2d", nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), padding=1, output_padding=(1, 0), groups=2), image)
    case("BatchNorm_line", nn.BatchNorm1d(4), line, calls=3)
    case("BatchNorm_rows", nn.BatchNorm1d(4), torch.randn(5, 4))
    norm = nn.BatchNorm2d(4, eps=0.01, momentum=0.3)
    case("BatchNorm", norm, image, calls=2)
    case("BatchNorm_eval", norm, image, train=False)
    case("GroupNorm", nn.GroupNorm(2, 4), image)
    case("InstanceNorm", nn.InstanceNorm2d(4, affine=True), image)
    case("RMSNorm", nn.RMSNorm(5, eps=0.01), image)
    case("WeightNorm", nn.utils.weight_norm(nn.Linear(5, 3)), image)
    case("WeightNorm_conv", nn.utils.weight_norm(nn.Conv2d(4, 3, 3)), image)
    case("SpectralNorm", nn.utils.spectral_norm(nn.Linear(5, 3)), image, calls=2)
    case("SpectralNorm_eval", nn.utils.spectral_norm(nn.Linear(5, 3)), image, train=False)
    case("SpectralNorm_conv", nn.utils.spectral_norm(nn.Conv2d(4, 3, 3)), image)
    case("SpectralNorm_transposed", nn.utils.spectral_norm(nn.ConvTranspose2d(4, 3, 2)), image)
    case("Sequential", nn.Sequential(nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
                                     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)), image)
    case("ConvTranspose1d", nn.ConvTranspose1d(4, 6, 3, stride=3, padding=1, output_padding=1, dilation=2, groups=2), line)
    case("SpectralNorm_transposed_line", nn.utils.spectral_norm(nn.ConvTranspose1d(4, 3, 2)), line)
    save("vision_layers.safetensors", out)


class ViT(nn.Module):
    def __init__(self, image, patch, channels, classes, d, heads, ff, layers):
        super().__init__()
        self.patch_embedding = nn.Conv2d(channels, d, patch, stride=patch)
        self.class_token = nn.Parameter(torch.randn(1, 1, d))
        self.positions = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, d))
        layer = nn.TransformerEncoderLayer(d, heads, ff, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(d), enable_nested_tensor=False)
        self.head = nn.Linear(d, classes)

    def forward(self, x):
        h = self.patch_embedding(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.class_token.expand(x.shape[0], -1, -1), h], 1) + self.positions
        return self.head(self.encoder(h)[:, 0])


def vit():
    torch.manual_seed(3)
    model = ViT(8, 4, 2, 3, 8, 2, 12, 2)
    for p in model.parameters():
        with torch.no_grad():
            p += 0.1 * torch.randn_like(p)
    images, classes = torch.randn(4, 2, 8, 8), torch.tensor([0, 2, 1, 2])
    logits = model(images)
    loss = F.cross_entropy(logits, classes)
    loss.backward()
    out = {"images": images, "classes": classes, "logits": logits, "loss": loss}
    out.update(prefixed("state", by_our_names((n, p.detach().clone()) for n, p in model.named_parameters())))
    out.update(prefixed("grad", by_our_names((n, p.grad) for n, p in model.named_parameters())))
    save("vit.safetensors", out)


if __name__ == "__main__":
    ops()
    layers()
    vit()
