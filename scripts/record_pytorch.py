"""Records what a PyTorch model computes, for Gradus' parity() (framework/training/parity.h) to compare with.

    from record_pytorch import record
    record(model, (source, target), "model.safetensors")

Runs model(*inputs), or model(**inputs) of a dict, once, in eval mode, and backward from a random gradient of the result.
The file holds the parameters (state.NAME), their gradients (parameter_gradient.NAME), argument.I (the tensors among the
inputs), result, result_gradient, and of the N-th module that finished input.N.NAME, output.N.NAME and gradient.N.NAME (of
the output); its class is in the metadata, and for a parameter with several names shared.NAME: the first of them. Of a
tuple, list or dict that a module takes or gives the first tensor counts; a module that gives none is left out. Numbers of
16 bits become float32, smaller integers int64. Needs torch alone.
"""
import json
import struct

import torch

TYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}


def first_tensor(x):
    if torch.is_tensor(x):
        return x
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else ()
    return next((t for t in map(first_tensor, parts) if t is not None), None)


def tensors(x):
    if torch.is_tensor(x):
        return [x]
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else ()
    return [t for part in parts for t in tensors(part)]


def storable(t):
    t = t.detach().cpu().contiguous()
    if t.dtype in TYPES:
        return t
    if t.is_complex():
        raise TypeError(f"{t.dtype} can't be recorded")
    return t.to(torch.float32 if t.is_floating_point() else torch.int64)


def record(model, inputs, path):
    if torch.is_tensor(inputs):
        inputs = (inputs,)
    out, kinds = {f"argument.{i}": x.detach().clone() for i, x in enumerate(tensors(inputs))}, {}

    def watch(name):
        def hook(module, args, kwargs, result):
            y, x = first_tensor(result), first_tensor([args, kwargs])
            if y is None:
                return
            key = f"{len(kinds):04d}.{name}"
            kinds[key] = type(module).__name__
            if x is not None:
                out[f"input.{key}"] = x.detach().clone()
            out[f"output.{key}"] = y.detach().clone()
            if y.requires_grad:
                y.register_hook(lambda g: out.update({f"gradient.{key}": g.clone()}))
        return hook

    training, fast = model.training, torch.backends.mha.get_fastpath_enabled()
    model.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # its hooks are not called
    handles = [m.register_forward_hook(watch(name), with_kwargs=True) for name, m in model.named_modules() if name]
    try:
        model.zero_grad()
        result = first_tensor(model(**inputs) if isinstance(inputs, dict) else model(*inputs))
        if result is None or not result.requires_grad:
            raise ValueError("the model gives no tensor that has a gradient")
        out["result"], out["result_gradient"] = result.detach().clone(), torch.randn_like(result)
        result.backward(out["result_gradient"])
    finally:
        for handle in handles:
            handle.remove()
        model.train(training)
        torch.backends.mha.set_fastpath_enabled(fast)
    first = {}  # name of each parameter by its identity
    for name, p in model.named_parameters(remove_duplicate=False):
        if first.setdefault(id(p), name) != name:
            kinds[f"shared.{name}"] = first[id(p)]
        out[f"state.{name}"] = p
        if p.grad is not None:
            out[f"parameter_gradient.{name}"] = p.grad
    out.update({f"state.{name}": b for name, b in model.named_buffers()})

    header, blobs, end = {"__metadata__": {"torch": torch.__version__, **kinds}}, [], 0
    for name, t in sorted(out.items()):
        t = storable(t)
        blob = t.numpy().tobytes()
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [end, end + len(blob)]}
        blobs.append(blob)
        end += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
