# Settings that every target of this project shares, and loud failures for missing packages.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
find_program(QUERYMARK_CCACHE ccache)
if(QUERYMARK_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER  # the sloppiness: what it wants before it keeps anything precompiled
    "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${QUERYMARK_CCACHE}")
endif()

# querymark_require(<package> <Debian package> [find_package arguments...])
macro(querymark_require package debian)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "querymark needs ${package}: apt-get install ${debian}")
  endif()
endmacro()

# querymark_require_header(<variable> <header> <Debian package>)
function(querymark_require_header variable header debian)
  find_path(${variable} ${header})
  if(NOT ${variable})
    message(FATAL_ERROR "querymark needs the header ${header}: apt-get install ${debian}")
  endif()
endfunction()

# querymark_settings(<target>): warnings and sanitizers, private to this build
function(querymark_settings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
                                           -Wnon-virtual-dtor -Wold-style-cast
                                           -Wno-missing-field-initializers
                                           $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
  if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # It takes sources that are joined for headers, where such types would differ from file to file; and from version 14
    # on it takes the frames of inlined coroutines for allocated by others.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage -Wno-mismatched-new-delete)
  endif()
  if(QUERYMARK_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${QUERYMARK_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${QUERYMARK_SANITIZE})
    if(QUERYMARK_SANITIZE STREQUAL thread AND CMAKE_CXX_COMPILER_ID STREQUAL Clang)
      # Tests that count allocations define operator new, and so does the static runtime.
      execute_process(COMMAND "${CMAKE_CXX_COMPILER}"
                      -print-file-name=libclang_rt.tsan-${CMAKE_SYSTEM_PROCESSOR}.so
                      OUTPUT_VARIABLE runtime OUTPUT_STRIP_TRAILING_WHITESPACE)
      get_filename_component(folder "${runtime}" DIRECTORY)
      target_link_options(${target} PRIVATE -shared-libsan "LINKER:-rpath,${folder}")
    endif()
  endif()
endfunction()

# querymark_compile_fast(<target>): half the time to compile, in the builds that tests are run in. For
# programs and tests: the libraries are as optimised as anywhere.
function(querymark_compile_fast target)
  if(QUERYMARK_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  elseif(QUERYMARK_PRECOMPILE)
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()
