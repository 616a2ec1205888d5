# Installs the build into a scratch prefix, then builds and runs a consumer against it: by find_package and, for
# the same sources, by pkg-config. Arguments: BUILD, SOURCE, SCRATCH, COMPONENTS (comma-separated), CXX.
function(must)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGV}\n${out}")
  endif()
  set(said "${out}" PARENT_SCOPE)
endfunction()

string(REPLACE "," ";" components "${COMPONENTS}")
file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")
must("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${SCRATCH}/prefix")
foreach(component IN LISTS components)
  file(GLOB migrations "${SCRATCH}/prefix/share/querymark/sql/${component}/migrations/0001_*.sql")
  if(NOT migrations AND NOT component STREQUAL "file_tier")  # it makes its own file
    message(FATAL_ERROR "the migrations of ${component} were not installed")
  endif()
endforeach()

# Each component alone too: it must not need the others' packages.
foreach(wanted IN ITEMS "${COMPONENTS}" ${components})
  string(REPLACE "," "-" name "${wanted}")
  must("${CMAKE_COMMAND}" -S "${SOURCE}/consumer" -B "${SCRATCH}/${name}" -G Ninja
       "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix" "-DCOMPONENTS=${wanted}" "-DCMAKE_CXX_COMPILER=${CXX}")
  must("${CMAKE_COMMAND}" --build "${SCRATCH}/${name}")
  must("${SCRATCH}/${name}/consumer" "${SCRATCH}/${name}.db")
  message(STATUS "${said}")
endforeach()

execute_process(
  COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}/consumer" -B "${SCRATCH}/wrong" -G Ninja
          "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix" -DCOMPONENTS=oracle "-DCMAKE_CXX_COMPILER=${CXX}"
  RESULT_VARIABLE code OUTPUT_QUIET ERROR_QUIET)
if(code EQUAL 0)
  message(FATAL_ERROR "a component that does not exist was found")
endif()

file(GLOB_RECURSE pc "${SCRATCH}/prefix/*/querymark-core.pc")
get_filename_component(pc_dir "${pc}" DIRECTORY)
foreach(component IN LISTS components)
  list(APPEND modules querymark-${component})
  list(APPEND defines -DWITH_${component})
endforeach()
# Twice: where it was installed, and moved from there.
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
  must("${CXX}" -std=c++20 ${defines} "${SOURCE}/consumer/consumer.cpp" -o "${program}" ${flags})
  must("${program}" "${program}.db")
  message(STATUS "${said}")
endforeach()
