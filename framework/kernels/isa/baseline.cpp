#define GRADUS_ISA baseline
#include "framework/kernels/isa/tables.inl"
