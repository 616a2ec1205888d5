#include "postgres_place.hpp"

#include <fmt/format.h>

#include <optional>
#include <pqxx/connection>
#include <pqxx/except>
#include <pqxx/nontransaction>
#include <stdexcept>
#include <vector>

#include "backend.hpp"
#include "pqxx_versions.hpp"
#include "querymark/postgres/migrate.hpp"
#include "querymark/postgres/track.hpp"
#include "querymark/postgres/url.hpp"
#include "support/postgres_server.hpp"

namespace catalogue {
namespace {

// What is there before the demo comes.
constexpr const char* kSurvey = R"sql(
select current_user, current_database(), pg_is_in_recovery(),
       has_database_privilege(current_database(), 'create'),
       to_regnamespace($1) is not null, to_regnamespace('querymark') is not null,
       array(select r::text from unnest(array['querymark_writer', 'querymark_subscriber',
                                              'querymark_worker']) r
              where not exists (select from pg_roles where rolname = r))::text,
       exists (select from pg_event_trigger where evtname = 'querymark_definitions'),
       (select rolsuper from pg_roles where rolname = current_user))sql";

struct Survey {
  std::string user, database;
  bool standby = false, may_create = false, schema = false, querymark = false;
  bool event_triggers = false, superuser = false;
  std::string missing_roles;  // as in `drop role`
};

pqxx::connection& connect(std::optional<pqxx::connection>& connection, const std::string& url,
                          const std::string& label) {
  try {
    return connection.emplace(url);
  } catch (const pqxx::broken_connection& failure) {
    throw std::runtime_error(fmt::format(
        "can't connect to {}: {}  Check host, port, user and database, give a password by "
        "PGPASSWORD or ~/.pgpass, or let the demo start a server of its own: --postgres",
        label, failure.what()));
  }
}

Survey survey(pqxx::connection& connection) {
  pqxx::nontransaction plain(connection);
  const pqxx::result found = run_bound(plain, kSurvey, kPostgresSchema);
  const pqxx::row row = found.at(0);
  std::string roles = row[6].c_str();  // {a,b}
  roles = roles.substr(1, roles.size() - 2);
  return {.user = row[0].c_str(),
          .database = row[1].c_str(),
          .standby = row[2].as<bool>(),
          .may_create = row[3].as<bool>(),
          .schema = row[4].as<bool>(),
          .querymark = row[5].as<bool>(),
          .event_triggers = row[7].as<bool>(),
          .superuser = row[8].as<bool>(),
          .missing_roles = roles};
}

// The demo changes nothing that it has not made: an older schema is for its owner to migrate.
void require_welcome(const Survey& found, bool tracked, const std::string& url,
                     const std::string& label) {
  if (found.standby)
    throw std::runtime_error(label + " is a standby; the demo writes, so give it the primary");
  if (!found.may_create)
    throw std::runtime_error(fmt::format(
        "{0} may not create schemas in {1}. As the owner of {1}: grant create on database {1} to "
        "{0}. Or let the demo start a server of its own: --postgres",
        found.user, found.database));
  if (found.schema)
    throw std::runtime_error(fmt::format(
        "{0} has a schema {1} already: another demo runs there, or one was kept. If nobody needs "
        "it: drop schema {1} cascade",
        label, kPostgresSchema));
  if (tracked && !found.superuser && !found.event_triggers)
    throw std::runtime_error(fmt::format(
        "--automatic needs event triggers, which report changes of definitions, and {} is no "
        "superuser, who alone may make them. Or let the demo start a server of its own: --postgres",
        found.user));
  if (found.querymark && !qm::postgres::migrate(url, true).applied.empty())
    throw std::runtime_error(label +
                             " has an older schema querymark, which the demo leaves alone. Its "
                             "owner may bring it up to date: querymark migrate --db URL");
}

class PostgresPlace final : public Place {
 public:
  PostgresPlace(std::string url, const PlaceOptions& options)
      : url_(std::move(url)),
        label_(qm::postgres::label_of(url_)),
        keep_(options.keep),
        tracked_(options.tracked) {
    std::optional<pqxx::connection> connection;
    connect(connection, url_, label_);
    found_ = survey(*connection);
    require_welcome(found_, tracked_, url_, label_);
    announce();
    pqxx::nontransaction(*connection).exec(std::string("create schema ") + kPostgresSchema);
  }
  PostgresPlace(const PostgresPlace&) = delete;
  PostgresPlace& operator=(const PostgresPlace&) = delete;
  ~PostgresPlace() override {
    if (!keep_) remove();
  }

