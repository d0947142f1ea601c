#include "framework/layers/lora.h"

#include "framework/module.h"

namespace gradus {

LoRALinear lora(Linear base, std::int64_t r, double alpha) {
  const DType dtype = base.weight.dtype();
  Parameter a(to(detail::uniform_by_fan("LoRALinear", {r, base.in}, base.in), dtype)), b(zeros({base.out, r}, dtype));
  freeze(base);
  return {std::move(base), r, alpha, std::move(a), std::move(b)};
}

Linear LoRALinear::merge() const {
  NoGrad guard;
  Parameter weight(base.weight + matmul(lora_B, lora_A) * scale());
  Parameter bias(base.bias.defined() ? Tensor(base.bias.array().copy()) : Tensor());
  return {base.in, base.out, base.with_bias, std::move(weight), std::move(bias)};
}

}  // namespace gradus
