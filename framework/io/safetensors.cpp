#include "framework/io/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <set>

#include "framework/error.h"
#include "framework/io/file.h"
#include "framework/ops/check.h"

namespace gradus {

namespace {

using nlohmann::json;
constexpr std::uint64_t max_header = 100'000'000;
static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw FileError(fmt::format("{}: {}", path, what));
}

enum class Stored { f32, f64, i64, boolean, f16, bf16 };
struct Kind {
  const char* name;
  Stored stored;
  DType dtype;
  std::uint64_t size;
};
constexpr Kind kinds[] = {
    {"F32", Stored::f32, float32, 4},      {"F64", Stored::f64, float64, 8}, {"I64", Stored::i64, int64, 8},
    {"BOOL", Stored::boolean, boolean, 1}, {"F16", Stored::f16, float32, 2}, {"BF16", Stored::bf16, float32, 2}};

struct Entry {
  std::string name;
  const Kind* kind;
  Shape shape;
  std::uint64_t begin, end;
};

struct Header {
  std::vector<Entry> entries;  // in the order of their data
  Metadata metadata;
};

Entry read_entry(const std::string& path, const std::string& name, const json& value) {
  const auto bad = [&](const std::string& what) { fail(path, fmt::format("tensor '{}': {}", name, what)); };
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    bad("needs exactly dtype, shape and data_offsets");
  }
  const auto whole = [](const json& v) { return v.is_number_unsigned(); };
  const json &dtype = value["dtype"], &shape = value["shape"], &offsets = value["data_offsets"];
  if (!dtype.is_string()) bad("dtype is not a text");
  if (!shape.is_array() || !std::all_of(shape.begin(), shape.end(), whole)) bad("shape is not a list of sizes");
  if (!offsets.is_array() || offsets.size() != 2 || !std::all_of(offsets.begin(), offsets.end(), whole)) {
    bad("data_offsets are not two positions");
  }

  Entry e{name, nullptr, {}, offsets[0].get<std::uint64_t>(), offsets[1].get<std::uint64_t>()};
  for (const auto& kind : kinds) {
    if (dtype.get_ref<const std::string&>() == kind.name) e.kind = &kind;
  }
  if (!e.kind) bad(fmt::format("dtype {} is not supported", dtype.get<std::string>()));
  if (shape.size() > Dims::max_rank) {
    bad(fmt::format("has {} axes, at most {} are supported", shape.size(), Dims::max_rank));
  }
  for (const auto& size : shape) {
    if (size.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) bad("a size does not fit 63 bits");
    e.shape.push_back(size.get<std::int64_t>());
  }
  std::uint64_t bytes = 0;
  try {
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(numel(e.shape)), e.kind->size, &bytes)) {
      bad("its bytes do not fit 64 bits");
    }
  } catch (const ShapeError& error) {
    bad(error.what());
  }
  if (e.end < e.begin || e.end - e.begin != bytes) {
    bad(fmt::format("offsets {} to {} do not hold shape {} of {}", e.begin, e.end, e.shape.str(), e.kind->name));
  }
  return e;
}

// FileError when the text is no JSON object or names something twice (a parser would silently take the last).
json parse_header(const std::string& path, const std::string& text) {
  std::vector<std::set<std::string>> names;  // of each open object
  std::string twice;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    const bool opens = event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && depth > 2) fail(path, "the header is nested too deeply");  // before it fills the memory
    if (event == json::parse_event_t::object_start) names.emplace_back();
    if (event == json::parse_event_t::object_end) names.pop_back();
    if (event == json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return true;
  };
  json header = json::parse(text, watch, false);
  if (header.is_discarded() || !header.is_object()) fail(path, "the header is no JSON object");
  if (!twice.empty()) fail(path, fmt::format("the header names '{}' twice", twice));
  return header;
}

