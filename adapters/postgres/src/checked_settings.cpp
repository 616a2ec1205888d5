#include "checked_settings.hpp"

#include <algorithm>

#include "querymark/support/ascii.hpp"
#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"

namespace querymark::postgres {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} * 1024;  // names and values together

// Two or more identifiers with dots between, in ASCII: the server folds the case of no other
// letters in the same way everywhere.
bool may_be_set(std::string_view name) {
  bool begins = true;
  bool dotted = false;
  for (const char c : name) {
    if (c == '.') {
      if (begins) return false;
      begins = dotted = true;
      continue;
    }
    const bool letter = ascii::is_letter(c) || c == '_';
    if (!letter && (begins || (!ascii::is_digit(c) && c != '$'))) return false;
    begins = false;
  }
  return dotted && !begins;
}

std::string shown(std::string_view name) {
  constexpr std::size_t kLongest = 100;
  return is_plain_utf8(name) && name.size() <= kLongest
             ? '"' + std::string(name) + '"'
             : "of " + std::to_string(name.size()) + " bytes";
}

}  // namespace

SessionSettings checked_settings(const SessionSettings& settings) {
  SessionSettings checked;
  std::size_t bytes = 0;
  for (const auto& [name, value] : settings) {
    if (!may_be_set(name))
      throw ConfigError(
          "the setting " + shown(name) +
          " can't be set by with(): only custom ones can, such as app.tenant (letters, digits and "
          "'_', with a dot). The server's own (role, search_path, TimeZone...) say who reads what "
          "and how it is read back: pin them in Options::session, in a Database of their own");
    if (!is_plain_utf8(value))
      throw ConfigError("the value of the setting " + shown(name) + " must be UTF-8 without NUL");
    bytes += name.size() + value.size();
    if (bytes > kMostBytes)
      throw ConfigError("settings of more than " + std::to_string(kMostBytes) +
                        " bytes can't travel with each load");
    if (!checked.emplace(ascii::to_lower(name), value).second)
      throw ConfigError("the setting " + shown(name) +
                        " is there twice: the server does not tell upper case from lower");
  }
  return checked;
}

SettingList list_of(const SessionSettings& settings) {
  SettingList list;
  for (const auto& [name, value] : settings) list.add(name, value);
  return list;
}

}  // namespace querymark::postgres
