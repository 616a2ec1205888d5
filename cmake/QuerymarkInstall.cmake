# What `cmake --install` puts where: libraries, headers, the executable, and the SQL for those who apply
# migrations by hand.
install(TARGETS querymark_core)
install(DIRECTORY lib/include/querymark DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(QUERYMARK_SQLITE)
  install(TARGETS querymark_sqlite)
  install(DIRECTORY adapters/sqlite/include/querymark DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(DIRECTORY sql/sqlite DESTINATION "${CMAKE_INSTALL_DATADIR}/querymark/sql"
          FILES_MATCHING PATTERN "[0-9]*.sql")
endif()
if(QUERYMARK_POSTGRES)
  install(TARGETS querymark_postgres)
  install(DIRECTORY adapters/postgres/include/querymark DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(DIRECTORY sql/postgres DESTINATION "${CMAKE_INSTALL_DATADIR}/querymark/sql"
          FILES_MATCHING PATTERN "[0-9]*.sql")
endif()
if(QUERYMARK_WORKER)
  install(TARGETS querymark_worker RUNTIME)
endif()
