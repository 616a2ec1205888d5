# querymark_embed_sql(<target> <namespace> <folder>)
#
# Embeds the SQL of a dialect: migrations/NNNN_name.sql become `kMigrations`, in order; each statement of queries/*.sql
# becomes a constant that bears its name, and all of them `kStatements`. The generated header is
# "<last part of folder>_sql.hpp". So a misspelt name does not compile; a test finds statements that nobody uses.
function(querymark_embed_sql target namespace folder)
  get_filename_component(stem "${folder}" NAME)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/generated/${stem}_sql.hpp")
  file(GLOB files CONFIGURE_DEPENDS "${folder}/migrations/*.sql" "${folder}/queries/*.sql")
  add_custom_command(
    OUTPUT "${out}"
    COMMAND "${CMAKE_COMMAND}" -DOUT=${out} -DNAMESPACE=${namespace} -DFOLDER=${folder}
            -P "${PROJECT_SOURCE_DIR}/cmake/embed_sql_script.cmake"
    DEPENDS ${files} "${PROJECT_SOURCE_DIR}/cmake/embed_sql_script.cmake"
    COMMENT "Embedding ${folder}"
    VERBATIM)
  add_custom_target(sql_${stem} DEPENDS "${out}")
  add_dependencies(${target} sql_${stem})
  add_dependencies(querymark_sql sql_${stem})
  target_sources(${target} PRIVATE "${out}")
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/generated")
endfunction()

# All of it, for who looks at sources without building them.
add_custom_target(querymark_sql)
