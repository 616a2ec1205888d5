# Installs the build into a scratch prefix, then builds and runs a consumer against it: by find_package and, for
# the same sources, by pkg-config. Arguments: BUILD, ROOT, SOURCE, SCRATCH, COMPONENTS (comma-separated), CXX.
include("${CMAKE_CURRENT_LIST_DIR}/must.cmake")

# What an application may compile its own code with. (CMake and pkg-config would make ours a system's headers, of which
# compilers say nothing: see the consumer.)
set(warnings "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror")

string(REPLACE "," ";" components "${COMPONENTS}")
file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")
must("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${SCRATCH}/prefix")
foreach(file share/man/man1/querymark.1 share/bash-completion/completions/querymark
        share/zsh/site-functions/_querymark share/fish/vendor_completions.d/querymark.fish
        lib/systemd/system/querymark-worker.service)
  if(NOT EXISTS "${SCRATCH}/prefix/${file}")
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()
foreach(component IN LISTS components)
  file(GLOB migrations "${SCRATCH}/prefix/share/querymark/sql/${component}/migrations/0001_*.sql")
  if(NOT migrations AND NOT component MATCHES "^(file_tier|redis|memcached|zstd|asio|testing)$")  # it needs none
    message(FATAL_ERROR "the migrations of ${component} were not installed")
  endif()
endforeach()

# Which headers nobody has compiled alone yet: what a source of ours includes first was, when that was built.
file(GLOB_RECURSE alone RELATIVE "${SCRATCH}/prefix/include" "${SCRATCH}/prefix/include/querymark/*.hpp")
file(GLOB_RECURSE own "${ROOT}/lib/src/*.cpp" "${ROOT}/adapters/*.cpp")
foreach(source IN LISTS own)
  file(STRINGS "${source}" first REGEX "^#include" LIMIT_COUNT 1)
  if(first MATCHES "\"(querymark/.*)\"")
    list(REMOVE_ITEM alone "${CMAKE_MATCH_1}")
  endif()
endforeach()

# Each component alone too: it must not need the others' packages.
foreach(wanted IN ITEMS "${COMPONENTS}" ${components})
  string(REPLACE "," "-" name "${wanted}")
  set(headers "")
  if(wanted STREQUAL COMPONENTS)
    list(JOIN alone "," headers)
  endif()
  must("${CMAKE_COMMAND}" -S "${SOURCE}/consumer" -B "${SCRATCH}/${name}" -G Ninja
       "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix" "-DCOMPONENTS=${wanted}" "-DHEADERS=${headers}"
       "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_CXX_FLAGS=${warnings}")
  must("${CMAKE_COMMAND}" --build "${SCRATCH}/${name}")
  must("${SCRATCH}/${name}/consumer" "${SCRATCH}/${name}.db")
  message(STATUS "${said}")
endforeach()

execute_process(
  COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}/consumer" -B "${SCRATCH}/wrong" -G Ninja
          "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix" -DCOMPONENTS=oracle "-DCMAKE_CXX_COMPILER=${CXX}"
  RESULT_VARIABLE code OUTPUT_QUIET ERROR_VARIABLE complaint)
string(REGEX REPLACE "[ \n]+" " " complaint "${complaint}")
if(code EQUAL 0 OR NOT complaint MATCHES "installed without the component oracle")
  message(FATAL_ERROR "a component that does not exist was found, or not named: ${complaint}")
endif()

file(GLOB_RECURSE pc "${SCRATCH}/prefix/*/querymark-core.pc")
get_filename_component(pc_dir "${pc}" DIRECTORY)
foreach(component IN LISTS components)
  list(APPEND modules querymark-${component})
  list(APPEND defines -DWITH_${component})
endforeach()
# Twice: where it was installed, and moved from there, when the headers need only be found.
foreach(place prefix moved)
  if(place STREQUAL "moved")
    file(RENAME "${SCRATCH}/prefix" "${SCRATCH}/moved")
    string(REPLACE "${SCRATCH}/prefix" "${SCRATCH}/moved" pc_dir "${pc_dir}")
  endif()
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env "PKG_CONFIG_PATH=${pc_dir}" pkg-config --cflags --libs ${modules}
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  set(program "${SCRATCH}/by_pkg_config_${place}")
  set(object "${SCRATCH}/consumer.o")
  separate_arguments(strict UNIX_COMMAND "${warnings}")
  if(place STREQUAL "prefix")
    must("${CXX}" -std=c++20 ${strict} ${defines} -c "${SOURCE}/consumer/consumer.cpp" -o "${object}" ${flags})
  else()
    must("${CXX}" -std=c++20 ${defines} -M "${SOURCE}/consumer/consumer.cpp" ${flags})
  endif()
  must("${CXX}" "${object}" -o "${program}" ${flags})
  must("${program}" "${program}.db")
  message(STATUS "${said}")
endforeach()

# Other compilers, where they are installed.
file(REAL_PATH "${CXX}" ours)
list(FILTER flags INCLUDE REGEX "^-[ID]")
foreach(other g++ clang++-14 clang++-19)
  find_program(found_${other} ${other})
  set(theirs "${ours}")
  if(found_${other})
    file(REAL_PATH "${found_${other}}" theirs)
  endif()
  if(NOT theirs STREQUAL ours)
    must("${found_${other}}" -std=c++20 -fsyntax-only ${strict} ${defines} "${SOURCE}/consumer/consumer.cpp" ${flags})
  endif()
endforeach()
