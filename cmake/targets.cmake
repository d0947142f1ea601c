# What our libraries, programs and tests have in common.
function(gradus_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  # -O2 keeps the build short, loops over elements live in framework/kernels (see below). Never -ffast-math: masks are
  # infinities. No -march either: a binary runs on every x86-64, kernels choose their instruction set at run time.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow $<$<BOOL:${GRADUS_WERROR}>:-Werror>
    $<$<OR:$<CONFIG:Release>,$<STREQUAL:$<CONFIG>,>>:-O2>)  # none named: a program that includes us and forgot it
endfunction()

# gradus_library(<folder> [libraries it builds on]): target gradus_<folder>, alias gradus::<folder>, of all its .cpp.
# <folder>/kernels/kernels.cmake sets the flags of the files that are compiled for one instruction set each.
function(gradus_library folder)
  set(target gradus_${folder})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  set(kernels ${PROJECT_SOURCE_DIR}/${folder}/kernels/kernels.cmake)
  list(TRANSFORM ARGN PREPEND gradus:: OUTPUT_VARIABLE lower)
  set(include_dirs $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/gradus>)

  if(NOT sources)  # headers only
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${include_dirs})
    target_link_libraries(${target} INTERFACE ${lower})
    target_compile_features(${target} INTERFACE cxx_std_20)
  else()
    add_library(${target} ${sources})
    gradus_compile_options(${target})
    target_include_directories(${target} PUBLIC ${include_dirs})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_link_libraries(${target} PUBLIC ${lower} PRIVATE $<BUILD_INTERFACE:gradus_headers>
      OpenMP::OpenMP_CXX fmt::fmt)
    if(folder STREQUAL framework)
      target_link_libraries(${target} PRIVATE ZLIB::ZLIB gradus::sentencepiece)
    endif()
    if(EXISTS ${kernels})
      include(${kernels})
    endif()
  endif()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${folder})
  add_library(gradus::${folder} ALIAS ${target})
endfunction()

# One program per file <folder>/NAME.cpp and per folder <folder>/NAME/ with sources, in build/<preset>/bin/NAME.
function(gradus_programs folder)
  file(GLOB entries CONFIGURE_DEPENDS LIST_DIRECTORIES true ${PROJECT_SOURCE_DIR}/${folder}/*)
  foreach(entry IN LISTS entries)
    cmake_path(GET entry STEM name)
    if(IS_DIRECTORY ${entry})
      file(GLOB sources CONFIGURE_DEPENDS ${entry}/*.cpp)
    elseif(entry MATCHES "\\.cpp$")
      set(sources ${entry})
    else()
      set(sources "")
    endif()
    if(sources)
      add_executable(${name} ${sources})
      gradus_compile_options(${name})
      target_compile_definitions(${name} PRIVATE GRADUS_VERSION="${PROJECT_VERSION}")
      target_link_libraries(${name} PRIVATE gradus::models gradus::optim gradus::framework gradus_cli fmt::fmt)
    endif()
  endforeach()
endfunction()
