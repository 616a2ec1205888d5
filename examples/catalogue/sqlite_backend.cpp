#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>
#include <SQLiteCpp/VariadicBind.h>

#include <deque>

#include "backends.hpp"
#include "querymark/sqlite/sqlite.hpp"
#include "store_of.hpp"

namespace catalogue {
namespace {

constexpr const char* kTables = R"sql(
create table package (
  id             integer primary key,
  name           text not null unique,
  version        text not null,
  section        text not null,
  size           integer not null,
  installed_size integer not null,
  maintainer     text not null
) strict;
create table dependency (
  package_id integer not null references package (id),
  depends_on text not null,  -- a name, not an id: it may be virtual, or not in the catalogue
  kind       text not null check (kind in ('depends', 'pre-depends', 'recommends', 'suggests')),
  primary key (package_id, kind, depends_on)
) strict, without rowid;
)sql";

// After the rows: building an index once is cheaper than keeping it up. No `analyze`: with its
// statistics SQLite builds a Bloom filter over all dependencies for each recursive question, and
// the direct answer, which the demo compares with, takes 20 ms instead of 0.1.
constexpr const char* kIndexes = R"sql(
create index dependency_reverse on dependency (depends_on, package_id);
create index package_largest on package (section, size desc, name);
)sql";

class SqliteRow final : public PlainClient::Row {
 public:
  explicit SqliteRow(SQLite::Statement& statement) : statement_(statement) {}
  [[nodiscard]] std::string text(int column) const override {
    return statement_.getColumn(column).getString();
  }
  [[nodiscard]] std::int64_t integer(int column) const override {
    return statement_.getColumn(column).getInt64();
  }

 private:
  SQLite::Statement& statement_;
};

class SqliteClient final : public PlainClient {
 public:
  explicit SqliteClient(const std::string& path) : database_(path, SQLite::OPEN_READONLY, 5000) {}

  [[nodiscard]] std::size_t prepare(const std::string& sql) override {
    statements_.emplace_back(database_, sql);
    return statements_.size() - 1;
  }
  void ask(std::size_t number, std::span<const std::string> arguments,
           const std::function<void(const Row&)>& row) override {
    SQLite::Statement& statement = statements_[number];
    int parameter = 0;
    for (const std::string& argument : arguments) statement.bindNoCopy(++parameter, argument);
    const SqliteRow at(statement);
    while (statement.executeStep()) row(at);
    statement.reset();  // ends the read
  }

 private:
  SQLite::Database database_;
  std::deque<SQLite::Statement> statements_;
};

class SqliteLoading final : public Loading {
 public:
  explicit SqliteLoading(const std::string& path)
      : database_(open(path)),
        transaction_(database_),
        package_(database_, "insert into package values (?, ?, ?, ?, ?, ?, ?)"),
        dependency_(database_, "insert into dependency values (?, ?, ?)") {}

  void add_package(std::int64_t id, const PackageRecord& record) override {
    SQLite::bind(package_, id, record.name, record.version, record.section, record.size,
                 record.installed_size, record.maintainer);
    package_.exec();
    package_.reset();
  }
  void add_dependency(std::int64_t package_id, std::string_view depends_on,
                      std::string_view kind) override {
    SQLite::bind(dependency_, package_id, std::string(depends_on), std::string(kind));
    dependency_.exec();
    dependency_.reset();
  }
  void finish() override {
    database_.exec(kIndexes);
    transaction_.commit();
  }

 private:
  static SQLite::Database open(const std::string& path) {
    SQLite::Database database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("pragma journal_mode = wal; pragma synchronous = normal");
    database.exec(kTables);
    return database;
  }

  SQLite::Database database_;
  SQLite::Transaction transaction_;
  SQLite::Statement package_, dependency_;
};

class SqliteBackend final : public Backend {
 public:
  explicit SqliteBackend(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] std::string name() const override { return "SQLite"; }
  [[nodiscard]] std::unique_ptr<Store> open(qm::Cache& cache,
                                            const StoreOptions& options) const override {
    return std::make_unique<StoreOf<qm::sqlite::Database>>(
        path_, cache,
        qm::sqlite::Options{.namespace_name = kNamespace,
                            .synchronous = qm::sqlite::Synchronous::normal,
                            .tags = options.tags,
                            .audit = options.audit,
                            .require_intents = options.tags == qm::Tags::declared});
  }
  [[nodiscard]] std::unique_ptr<PlainClient> connect() const override {
    return std::make_unique<SqliteClient>(path_);
  }
  [[nodiscard]] std::unique_ptr<Loading> load() const override {
    return std::make_unique<SqliteLoading>(path_);
  }
  [[nodiscard]] std::string table(const std::string& name) const override { return name; }
  [[nodiscard]] std::string greeting() const override { return {}; }
  // The schema is edited like a table, which leaves its version as it was.
  [[nodiscard]] std::string sabotage() const override {
    return "pragma writable_schema = on; "
           "delete from sqlite_schema where name = 'querymark_update_package'; "
           "pragma writable_schema = reset";
  }

 private:
  std::string path_;
};

}  // namespace

std::unique_ptr<Backend> sqlite_backend(const std::string& url) {
  return std::make_unique<SqliteBackend>(qm::sqlite::path_of(url));
}

}  // namespace catalogue
