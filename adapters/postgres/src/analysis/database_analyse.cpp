#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "advise.hpp"
#include "ask.hpp"
#include "database_state.hpp"
#include "passing.hpp"
#include "postgres_sql.hpp"

namespace querymark::postgres {

Analysis Database::State::analyse_with(const SessionSettings& settings, std::string_view sql,
                                       const Promises& promises) {
  return analyse_under(list_of(settings), sql, promises);
}

Analysis Database::State::analyse_for_borrowed(std::string_view sql, const Promises& promises) {
  // The caller's transaction holds locks meanwhile: somebody may wait for them whom the analysis would wait for.
  SettingList list;
  list.add("lock_timeout", "1s");
  try {
    return analyse_under(list, sql, promises);
  } catch (const Error& failure) {
    if (failure.native_code() != "55P03") throw;
    return {.verdict = Verdict::refuse,
            .why = "what it reads is locked at this moment",
            .passing = true};
  }
}

template <class Action>
auto Database::State::on_analysing(const SettingList& list, Action&& action) {
  using Made = std::invoke_result_t<Action&, Connection&>;
  auto made = on_standing([&](auto& connection) -> std::optional<Made> {
    if (connection->proxied()) return std::nullopt;
    // A custom setting that nothing resets stays '' where it was null.
    std::vector<std::string> customs = list.names;
    std::erase_if(customs, [](const std::string& name) { return !is_custom_setting(name); });
    const auto forget = [&] {
      if (!connection->forgets(customs)) connection->give_up();
    };
    try {
      Made found = action(*connection);
      forget();
      return found;
    } catch (...) {  // then rethrown
      forget();
      throw;
    }
  });
  if (made) return *std::move(made);
  // A proxy lends another server session for each transaction: the log's way leads past it.
  PooledConnection direct(log_url, {.connect_timeout = options.connect_timeout,
                                    .statement_timeout = options.statement_timeout});
  direct.pin(own_session().pinned(settings_of(options.session)));
  if (!leads_here(direct)) throw leads_elsewhere();
  return action(direct);
}

Analysis Database::State::analyse_under(const SettingList& list, std::string_view sql,
                                        const Promises& promises) {
  watch.begin();  // before anything is found out
  const bool polled = options.ddl.pause().count() > 0;
  return on_analysing(list, [&](Connection& connection) {
    return analyse_on(connection, {list, promises, polled}, sql);
  });
}

Advice Database::State::advise(std::vector<SeenQuery> queries) {
  const SettingList none;
  return on_analysing(none,
                      [&](Connection& connection) { return advise_on(connection, none, queries); });
}

std::string Database::State::definitions_now() {
  return on_standing([this](auto& connection) {
    return in_passing(*connection, std::string(kBeginReading) + kAsServer, [&] {
      const ResultSet now = connection->query(sql::definitions_now.text,
                                              {as_parameter(options.ddl.pause().count() > 0)});
      return now.row(0)["state"].template as<std::string>();
    });
  });
}

void Database::State::report_definitions() noexcept {
  try {
    on_standing([](auto& connection) {
      try {
        connection->run(std::string("begin read write; ")
                            .append(sql::track_report_definitions.text)
                            .append("; commit"));
      } catch (...) {  // as it was; then rethrown
        connection->rollback();
        throw;
      }
      return true;
    });
  } catch (const std::exception&) {  // no right to write, or no server
  }
}

Analysis Database::analyse(std::string_view sql, const Promises& promises) {
  return state().analyse(sql, promises);
}

}  // namespace querymark::postgres
