#include "framework/tensor.h"

#include <fmt/format.h>

#include <utility>

#include "framework/error.h"
#include "framework/node.h"
#include "framework/ops/check.h"

namespace gradus {

namespace {
thread_local bool recording = true;
const std::shared_ptr<Node> no_node;
}  // namespace

GradMode::GradMode(bool enabled) : before_(recording) { recording = enabled; }
GradMode::~GradMode() { recording = before_; }
bool grad_enabled() { return recording; }

Tensor::Impl::~Impl() {
  if (node) bury(std::move(node));
}

Tensor::Tensor(Array array, bool requires_grad) : Tensor(std::move(array), std::shared_ptr<Node>()) {
  if (requires_grad) set_requires_grad();
}

Tensor::Tensor(Array array, std::shared_ptr<Node> made_by) : impl_(std::make_shared<Impl>()) {
  if (!array.defined()) reject_undefined();
  impl_->array = std::move(array);
  impl_->node = std::move(made_by);
}

void Tensor::reject_undefined() { throw DTypeError("an undefined tensor was used as a value"); }

std::int64_t Tensor::size(std::int64_t axis) const {
  return shape()[normalize_axis("size", axis, {{"tensor", *this}})];
}

bool Tensor::is_leaf() const { return !impl().node || impl().node->is_leaf(); }

Tensor& Tensor::set_requires_grad(bool on) {
  require<GradientError>(is_leaf(), "set_requires_grad", "only a leaf can be told; detach() the tensor first",
                         {{"tensor", *this}});
  require<DTypeError>(!on || is_float(dtype()), "set_requires_grad", "needs a floating-point tensor",
                      {{"tensor", *this}});
  if (on && !impl_->node) {
    impl_->node = std::make_shared<Node>(nullptr, impl_->array);
    impl_->node->take(impl_->extra);
  }
  if (!on && impl_->node) {
    impl_->node->freed = true;  // a graph that was recorded with it can't bring it a gradient any more: VersionError
    {
      const std::lock_guard lock(extra_mutex);
      impl_->extra = std::move(impl_->node->extra);
    }
    impl_->node.reset();
  }
  return *this;
}

Tensor Tensor::grad() const { return impl().node ? impl().node->grad : Tensor(); }

void Tensor::set_grad(const Tensor& g) const {
  if (!g.defined() && !impl().node) return;
  require<GradientError>(impl().node && is_leaf(), "set_grad", "only a leaf that requires a gradient has one",
                         {{"tensor", *this}, {"gradient", g}});
  require(!g.defined() || (g.shape() == shape() && g.dtype() == dtype()), "set_grad",
          "the gradient must be like its tensor", {{"tensor", *this}, {"gradient", g}});
  impl_->node->grad = g;
}

Tensor Tensor::detach() const { return Tensor(array()); }

void Tensor::assign(const Tensor& values) const {
  const auto operands = {Operand{"tensor", *this}, Operand{"values", values}};
  require_defined("assign", operands);
  require<GradientError>(is_leaf(), "assign", "this tensor is the result of an op; only leaves can be overwritten",
                         operands);
  require<GradientError>(!requires_grad() || !grad_enabled(), "assign",
                         "a tensor that requires a gradient can be overwritten only under NoGrad", operands);
  require(broadcasts_to(values.shape(), shape()), "assign", "the values must broadcast to the tensor", operands);
  Array view = array();
  require(!shares_places(view), "assign",
          "elements of this view share a place (it is expanded or unfolded); write to what it is a view of", operands);
  copy_into(view, values.array());
}

void Tensor::set_array(Array array) const {
  if (!array.defined()) reject_undefined();
  const Tensor given(array);
  const auto operands = {Operand{"tensor", *this}, Operand{"array", given}};
  require<GradientError>(is_leaf(), "set_array", "this tensor is the result of an op; only leaves can be exchanged",
                         operands);
  if (impl().node) {
    require<DTypeError>(is_float(array.dtype()), "set_array", "needs a floating-point array for a learned tensor",
                        operands);
    const auto old = std::exchange(impl_->node, std::make_shared<Node>(nullptr, array));
    old->freed = true;
    impl_->node->take(old->extra);
  }
  impl_->array = std::move(array);
}

std::unique_ptr<Extra>& Tensor::extra() const {
  return impl_->node && impl_->node->is_leaf() ? impl_->node->extra : impl_->extra;
}

std::string Tensor::name() const {
  if (!impl_) return {};
  const std::lock_guard lock(extra_mutex);
  return extra() ? extra()->name : std::string();
}

void Tensor::set_name(const std::string& name) const {
  impl();
  const std::lock_guard lock(extra_mutex);
  if (!extra()) extra() = std::make_unique<Extra>();
  extra()->name = name;
}

const std::shared_ptr<Node>& Tensor::node() const { return impl_ ? impl_->node : no_node; }

Parameter::Parameter(const Tensor& initial) {
  if (initial.defined()) static_cast<Tensor&>(*this) = Tensor(initial.array(), true);
}
Buffer::Buffer(const Tensor& initial) {
  if (initial.defined()) static_cast<Tensor&>(*this) = Tensor(initial.array());
}

namespace detail {
void require_values(const char* op, const char* what, std::size_t given, const Shape& shape) {
  if (static_cast<std::int64_t>(given) == numel(op, shape, {})) return;
  throw ShapeError(fmt::format("{}: {} of {} values does not fill shape {}", op, what, given, shape.str()));
}
Array item_array(const Tensor& x) {
  require(x.numel() == 1, "item", "needs a tensor of one element", {{"tensor", x}});
  return x.array();
}

Array values_array(const Tensor& x, DType dtype) {
  const Array& a = x.array();
  return said_by("to_vector", {{"tensor", x}}, [&] { return cast(a, dtype).contiguous(); });
}
}  // namespace detail

}  // namespace gradus
