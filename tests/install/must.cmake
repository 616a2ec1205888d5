# must(<command>...): runs it; its failure is the test's. What it printed is in `said`.
function(must)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGV}\n${out}")
  endif()
  set(said "${out}" PARENT_SCOPE)
endfunction()
