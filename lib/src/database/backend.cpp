#include "querymark/database/backend.hpp"

#include "querymark/support/error.hpp"

namespace querymark {

SessionSettings Backend::checked_settings(const SessionSettings& /*settings*/) const {
  throw ConfigError(
      "sessions of this database have no settings that a query could read: bind the value as a "
      "parameter, or keep results apart by `.scope()`");
}

LoadedRows Backend::load_with(const SessionSettings& settings, std::string_view /*sql*/,
                              std::span<const ParameterView> /*parameters*/) {
  static_cast<void>(checked_settings(settings));
  throw Error("this database checks session settings and can't load with them");
}

Analysis Backend::analyse_with(const SessionSettings& /*settings*/, std::string_view /*sql*/,
                               const Promises& /*promises*/) {
  return {.verdict = Verdict::refuse,
          .why = "on what a query depends under session settings this database can't tell"};
}

std::vector<std::string> Backend::reasons_at(Position /*position*/) { return {}; }

void Backend::prove(const SharedStamp& stamp) {
  const Marks& marks = core().source.marks();
  if (marks.ahead(stamp)) {
    core().subscriber.catch_up();
    if (!marks.ahead(stamp) && stamp.witness == WriteId{}) return;
  }
  if (!verify(stamp) || marks.ahead(stamp)) core().subscriber.catch_up();
}

}  // namespace querymark
