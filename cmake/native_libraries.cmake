# The two compiled libraries behind the matrix products, as targets gradus::openblas and gradus::dnnl (absent if not
# found). Also read by the installed package.

# The OpenMP flavour has a folder of its own and is looked for there first: the pthread flavour, which may be the
# machine's default, would start a second pool of threads beside ours.
find_library(GRADUS_OPENBLAS_LIBRARY NAMES openblas PATH_SUFFIXES openblas-openmp)
find_path(GRADUS_OPENBLAS_INCLUDE_DIR NAMES cblas.h PATH_SUFFIXES openblas-openmp openblas)
# Not by its own package file, which asks for the OpenCL headers.
find_library(GRADUS_DNNL_LIBRARY NAMES dnnl)
find_path(GRADUS_DNNL_INCLUDE_DIR NAMES oneapi/dnnl/dnnl.hpp)
mark_as_advanced(GRADUS_OPENBLAS_LIBRARY GRADUS_OPENBLAS_INCLUDE_DIR GRADUS_DNNL_LIBRARY GRADUS_DNNL_INCLUDE_DIR)

foreach(name IN ITEMS OPENBLAS DNNL)
  string(TOLOWER gradus::${name} target)
  if(GRADUS_${name}_LIBRARY AND GRADUS_${name}_INCLUDE_DIR AND NOT TARGET ${target})
    add_library(${target} UNKNOWN IMPORTED)
    set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${GRADUS_${name}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${GRADUS_${name}_INCLUDE_DIR}")
  endif()
endforeach()
