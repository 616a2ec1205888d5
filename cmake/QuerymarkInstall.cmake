# What `cmake --install` puts where: libraries, headers, the executable, the SQL for those who apply
# migrations by hand, and what find_package and pkg-config need. Each component has an export of its own, so
# that a consumer needs the packages of just what it asks for.
include(CMakePackageConfigHelpers)
set(querymark_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/querymark")

# The .pc files find the prefix from where they lie, so that `cmake --install --prefix` and a moved tree keep them
# right; a folder that was given as an absolute path stays one.
file(RELATIVE_PATH querymark_pc_up
  "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(QUERYMARK_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
  string(REGEX REPLACE "/$" "" querymark_pc_up "${querymark_pc_up}")
  set(QUERYMARK_PC_PREFIX "\${pcfiledir}/${querymark_pc_up}")
endif()
foreach(dir LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    set(QUERYMARK_PC_${dir} "${CMAKE_INSTALL_${dir}}")
  else()
    set(QUERYMARK_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()

# Shared libraries (BUILD_SHARED_LIBS=ON): while the version begins with 0, each minor version may break what was linked
# with another. What is installed finds them from where it lies, also when the tree is moved.
function(querymark_find_libraries_at target dir)
  if(BUILD_SHARED_LIBS)
    file(RELATIVE_PATH way "${dir}" "${CMAKE_INSTALL_FULL_LIBDIR}")
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/${way}")
  endif()
endfunction()

# querymark_install_component(<name> <description> <headers> REQUIRES pkg-config modules... LIBS flags...)
function(querymark_install_component name description headers)
  cmake_parse_arguments(arg "" "" "REQUIRES;LIBS" ${ARGN})
  set_target_properties(querymark_${name} PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    DEFINE_SYMBOL "")  # nobody asks for it, and objects of both kinds of library are the same without
  querymark_find_libraries_at(querymark_${name} "${CMAKE_INSTALL_FULL_LIBDIR}")
  install(TARGETS querymark_${name} EXPORT querymark-${name})
  install(EXPORT querymark-${name} NAMESPACE querymark:: DESTINATION "${querymark_cmake_dir}")
  if(headers)
    install(DIRECTORY ${headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  endif()
  set(QUERYMARK_PC_NAME ${name})
  set(QUERYMARK_PC_DESCRIPTION "${description}")
  list(JOIN arg_REQUIRES " " QUERYMARK_PC_REQUIRES)
  list(JOIN arg_LIBS " " QUERYMARK_PC_LIBS)
  configure_file("${PROJECT_SOURCE_DIR}/cmake/querymark.pc.in"
                 "${PROJECT_BINARY_DIR}/querymark-${name}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/querymark-${name}.pc"
          DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

querymark_install_component(core "A query-result cache that a database keeps honest"
  lib/include/querymark REQUIRES fmt libcrypto LIBS -pthread)
querymark_install_component(testing "A database in memory, for tests of what uses querymark"
  lib/include/querymark REQUIRES querymark-core)
if(QUERYMARK_SQLITE OR QUERYMARK_FILE_TIER)
  querymark_install_component(sqlite_common "What querymark's SQLite adapter and file tier share"
    adapters/sqlite_common/include/querymark REQUIRES querymark-core sqlite3 LIBS -lSQLiteCpp)
endif()
if(QUERYMARK_FILE_TIER)
  querymark_install_component(file_tier "querymark's shared tier in a file"
    adapters/file_tier/include/querymark REQUIRES querymark-core querymark-sqlite_common)
endif()
if(QUERYMARK_SQLITE)
  querymark_install_component(sqlite "querymark on SQLite" adapters/sqlite/include/querymark
    REQUIRES querymark-core querymark-sqlite_common)
  install(DIRECTORY sql/sqlite/migrations
          DESTINATION "${CMAKE_INSTALL_DATADIR}/querymark/sql/sqlite")
endif()
if(QUERYMARK_POSTGRES)
  querymark_install_component(postgres "querymark on PostgreSQL" adapters/postgres/include/querymark
    REQUIRES querymark-core libpqxx libpq)
  install(DIRECTORY sql/postgres/migrations
          DESTINATION "${CMAKE_INSTALL_DATADIR}/querymark/sql/postgres")
endif()
if(QUERYMARK_REDIS OR QUERYMARK_MEMCACHED)
  querymark_install_component(net_common "What querymark's Redis and memcached tiers share" ""
    REQUIRES querymark-core)
endif()
if(QUERYMARK_MEMCACHED)
  querymark_install_component(memcached "querymark's shared tier in memcached"
    adapters/memcached/include/querymark REQUIRES querymark-net_common querymark-core)
endif()
if(QUERYMARK_REDIS)
  querymark_install_component(redis "querymark's shared tier in Redis"
    adapters/redis/include/querymark REQUIRES querymark-net_common querymark-core libssl)
endif()
if(QUERYMARK_ASIO)
  querymark_install_component(asio "querymark on Boost.Asio event loops" adapters/asio/include/querymark
    REQUIRES querymark-core)
endif()
if(QUERYMARK_ZSTD)
  querymark_install_component(zstd "zstd for querymark's shared tiers"
    adapters/zstd/include/querymark REQUIRES querymark-core libzstd)
endif()
if(QUERYMARK_WORKER)
  querymark_find_libraries_at(querymark_worker "${CMAKE_INSTALL_FULL_BINDIR}")
  install(TARGETS querymark_worker RUNTIME)
  if(NOT CMAKE_CROSSCOMPILING)
    set(described "${PROJECT_BINARY_DIR}/worker/described")
    install(FILES "${described}/man" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" RENAME querymark.1)
    install(FILES "${described}/bash" RENAME querymark
            DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
    install(FILES "${described}/zsh" RENAME _querymark
            DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
    install(FILES "${described}/fish" RENAME querymark.fish
            DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
  endif()
  install(FILES "${PROJECT_BINARY_DIR}/worker/querymark-worker.service"
          DESTINATION lib/systemd/system)
  install(FILES worker/service/worker.toml DESTINATION "${CMAKE_INSTALL_DOCDIR}")
endif()

configure_package_config_file(cmake/querymarkConfig.cmake.in
  "${PROJECT_BINARY_DIR}/querymarkConfig.cmake" INSTALL_DESTINATION "${querymark_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/querymarkConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/querymarkConfig.cmake"
              "${PROJECT_BINARY_DIR}/querymarkConfigVersion.cmake"
        DESTINATION "${querymark_cmake_dir}")