  [[nodiscard]] const std::string& url() const override { return url_; }
  [[nodiscard]] std::string label() const override { return label_; }

 private:
  void announce() const {
    std::string text = fmt::format("  {}: creates the schema {}", label_, kPostgresSchema);
    if (!found_.querymark) text += ", the schema querymark";
    if (!found_.querymark && !found_.missing_roles.empty())
      text += fmt::format(", the roles {}", found_.missing_roles);
    if (found_.querymark) text += "; uses the schema querymark that is there";
    fmt::print(stderr, "{}; {}\n", text, keep_ ? "keeps them" : "removes at the end what it made");
  }

  void remove() noexcept {
    try {
      if (tracked_ && found_.querymark) untrack();
      pqxx::connection connection(url_);
      pqxx::nontransaction plain(connection);
      plain.exec("set client_min_messages to warning");  // no word on what a cascade drops
      plain.exec(fmt::format("drop schema if exists {} cascade", kPostgresSchema));
      if (found_.querymark) {
        run_bound(plain, "delete from querymark.log where namespace = $1", kNamespace);
        run_bound(plain, "delete from querymark.consumer where namespace = $1", kNamespace);
        if (tracked_)
          run_bound(plain,
                    "delete from querymark.log where namespace = '*' and starts_with(target, $1)",
                    std::string(kPostgresSchema) + ':');
        if (tracked_ && !found_.event_triggers)
          plain.exec(
              "drop event trigger if exists querymark_definitions;"
              "drop event trigger if exists querymark_drops;"
              "drop event trigger if exists querymark_departures");
        return;
      }
      plain.exec("drop schema if exists querymark cascade");
      // Fails when another database has come to use them.
      if (!found_.missing_roles.empty()) plain.exec("drop role if exists " + found_.missing_roles);
    } catch (const std::exception& failure) {
      fmt::print(stderr, "demo: something is left on {}: {}\n", label_, failure.what());
    }
  }

  // The functions of the triggers, in the schema querymark.
  void untrack() const {
    std::vector<std::string> tables;
    for (const char* name : {"package", "dependency"})
      tables.push_back(std::string(kPostgresSchema) + '.' + name);
    (void)qm::postgres::untrack(url_, {.tables = std::move(tables)});
  }

  std::string url_, label_;
  bool keep_, tracked_;
  Survey found_;
};

// The server ends with the place, and everything with it. It takes connections on a unix socket
// in a folder of its own alone, and its commits are as durable as any server's.
class PrivatePlace final : public Place {
 public:
  explicit PrivatePlace(const PlaceOptions& options)
      : server_({"listen_addresses=", "fsync=on"}), place_(server_.socket_url("postgres"), {}) {
    if (options.keep)
      fmt::print(stderr, "  the server ends with the demo: tier and logs are kept, rows are not\n");
  }
  [[nodiscard]] const std::string& url() const override { return place_.url(); }
  [[nodiscard]] std::string label() const override { return place_.label(); }

 private:
  qm::test::PostgresServer server_;
  PostgresPlace place_;  // goes first
};

}  // namespace

std::unique_ptr<Place> make_postgres_place(const PlaceOptions& options) {
  if (options.private_server) return std::make_unique<PrivatePlace>(options);
  return std::make_unique<PostgresPlace>(options.server, options);
}

}  // namespace catalogue
