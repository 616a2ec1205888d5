#pragma once

#include "querymark/database/session_settings.hpp"
#include "session.hpp"

namespace querymark::postgres {

/// The settings with names as the server compares them. Throws ConfigError for other than custom
/// ones, names that the server would not take, values that can't travel, and a name that is there
/// twice.
[[nodiscard]] SessionSettings checked_settings(const SessionSettings& settings);

[[nodiscard]] SettingList list_of(const SessionSettings& settings);

}  // namespace querymark::postgres
