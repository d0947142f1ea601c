# Included by the top CMakeLists.txt once target gradus_framework exists: the flags of the vector kernels, and the
# libraries of the matrix products.
set(kernels_dir ${CMAKE_CURRENT_LIST_DIR})
set(isa_flags -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math -ffp-contract=fast)
set(avx512_flags ${isa_flags} -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mprefer-vector-width=512)
set(isa_sources ${kernels_dir}/isa/baseline.cpp ${kernels_dir}/isa/amx.cpp)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  list(APPEND isa_sources ${kernels_dir}/isa/avx2.cpp ${kernels_dir}/isa/avx512.cpp)
  set_source_files_properties(${kernels_dir}/isa/avx2.cpp PROPERTIES
    COMPILE_OPTIONS "${isa_flags};-mavx2;-mfma")
  set_source_files_properties(${kernels_dir}/isa/avx512.cpp PROPERTIES
    COMPILE_OPTIONS "${avx512_flags}")
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag("-mamx-tile -mamx-bf16" GRADUS_COMPILER_HAS_AMX)
  if(GRADUS_COMPILER_HAS_AMX)
    set_source_files_properties(${kernels_dir}/isa/amx.cpp PROPERTIES COMPILE_OPTIONS "${avx512_flags};-mamx-tile;-mamx-bf16")
  endif()
  set_source_files_properties(${kernels_dir}/vector.cpp PROPERTIES COMPILE_DEFINITIONS GRADUS_HAVE_ISA_TABLES)
else()
  set_source_files_properties(${kernels_dir}/isa/avx2.cpp ${kernels_dir}/isa/avx512.cpp PROPERTIES HEADER_FILE_ONLY ON)
endif()
set_source_files_properties(${kernels_dir}/isa/baseline.cpp PROPERTIES COMPILE_OPTIONS "${isa_flags}")
target_sources(gradus_framework PRIVATE ${isa_sources})

# The libraries behind kernels/gemm.h, as found by cmake/dependencies.cmake.
target_compile_definitions(gradus_framework PRIVATE GRADUS_HAVE_CBLAS)
target_link_libraries(gradus_framework PRIVATE gradus::openblas)
if(GRADUS_DNNL)
  target_compile_definitions(gradus_framework PRIVATE GRADUS_HAVE_DNNL)
  target_link_libraries(gradus_framework PRIVATE gradus::dnnl)
endif()
