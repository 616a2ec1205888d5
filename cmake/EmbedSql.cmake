# querymark_embed_sql(<target> <namespace> <folder>)
#
# Embeds the .sql files of a folder: numbered files (NNNN_name.sql) become `kMigrations`, in order;
# queries.sql becomes `kQueries`. The generated header is "<last part of folder>_sql.hpp".
function(querymark_embed_sql target namespace folder)
  get_filename_component(stem "${folder}" NAME)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/generated/${stem}_sql.hpp")
  file(GLOB files CONFIGURE_DEPENDS "${folder}/*.sql")
  add_custom_command(
    OUTPUT "${out}"
    COMMAND "${CMAKE_COMMAND}" -DOUT=${out} -DNAMESPACE=${namespace} -DFOLDER=${folder}
            -P "${PROJECT_SOURCE_DIR}/cmake/embed_sql_script.cmake"
    DEPENDS ${files} "${PROJECT_SOURCE_DIR}/cmake/embed_sql_script.cmake"
    COMMENT "Embedding ${folder}"
    VERBATIM)
  target_sources(${target} PRIVATE "${out}")
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/generated")
endfunction()
