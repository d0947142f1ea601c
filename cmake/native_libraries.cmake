# The compiled libraries without a CMake package of their own, as targets gradus::openblas, gradus::dnnl (matrix products) and
# gradus::sentencepiece (subwords); absent if not found. Also read by the installed package.

# The OpenMP flavour has a folder of its own and is looked for there first: the pthread flavour, which may be the
# machine's default, would start a second pool of threads beside ours.
find_library(GRADUS_OPENBLAS_LIBRARY NAMES openblas PATH_SUFFIXES openblas-openmp)
find_path(GRADUS_OPENBLAS_INCLUDE_DIR NAMES cblas.h PATH_SUFFIXES openblas-openmp openblas)
# Not by its own package file, which asks for the OpenCL headers.
find_library(GRADUS_DNNL_LIBRARY NAMES dnnl)
find_path(GRADUS_DNNL_INCLUDE_DIR NAMES oneapi/dnnl/dnnl.hpp)
find_library(GRADUS_SENTENCEPIECE_LIBRARY NAMES sentencepiece_train)
find_library(GRADUS_SENTENCEPIECE_RUNTIME_LIBRARY NAMES sentencepiece)
find_path(GRADUS_SENTENCEPIECE_INCLUDE_DIR NAMES sentencepiece_trainer.h)
mark_as_advanced(GRADUS_OPENBLAS_LIBRARY GRADUS_OPENBLAS_INCLUDE_DIR GRADUS_DNNL_LIBRARY GRADUS_DNNL_INCLUDE_DIR
  GRADUS_SENTENCEPIECE_LIBRARY GRADUS_SENTENCEPIECE_RUNTIME_LIBRARY GRADUS_SENTENCEPIECE_INCLUDE_DIR)

foreach(name IN ITEMS OPENBLAS DNNL SENTENCEPIECE)
  string(TOLOWER gradus::${name} target)
  if(GRADUS_${name}_LIBRARY AND GRADUS_${name}_INCLUDE_DIR AND NOT TARGET ${target})
    add_library(${target} UNKNOWN IMPORTED)
    set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${GRADUS_${name}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${GRADUS_${name}_INCLUDE_DIR}")
  endif()
endforeach()
if(TARGET gradus::sentencepiece)
  # A program that cuts no text into subwords does not load the library at its start.
  set_target_properties(gradus::sentencepiece PROPERTIES INTERFACE_LINK_LIBRARIES "${GRADUS_SENTENCEPIECE_RUNTIME_LIBRARY}"
    INTERFACE_LINK_OPTIONS "LINKER:--as-needed")
endif()
