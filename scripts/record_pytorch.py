"""Records what a PyTorch model computes, for Gradus' parity() (framework/training/parity.h) to compare with.

    from record_pytorch import record
    record(model, (source, target), "model.safetensors")

Runs model(*inputs) once, in eval mode, and backward from a random gradient of the result. The file holds the parameters
(state.NAME), their gradients (parameter_gradient.NAME), argument.I, result, result_gradient, and of the N-th module that
finished input.N.NAME, output.N.NAME and gradient.N.NAME (of the output); its class is in the metadata. Needs torch alone.
"""
import json
import struct

import torch

TYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}


def record(model, inputs, path):
    out, kinds = {f"argument.{i}": x for i, x in enumerate(inputs)}, {}

    def watch(name):
        def hook(module, args, result):
            y = result[0] if isinstance(result, tuple) else result  # attention returns its weights as well
            key = f"{len(kinds):04d}.{name}"
            kinds[key] = type(module).__name__
            if args and torch.is_tensor(args[0]):
                out[f"input.{key}"] = args[0].detach().clone()
            out[f"output.{key}"] = y.detach().clone()
            if y.requires_grad:
                y.register_hook(lambda g: out.update({f"gradient.{key}": g.clone()}))
        return hook

    training, _ = model.training, model.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # its hooks are not called
    handles = [m.register_forward_hook(watch(name)) for name, m in model.named_modules() if name]
    model.zero_grad()
    result = model(*inputs)
    out["result"], out["result_gradient"] = result, torch.randn_like(result)
    result.backward(out["result_gradient"])
    for handle in handles:
        handle.remove()
    model.train(training)
    for name, p in model.named_parameters():
        out[f"state.{name}"] = p
        if p.grad is not None:
            out[f"parameter_gradient.{name}"] = p.grad
    out.update({f"state.{name}": b for name, b in model.named_buffers()})

    header, blobs, end = {"__metadata__": {"torch": torch.__version__, **kinds}}, [], 0
    for name, t in sorted(out.items()):
        blob = t.detach().cpu().contiguous().numpy().tobytes()
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [end, end + len(blob)]}
        blobs.append(blob)
        end += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
