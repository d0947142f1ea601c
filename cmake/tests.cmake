# One binary of all doctest files; ctest shows one line per folder of tests.
file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests/*.cpp)
list(FILTER test_sources EXCLUDE REGEX "^tests/cmake/")
if(test_sources)
  add_executable(gradus_tests ${test_sources})
  gradus_compile_options(gradus_tests)
  target_link_libraries(gradus_tests PRIVATE gradus::models gradus::optim gradus::framework gradus_doctest
    gradus_headers fmt::fmt ZLIB::ZLIB)
endif()