Header read_header(const std::string& path, File& file) {
  const std::uint64_t size = file.size();
  std::uint64_t length = 0;
  if (size < 8) fail(path, "is too short for a safetensors file");
  file.read(&length, 8);
  if (length > max_header || length > size - 8) {
    fail(path, fmt::format("the header's length of {} bytes can't be", length));
  }
  std::string text(length, '\0');
  file.read(text.data(), length);

  Header header;
  const json parsed = parse_header(path, text);
  for (const auto& [name, value] : parsed.items()) {
    if (name != "__metadata__") {
      header.entries.push_back(read_entry(path, name, value));
      continue;
    }
    if (!value.is_object()) fail(path, "__metadata__ is no object");
    for (const auto& [key, v] : value.items()) {
      if (!v.is_string()) fail(path, "__metadata__ holds something else than texts");
      header.metadata[key] = v.get<std::string>();
    }
  }
  std::sort(header.entries.begin(), header.entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t at = 0;
  for (const auto& e : header.entries) {
    if (e.begin != at) {
      fail(path, fmt::format("tensor '{}': starts at {}, where {} ends what came before", e.name, e.begin, at));
    }
    at = e.end;
  }
  if (at != size - 8 - length) {
    fail(path, fmt::format("holds {} bytes of data, its header speaks of {}", size - 8 - length, at));
  }
  return header;
}

float from_half(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000) << 16;
  std::uint32_t exponent = h >> 10 & 31, mantissa = h & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000 | mantissa << 13);
  const float magnitude = exponent ? std::bit_cast<float>((exponent + 112) << 23 | mantissa << 13)
                                   : static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

Tensor read_tensor(const std::string& path, File& file, const Entry& e) {
  Array a;
  try {
    a = Array::empty(e.shape, e.kind->dtype);
  } catch (const ShapeError& error) {
    fail(path, fmt::format("tensor '{}': {}", e.name, error.what()));
  }
  const auto n = static_cast<std::size_t>(a.numel());
  if (e.kind->stored == Stored::f16 || e.kind->stored == Stored::bf16) {
    std::vector<std::uint16_t> halves(n);
    file.read(halves.data(), n * 2);
    float* out = a.mutable_data<float>();
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = e.kind->stored == Stored::f16 ? from_half(halves[i])
                                             : std::bit_cast<float>(static_cast<std::uint32_t>(halves[i]) << 16);
    }
  } else if (e.kind->stored == Stored::boolean) {
    auto* bytes = reinterpret_cast<std::uint8_t*>(a.mutable_data<bool>());
    file.read(bytes, n);
    for (std::size_t i = 0; i < n; ++i) bytes[i] = bytes[i] != 0;  // a bool may hold no other bits than 0 and 1
  } else {
    dispatch(e.kind->dtype, [&]<class T>() { file.read(a.mutable_data<T>(), n * sizeof(T)); });
  }
  return Tensor(std::move(a));
}

const Kind& kind_of(DType dtype) {
  return *std::find_if(std::begin(kinds), std::end(kinds), [dtype](const Kind& k) { return k.dtype == dtype; });
}

}  // namespace

void save_safetensors(const std::string& path, const TensorMap& tensors, const Metadata& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t at = 0;
  for (const auto& [name, x] : tensors) {
    if (name == "__metadata__" || !x.defined()) {
      throw FileError(fmt::format("{}: '{}' is not a tensor to save", path, name));
    }
    const Kind& kind = kind_of(x.dtype());
    const std::uint64_t end = at + static_cast<std::uint64_t>(x.numel()) * kind.size;
    header[name] = {{"dtype", kind.name}, {"shape", std::vector<std::int64_t>(x.shape().begin(), x.shape().end())},
                    {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    throw FileError(fmt::format("{}: a name or a metadata text is not valid UTF-8", path));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  if (length > max_header) throw FileError(fmt::format("{}: the header would be over 100 MB", path));

  replace_file(path, [&](File& file) {
    file.write(&length, 8);
    file.write(text.data(), length);
    for (const auto& [name, x] : tensors) {
      const Array a = contiguous("save_safetensors", x.array(), {{name.c_str(), x}});
      dispatch(a.dtype(),
               [&]<class T>() { file.write(a.data<T>(), static_cast<std::uint64_t>(a.numel()) * sizeof(T)); });
    }
  });
}

TensorMap load_safetensors(const std::string& path) {
  File file(path, O_RDONLY, "can't read");
  TensorMap tensors;
  for (const auto& e : read_header(path, file).entries) tensors.emplace(e.name, read_tensor(path, file, e));
  return tensors;
}

Metadata load_safetensors_metadata(const std::string& path) {
  File file(path, O_RDONLY, "can't read");
  return read_header(path, file).metadata;
}

}  // namespace gradus
