#pragma once
#include <map>
#include <string>

#include "framework/tensor.h"

namespace gradus {

// The safetensors format: weights cross to and from PyTorch by name. Dtypes F32, F64, I64, BOOL;
// F16 and BF16 are read as float32.
using TensorMap = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

// Writes a new file beside `path`, syncs it and renames it over: after a crash the old file or the new one is there,
// whole. FileError names the path and what went wrong; the old file is then untouched.
void save_safetensors(const std::string& path, const TensorMap& tensors, const Metadata& metadata = {});

// Everything is checked before anything is allocated: header at most 100 MB, offsets that cover the file from end to
// end without holes or overlaps, sizes that agree with shapes. FileError names the file and the tensor. The file is
// read, not mapped.
TensorMap load_safetensors(const std::string& path);
Metadata load_safetensors_metadata(const std::string& path);

}  // namespace gradus
