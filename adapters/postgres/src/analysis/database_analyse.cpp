#include <optional>

#include "ask.hpp"
#include "database_state.hpp"

namespace querymark::postgres {

Analysis Database::State::analyse(std::string_view sql,
                                  std::span<const ParameterView> /*parameters*/) {
  auto analysed = on_standing([&](auto& connection) -> std::optional<Analysis> {
    if (connection->proxied()) return std::nullopt;
    return analyse_on(*connection, sql);
  });
  if (analysed) return *std::move(analysed);
  // A proxy lends another server session for each transaction: the log's way leads past it.
  PooledConnection direct(log_url, {.connect_timeout = options.connect_timeout,
                                    .statement_timeout = options.statement_timeout});
  const SettingList settings = settings_of(options.session);
  direct.pin(own_session().pinned(settings));
  if (!leads_here(direct)) throw leads_elsewhere();
  return analyse_on(direct, sql);
}

Analysis Database::analyse(std::string_view sql) { return state().analyse(sql, {}); }

}  // namespace querymark::postgres
