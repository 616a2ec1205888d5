#pragma once

#include <nlohmann/json.hpp>

#include "output.hpp"

namespace querymark::cli {

/// One JSON value on one line of standard output, in ASCII: nothing in it acts on a terminal.
inline void say_json(const nlohmann::json& value) {
  say(value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + '\n');
}

}  // namespace querymark::cli
