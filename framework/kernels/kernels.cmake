# Included by the top CMakeLists.txt once target gradus_framework exists: the flags of the vector kernels, and the
# libraries behind kernels/gemm.h. Both libraries are optional; without them a plain loop multiplies, slowly.
set(kernels_dir ${CMAKE_CURRENT_LIST_DIR})
set(isa_flags -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math -ffp-contract=fast)
set(isa_sources ${kernels_dir}/isa/baseline.cpp)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  list(APPEND isa_sources ${kernels_dir}/isa/avx2.cpp ${kernels_dir}/isa/avx512.cpp)
  set_source_files_properties(${kernels_dir}/isa/avx2.cpp PROPERTIES
    COMPILE_OPTIONS "${isa_flags};-mavx2;-mfma")
  set_source_files_properties(${kernels_dir}/isa/avx512.cpp PROPERTIES
    COMPILE_OPTIONS "${isa_flags};-mavx512f;-mavx512dq;-mavx512bw;-mavx512vl;-mavx2;-mfma;-mprefer-vector-width=512")
  set_source_files_properties(${kernels_dir}/vector.cpp PROPERTIES COMPILE_DEFINITIONS GRADUS_HAVE_ISA_TABLES)
else()
  set_source_files_properties(${kernels_dir}/isa/avx2.cpp ${kernels_dir}/isa/avx512.cpp PROPERTIES HEADER_FILE_ONLY ON)
endif()
set_source_files_properties(${kernels_dir}/isa/baseline.cpp PROPERTIES COMPILE_OPTIONS "${isa_flags}")
target_sources(gradus_framework PRIVATE ${isa_sources})

find_package(OpenMP REQUIRED COMPONENTS CXX)
target_link_libraries(gradus_framework PRIVATE OpenMP::OpenMP_CXX)

option(GRADUS_DNNL "Multiply float matrices with oneDNN where it is the faster library" ON)
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h)
find_library(DNNL_LIBRARY dnnl)
if(GRADUS_DNNL AND DNNL_INCLUDE_DIR AND DNNL_LIBRARY)
  target_compile_definitions(gradus_framework PRIVATE GRADUS_HAVE_DNNL)
  target_include_directories(gradus_framework PRIVATE ${DNNL_INCLUDE_DIR})
  target_link_libraries(gradus_framework PRIVATE ${DNNL_LIBRARY})
else()
  message(STATUS "Gradus: no oneDNN (libdnnl-dev): float matrices are multiplied by BLAS")
endif()

# The OpenMP flavour of OpenBLAS, so that BLAS and our own loops share one pool of threads.
find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas-openmp openblas)
find_library(CBLAS_LIBRARY NAMES openblas PATH_SUFFIXES openblas-openmp)
if(CBLAS_INCLUDE_DIR AND CBLAS_LIBRARY)
  target_compile_definitions(gradus_framework PRIVATE GRADUS_HAVE_CBLAS)
  target_include_directories(gradus_framework PRIVATE ${CBLAS_INCLUDE_DIR})
  target_link_libraries(gradus_framework PRIVATE ${CBLAS_LIBRARY})
else()
  message(WARNING "Gradus: no OpenBLAS (libopenblas-openmp-dev): matrix products will be slow")
endif()
