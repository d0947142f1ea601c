#define GRADUS_ISA avx2
#include "framework/kernels/isa/tables.inl"
