# Installs the libraries, the public headers (as <prefix>/include/gradus/framework/..., so that an #include reads the
# same inside and outside the tree) and the package that find_package(gradus) reads.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gradus)

install(TARGETS gradus_framework gradus_optim gradus_models EXPORT gradus_targets)
install(EXPORT gradus_targets NAMESPACE gradus:: DESTINATION ${package_dir} FILE gradus-targets.cmake)

# kernels/ and ops/ hold headers too, but private ones: what ops and layers are made of. The one exception stands
# behind framework/threads.h.
install(DIRECTORY framework optim models DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gradus FILES_MATCHING PATTERN "*.h"
  PATTERN framework/kernels EXCLUDE PATTERN framework/ops EXCLUDE)
install(FILES framework/kernels/parallel.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gradus/framework/kernels)

configure_package_config_file(cmake/gradus-config.cmake.in ${PROJECT_BINARY_DIR}/gradus-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gradus-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gradus-config.cmake ${PROJECT_BINARY_DIR}/gradus-config-version.cmake
  cmake/native_libraries.cmake DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
