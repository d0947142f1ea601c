# One binary of all doctest files; ctest shows one line per folder of tests (or per file directly in tests/).
file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests/*.cpp)
list(FILTER test_sources EXCLUDE REGEX "^tests/cmake/")
if(test_sources)
  add_executable(gradus_tests ${test_sources})
  gradus_compile_options(gradus_tests)
  target_link_libraries(gradus_tests PRIVATE gradus::models gradus::optim gradus::framework gradus_doctest
    gradus_headers fmt::fmt ZLIB::ZLIB OpenMP::OpenMP_CXX)
  set(filters "")
  foreach(source IN LISTS test_sources)
    file(STRINGS ${source} has_cases LIMIT_COUNT 1 REGEX "TEST_CASE|TEST_SUITE")
    if(has_cases)
      string(REGEX REPLACE "^(tests/[^/]+/).*" "\\1*" filter ${source})
      list(APPEND filters ${filter})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES filters)
  foreach(filter IN LISTS filters)
    string(REGEX REPLACE "^tests/(test_)?|(/\\*|\\.cpp)$" "" name ${filter})
    add_test(NAME ${name} COMMAND gradus_tests "--source-file=*${filter}" WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    # A filter that selects nothing must not count as passed.
    set_tests_properties(${name} PROPERTIES TIMEOUT 900 FAIL_REGULAR_EXPRESSION "test cases: +0 ")
  endforeach()

  # What several threads do at once. The thread sanitizer does not see how OpenMP's threads wait for one another: one to a loop.
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=thread")
    add_test(NAME threads COMMAND gradus_tests --test-suite=threads WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(threads PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1 TIMEOUT 900 FAIL_REGULAR_EXPRESSION "test cases: +0 ")
  endif()
endif()

# What a user of the libraries meets: the installed package, its headers, the snippets of the documentation. Scripts
# in tests/cmake; they work in <build>/tests and call the compiler, hence the label, by which to leave them out.
set(package_environment SOURCE_DIR=${PROJECT_SOURCE_DIR} BINARY_DIR=${PROJECT_BINARY_DIR} CMAKE=${CMAKE_COMMAND}
  CONFIG=$<CONFIG> CXX=${CMAKE_CXX_COMPILER} CXXFLAGS=${CMAKE_CXX_FLAGS} LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}
  GENERATOR=${CMAKE_GENERATOR})
foreach(test IN ITEMS install headers consumer subdirectory snippets)
  add_test(NAME package_${test} COMMAND bash ${PROJECT_SOURCE_DIR}/tests/cmake/${test}.sh)
  set_tests_properties(package_${test} PROPERTIES ENVIRONMENT "${package_environment}" TIMEOUT 900 LABELS package)
endforeach()
set_tests_properties(package_install PROPERTIES FIXTURES_SETUP installed)
set_tests_properties(package_headers package_consumer package_snippets PROPERTIES FIXTURES_REQUIRED installed)

# The programs of examples/ from outside.
if(TARGET translate)
  add_test(NAME translate COMMAND bash ${PROJECT_SOURCE_DIR}/tests/examples/translate.sh)
  set_tests_properties(translate PROPERTIES ENVIRONMENT "TRANSLATE=$<TARGET_FILE:translate>" TIMEOUT 900)
endif()
if(TARGET copy AND TARGET vision)
  add_test(NAME small_programs COMMAND bash ${PROJECT_SOURCE_DIR}/tests/examples/small_programs.sh)
  set_tests_properties(small_programs PROPERTIES ENVIRONMENT "COPY=$<TARGET_FILE:copy>;VISION=$<TARGET_FILE:vision>"
    TIMEOUT 900)
endif()
if(TARGET text)
  add_test(NAME text COMMAND bash ${PROJECT_SOURCE_DIR}/tests/examples/text.sh)
  set_tests_properties(text PROPERTIES ENVIRONMENT "TEXT=$<TARGET_FILE:text>" TIMEOUT 900)
endif()
