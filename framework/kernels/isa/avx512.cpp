#define GRADUS_ISA avx512
#include "framework/kernels/isa/tables.inl"
