#include "framework/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "framework/error.h"
#include "framework/node.h"

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
  return shape()[normalize_axis("size", axis, shape().size())];
}

bool Tensor::is_leaf() const { return !impl().node || impl().node->is_leaf(); }

Tensor& Tensor::set_requires_grad(bool on) {
  if (!is_leaf()) throw GradientError("set_requires_grad: only a leaf can be told; detach() the tensor first");
  if (on && !is_float(dtype())) reject_dtype("set_requires_grad", "a floating-point tensor", dtype());
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
  if (!impl().node || !is_leaf()) throw GradientError("set_grad: only a leaf that requires a gradient has one");
  if (g.defined() && (g.shape() != shape() || g.dtype() != dtype())) {
    throw ShapeError(fmt::format("set_grad: the gradient must be like its tensor\n  tensor    {} {}  {}\n  gradient  {} {}",
                                 shape().str(), gradus::name(dtype()), name(), g.shape().str(), gradus::name(g.dtype())));
  }
  impl_->node->grad = g;
}

Tensor Tensor::detach() const { return Tensor(array()); }

namespace {
// Do two elements lie in one place? Not when each stride leads beyond all that the smaller ones reach; else all places
// are listed.
bool overlaps(const Array& a) {
  if (a.numel() < 2 || a.is_contiguous()) return false;
  std::vector<std::pair<std::int64_t, std::int64_t>> axes;  // stride, size
  for (std::size_t i = 0; i < a.rank(); ++i) {
    if (a.shape()[i] > 1) axes.emplace_back(a.strides()[i], a.shape()[i]);
  }
  std::sort(axes.begin(), axes.end());
  std::int64_t reach = 0;
  bool apart = true;
  for (const auto& [stride, size] : axes) {
    if (stride == 0) return true;
    apart = apart && stride > reach;
    reach += stride * (size - 1);
  }
  if (apart) return false;
  if (a.numel() > reach + 1) return true;  // more elements than places: the list is never longer than the storage
  std::vector<std::int64_t> places{0};
  for (const auto& [stride, size] : axes) {
    const std::size_t n = places.size();
    for (std::int64_t i = 1; i < size; ++i) {
      for (std::size_t k = 0; k < n; ++k) places.push_back(places[k] + i * stride);
    }
  }
  std::sort(places.begin(), places.end());
  return std::adjacent_find(places.begin(), places.end()) != places.end();
}
}  // namespace

void Tensor::assign(const Tensor& values) const {
  if (!is_leaf()) throw GradientError("assign: this tensor is the result of an op; only leaves can be overwritten");
  if (requires_grad() && grad_enabled()) {
    throw GradientError("assign: a tensor that requires a gradient can be overwritten only under NoGrad");
  }
  if (!broadcasts_to(values.shape(), shape())) {
    throw ShapeError(fmt::format("assign: the values must broadcast to the tensor\n  tensor  {}  {}\n  values  {}",
                                 shape().str(), name(), values.shape().str()));
  }
  Array view = array();
  if (overlaps(view)) {
    throw ShapeError(fmt::format("assign: elements of this view share a place (it is expanded or unfolded); "
                                 "write to what it is a view of\n  tensor  {}  {}\n  values  {}",
                                 shape().str(), name(), values.shape().str()));
  }
  copy_into(view, values.array());
}

void Tensor::set_array(Array array) const {
  if (!array.defined()) reject_undefined();
  if (!is_leaf()) throw GradientError("set_array: this tensor is the result of an op; only leaves can be exchanged");
  if (impl().node) {
    if (!is_float(array.dtype())) reject_dtype("set_array", "a floating-point array for a learned tensor", array.dtype());
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
void reject_values(const char* what, std::int64_t given, const Shape& shape) {
  throw ShapeError(fmt::format("{} of {} values does not fill shape {}", what, given, shape.str()));
}
Array item_array(const Tensor& x) {
  if (x.numel() != 1) throw ShapeError(fmt::format("item: needs a tensor of one element, got shape {}", x.shape().str()));
  return x.array();
}
}  // namespace detail

}  // namespace gradus
