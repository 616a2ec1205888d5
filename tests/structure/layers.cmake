# Who includes whom. Arrows point down only:
#
#   worker, examples -> adapters -> lib, and within lib each area knows those before it in this list.

set(areas support observe key automatic result mark memory tier log wait follow write deliver feed read database testing)

# Headers of other people's libraries that the core's public headers must not bring along.
set(outside "openssl|libpq|sqlite3|SQLiteCpp|pqxx|boost/asio|boost/beast|hiredis|libmemcached|xxhash")

set(errors "")

# included(<result> <file>): what it includes in quotes
function(included result file)
  file(STRINGS "${file}" lines REGEX "^#include \"")
  list(TRANSFORM lines REPLACE "^#include \"([^\"]*)\".*" "\\1")
  set(${result} "${lines}" PARENT_SCOPE)
endfunction()

macro(refuse file include reason)
  string(APPEND errors "${file} includes ${include}: ${reason}\n")
endmacro()

# May code of `place` include the core's header "querymark/<rest>"? It must be installed.
macro(require_public file include)
  if(NOT EXISTS "${ROOT}/lib/include/${include}")
    refuse("${file}" "${include}" "not a public header of the core")
  endif()
endmacro()

# --- lib: areas
file(GLOB_RECURSE files RELATIVE "${ROOT}" "${ROOT}/lib/include/*.hpp" "${ROOT}/lib/src/*.hpp"
     "${ROOT}/lib/src/*.cpp")
foreach(file IN LISTS files)
  string(REGEX REPLACE "^lib/(include/querymark|src)/" "" rest "${file}")
  if(NOT rest MATCHES "/")
    continue()  # the header that includes all
  endif()
  string(REGEX REPLACE "/.*" "" area "${rest}")
  list(FIND areas "${area}" level)
  if(level EQUAL -1)
    string(APPEND errors "${file}: the area ${area} has no place in the order\n")
    continue()
  endif()
  included(includes "${ROOT}/${file}")
  foreach(include IN LISTS includes)
    string(REGEX REPLACE "^querymark/" "" name "${include}")
    if(NOT name MATCHES "/")
      continue()  # beside it
    endif()
    string(REGEX REPLACE "/.*" "" other "${name}")
    list(FIND areas "${other}" other_level)
    if(other_level EQUAL -1)
      refuse("${file}" "${include}" "neither public nor beside it")
    elseif(other_level GREATER level)
      refuse("${file}" "${include}" "${area} may not know ${other}")
    elseif(NOT name STREQUAL include)
      require_public("${file}" "${include}")
    elseif(NOT other STREQUAL area)
      # Another area's private header: only where that header says for whom it is.
      file(STRINGS "${ROOT}/lib/src/${include}" for REGEX "^// For: ${area}\\.")
      if(for STREQUAL "")
        refuse("${file}" "${include}" "private, and not for ${area}")
      elseif(file MATCHES "^lib/include/")
        refuse("${file}" "${include}" "not installed")
      endif()
    endif()
  endforeach()
  if(file MATCHES "^lib/include/")
    file(STRINGS "${ROOT}/${file}" foreign REGEX "^#include [<\"](${outside})")
    if(foreign)
      refuse("${file}" "${foreign}" "no database, network or OpenSSL header in the core's headers")
    endif()
  endif()
endforeach()

# --- adapters: public headers of lib, and nothing of each other's but what is made for two of them
set(sqlite_shares sqlite_common)
set(file_tier_shares sqlite_common)
set(redis_shares net_common)
set(memcached_shares net_common)
file(GLOB adapters RELATIVE "${ROOT}/adapters" "${ROOT}/adapters/*")
foreach(adapter IN LISTS adapters)
  file(GLOB_RECURSE files RELATIVE "${ROOT}" "${ROOT}/adapters/${adapter}/*.hpp"
       "${ROOT}/adapters/${adapter}/*.cpp")
  foreach(file IN LISTS files)
    included(includes "${ROOT}/${file}")
    foreach(include IN LISTS includes)
      set(known NO)
      if(EXISTS "${ROOT}/adapters/${adapter}/src/${include}")
        set(known YES)  # its own, in a folder
      endif()
      foreach(owner IN LISTS adapter ${adapter}_shares)
        if(EXISTS "${ROOT}/adapters/${owner}/include/${include}")
          set(known YES)
        endif()
      endforeach()
      if(known OR NOT include MATCHES "/")
        continue()
      endif()
      if(NOT include MATCHES "^querymark/")
        refuse("${file}" "${include}" "neither its own nor a public header")
        continue()
      endif()
      require_public("${file}" "${include}")
    endforeach()
  endforeach()
endforeach()

if(errors)
  message(FATAL_ERROR "${errors}")
endif()
