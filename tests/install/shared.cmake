# Builds what is installed as shared libraries, installs it, moves the tree, and then runs the program and a consumer that
# was linked before the move. Arguments: ROOT, SOURCE, SCRATCH, COMPONENTS (comma-separated), VERSION, CXX.
include("${CMAKE_CURRENT_LIST_DIR}/must.cmake")
string(REPLACE "," ";" components "${COMPONENTS}")
file(REMOVE_RECURSE "${SCRATCH}/prefix" "${SCRATCH}/moved" "${SCRATCH}/consumer")

must("${CMAKE_COMMAND}" -S "${ROOT}" -B "${SCRATCH}/build" -G Ninja -DBUILD_SHARED_LIBS=ON
     -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS=-g0 -DCMAKE_UNITY_BUILD=ON
     -DCMAKE_UNITY_BUILD_BATCH_SIZE=48 -DQUERYMARK_TESTS=OFF -DQUERYMARK_EXAMPLES=OFF
     "-DCMAKE_CXX_COMPILER=${CXX}")
must("${CMAKE_COMMAND}" --build "${SCRATCH}/build")
must("${CMAKE_COMMAND}" --install "${SCRATCH}/build" --prefix "${SCRATCH}/prefix")

# One name per version that may not replace another.
string(REGEX MATCH "^[0-9]+\\.[0-9]+" series "${VERSION}")
foreach(component core ${components})
  file(GLOB_RECURSE library "${SCRATCH}/prefix/libquerymark_${component}.so.${VERSION}")
  must(readelf -d "${library}")
  if(NOT said MATCHES "soname: \\[libquerymark_${component}\\.so\\.${series}\\]")
    message(FATAL_ERROR "no SONAME with the version's series in ${library}:\n${said}")
  endif()
endforeach()

must("${CMAKE_COMMAND}" -S "${SOURCE}/consumer" -B "${SCRATCH}/consumer" -G Ninja
     "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix" "-DCOMPONENTS=${COMPONENTS}" "-DCMAKE_CXX_COMPILER=${CXX}")
must("${CMAKE_COMMAND}" --build "${SCRATCH}/consumer")
must("${SCRATCH}/consumer/consumer" "${SCRATCH}/consumer/consumer.db")

file(RENAME "${SCRATCH}/prefix" "${SCRATCH}/moved")
must("${SCRATCH}/moved/bin/querymark" --version)
if(NOT said MATCHES "${VERSION}")
  message(FATAL_ERROR "the installed program is not of version ${VERSION}: ${said}")
endif()
