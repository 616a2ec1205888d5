#include "arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"
#include "suggest.hpp"

namespace querymark::cli {
namespace {

// `what`: "command", with those before it.
[[noreturn]] void refuse(const std::string& what, const std::string& word,
                         const std::vector<std::string>& known) {
  throw ConfigError("unknown " + what + ' ' + word + "; did you mean " + suggest(word, known) +
                    "?");
}

std::vector<std::string> commands_of(const CLI::App& app, bool hidden) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({}))
    if (hidden || !command->get_group().empty()) names.push_back(command->get_name());
  return names;
}

// Of a command within another, that one's name before it.
std::string name_of(const CLI::App& app) {
  return app.get_parent() == nullptr ? "" : ' ' + app.get_name();
}

std::vector<std::string> option_names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// A number may be negative, and a dash alone is a name.
bool is_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && !ascii::is_digit(word[1]);
}

// What takes part of the text for a number would take -1, or what is larger than the greatest there
// is, for that.
std::string within_bounds(const std::string& text) {
  if (text.starts_with('-')) return text + " is below zero";
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc::result_out_of_range ? text + " is too large" : std::string();
}

}  // namespace

void refuse_numbers_out_of_bounds(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (option->get_type_name().starts_with("UINT")) option->check(within_bounds);
  for (CLI::App* command : app.get_subcommands({})) refuse_numbers_out_of_bounds(*command);
}

void require_known(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* command = &app;
  for (const std::string& word : arguments) {
    if (word == "--") return;
    if (is_option(word)) {
      const std::string name = word.substr(0, word.find('='));
      if (command->get_option_no_throw(name) == nullptr)
        refuse("option", name, option_names_of(*command));
    } else if (const std::vector<std::string> known = commands_of(*command, true); !known.empty()) {
      if (std::ranges::find(known, word) == known.end())
        refuse("command" + name_of(*command), word, commands_of(*command, false));
      command = command->get_subcommand(word);
    }
  }
}

}  // namespace querymark::cli
