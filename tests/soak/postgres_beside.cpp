#include "soak/postgres_beside.hpp"

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <pqxx/connection>
#include <pqxx/nontransaction>

namespace querymark::test::soak {

using namespace std::chrono_literals;

Troubles StandbyOfSoak::troubles() {
  return {{"standby restarted", [this](Lots& lots) { return restarted(lots); }},
          {"standby behind", [this](Lots& lots) { return paused(lots); }}};
}

void StandbyOfSoak::execute(const std::string& sql) const {
  pqxx::connection connection(server_->socket_url("postgres"));
  pqxx::nontransaction(connection).exec(sql);
}

std::optional<Struck> StandbyOfSoak::restarted(Lots& lots) {
  if (away_) return std::nullopt;
  const bool crashed = lots.one_in(2);
  const auto lasts = lots.one_of(std::array{0ms, 500ms, 3000ms});
  server_->stop(crashed ? SIGQUIT : SIGINT);
  away_ = true;
  return Struck{.what = fmt::format("the standby {}, and is back in {} ms",
                                    crashed ? "crashes" : "is shut down", lasts.count()),
                .lasts = lasts,
                .end = [this] {
                  server_->start();
                  away_ = false;
                }};
}

std::optional<Struck> StandbyOfSoak::paused(Lots& lots) {
  if (away_) return std::nullopt;
  const auto lasts = lots.one_of(std::array{200ms, 1500ms, 5000ms});
  execute("select pg_wal_replay_pause()");
  away_ = true;
  return Struck{.what = fmt::format("the standby replays nothing for {} ms", lasts.count()),
                .lasts = lasts,
                .end = [this] {
                  execute("select pg_wal_replay_resume()");
                  away_ = false;
                }};
}

Troubles ProxyOfSoak::troubles() {
  return {{"proxy restarted", [this](Lots& lots) { return restarted(lots); }}};
}

std::optional<Struck> ProxyOfSoak::restarted(Lots& lots) {
  if (away_) return std::nullopt;
  const auto lasts = lots.one_of(std::array{0ms, 300ms, 1500ms});
  bouncer_.stop();
  away_ = true;
  return Struck{.what = fmt::format("the proxy ends, and is back in {} ms", lasts.count()),
                .lasts = lasts,
                .end = [this] {
                  bouncer_.start();
                  away_ = false;
                }};
}

}  // namespace querymark::test::soak
