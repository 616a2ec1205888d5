#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/postgres/options.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark::postgres {

/// Settings by name, in the order in which they are set.
struct SettingList {
  std::vector<std::string> names;
  std::vector<std::string> values;

  void add(std::string name, std::string value) {
    names.push_back(std::move(name));
    values.push_back(std::move(value));
  }
};

/// What the pool sets on each of its sessions.
[[nodiscard]] SettingList settings_of(const SessionPins& pins);

/// The server's own settings have no dot in their names; all others, such as app.tenant, have.
[[nodiscard]] inline bool is_custom_setting(std::string_view name) noexcept {
  return name.find('.') != std::string_view::npos;
}

/// Names of the custom settings ("app.tenant") that a connection's option `options` sets:
/// "-c app.tenant=7 --app.other=x". Others are found in pg_settings.
[[nodiscard]] std::vector<std::string> custom_names(std::string_view options);

/// Names of the custom settings that a statement, or a text in it such as a DO's, may set: those in
/// quotes, and those behind SET. Only a guess: a function or a parameter may hide others.
[[nodiscard]] std::vector<std::string> customs_set_by(std::string_view sql);

/// Whether what a query reads may depend on a custom setting that it names itself.
[[nodiscard]] bool reads_settings(std::string_view sql);

/// What a session is, as far as it can change results: the answer of `session_settings`.
class SessionState {
 public:
  explicit SessionState(const ResultSet& answer);

  /// The session's part of a key: a digest of all settings.
  [[nodiscard]] std::string key() const;
  /// The names of the settings that differ, with both values; empty when none does.
  [[nodiscard]] std::string difference(const SessionState& now) const;
  /// What brings a session back to this state.
  [[nodiscard]] SettingList pinned(const SettingList& by_options) const;
  /// All names that tell whether a session is still in this state.
  [[nodiscard]] std::vector<std::string> names() const;

  std::vector<std::string> customs;  ///< Names of custom settings that somebody may set.
  std::vector<std::string> spoken;   ///< Names of all that somebody speaks of.
  bool opaque = false;               ///< Settings under other names, too, may change results.

 private:
  struct Setting {
    std::string name;
    std::string value;
    bool standing;  ///< It counts, and is pinned, wherever its value comes from.
  };
  std::vector<Setting> settings_;  // by name
};

}  // namespace querymark::postgres
