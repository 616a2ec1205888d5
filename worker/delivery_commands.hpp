#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "exit_code.hpp"
#include "querymark/log/deliveries.hpp"

namespace querymark::cli {

/// One view of the deliveries, with the decisions that it offers: `delivery` and `dead`.
struct DeliveryView {
  std::string noun;                   ///< In sentences: "dead deliveries".
  std::vector<DeliveryState> states;  ///< What is listed unless --state says otherwise.
  std::vector<Decision> decisions;
};

/// Adds the view's commands `list`, `show` and its decisions to `group`.
void add_delivery_commands(CLI::App& group, const DeliveryView& view, ExitCode& code);

}  // namespace querymark::cli
