#include <fmt/format.h>
#ifdef QUERYMARK_BENCH_POSTGRES
#include <pqxx/connection>
#include <pqxx/nontransaction>

#include "postgres_item.hpp"
#include "querymark/postgres/track.hpp"
#endif
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "census.hpp"
#include "import.hpp"
#include "plan.hpp"
#include "querymark/sqlite/migrate.hpp"
#include "querymark/sqlite/track.hpp"
#include "rounds.hpp"
#include "routes.hpp"
#include "stranger_session.hpp"
#include "support/temp_dir.hpp"

// How many of the answers that a write makes stale had really changed: over the writes of the catalogue
// (examples/catalogue), with all answers that its service holds looked at around each. The catalogue is
// made up, and the same on each machine.

namespace querymark::bench {
namespace {

constexpr unsigned kPackages = 4000;
constexpr unsigned kSections = 40;
constexpr std::uint64_t kTurns = 60;  // of a run: all kinds of writes are among them

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

// A Packages file. Like a distribution's: some sections are large and some packages needed by
// many, a package needs what was there before it, and suggests anything.
void write_packages(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "we"));
  if (!file) throw std::runtime_error("can't write " + path);
  std::minstd_rand random(1);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto popular_below = [&](unsigned n) { return std::min({below(n), below(n), below(n)}); };
  const auto some = [&](unsigned most, auto&& which) {
    std::string names;
    for (unsigned n = below(most + 1); n > 0; --n)
      names += fmt::format("{}package-{}", names.empty() ? "" : ", ", which());
    return names;
  };
  for (unsigned i = 0; i < kPackages; ++i) {
    const unsigned size = 1000 + below(1U << (10 + below(14)));
    fmt::print(file.get(),
               "Package: package-{}\nVersion: 1.{}-1\nSection: section-{}\nSize: {}\n"
               "Installed-Size: {}\nMaintainer: somebody\nDepends: {}\nSuggests: {}\n\n",
               i, below(20), popular_below(kSections), size, size / 300,
               some(5, [&] { return popular_below(i + 1); }),
               some(2, [&] { return below(kPackages); }));
  }
}

// A database with the catalogue in it.
struct Place {
  std::string url;
  void (*track)(const std::string& url, const TrackOptions& options);
};

Place fill(Place place, const std::string& packages) {
  const auto backend = catalogue::backend_of(place.url);
  static_cast<void>(catalogue::import_catalogue(*backend, {.kind = "made up", .files = {packages}},
                                                [](const auto&) {}));
  return place;
}

Place on_sqlite(const test::TempDir& folder, const std::string& name) {
  const std::string url = "sqlite:" + folder.file(name + ".db");
  const Place place = fill(
      {url, [](const std::string& where,
               const TrackOptions& options) { static_cast<void>(sqlite::track(where, options)); }},
      folder.file("Packages"));
  sqlite::migrate(url);
  return place;
}

#ifdef QUERYMARK_BENCH_POSTGRES
Place on_postgres(const test::TempDir& folder) {
  const std::string url = ItemDatabase(0).url();
  {
    pqxx::connection connection(url);
    pqxx::nontransaction(connection)
        .exec(std::string("create schema ") + catalogue::kPostgresSchema);
  }
  const Place place = fill({url,
                            [](const std::string& where, const TrackOptions& options) {
                              static_cast<void>(postgres::track(where, options));
                            }},
                           folder.file("Packages"));
  postgres::migrate(url);
  return place;
}
#endif

void track_catalogue(const Place& place) {
  const auto backend = catalogue::backend_of(place.url);
  for (const catalogue::Routes& table : catalogue::kRoutes) {
    TrackOptions options{.tables = {backend->table(table.table)}};
    for (const char* column : table.by) options.routes.push_back({column});
    place.track(place.url, options);
  }
}

// Shares of some runs.
class Shares {
 public:
  void add(const catalogue::Precisions& run) {
    const catalogue::Precision sum = sum_of(run);
    if (sum.invalidated == 0) throw std::runtime_error("precision: nothing was invalidated");
    runs_.push_back(share(sum));
    all_ += run;
  }
  [[nodiscard]] Figure figure(const std::string& subject) const {
    Figure figure{.bench = "precision", .subject = subject, .unit = "share", .runs = runs_};
    const catalogue::Precision sum = sum_of(all_);
    figure.more["held"] = static_cast<double>(sum.held);
    figure.more["invalidated"] = static_cast<double>(sum.invalidated);
    figure.more["needed"] = static_cast<double>(sum.needed);
    for (const auto& [question, precision] : all_)
      if (precision.invalidated > 0) {
        std::string key = question;
        std::ranges::replace(key, ' ', '_');
        figure.more[key] = share(precision);
      }
    return figure;
  }

 private:
  static double share(const catalogue::Precision& precision) {
    return static_cast<double>(precision.needed) / static_cast<double>(precision.invalidated);
  }

  std::vector<double> runs_;
  catalogue::Precisions all_;
};

void measure(const Options& options, Report& report, const std::string& database, Tags tags,
             const Place& place) {
  const bool automatic = tags == Tags::automatic;
  if (automatic) track_catalogue(place);
  catalogue::Service service(place.url, "", {.tags = tags});
  catalogue::Direct direct(place.url);
  catalogue::Plan plan(service, direct, {.strangers = automatic});
  const catalogue::Session stranger = catalogue::stranger_session(place.url);
  if (const std::string greeting = catalogue::backend_of(place.url)->greeting(); !greeting.empty())
    stranger(greeting);
  Shares own, strange;
  for (std::size_t run = 0; run < options.runs; ++run) {
    catalogue::Precisions own_run, strange_run;
    for (std::uint64_t turn = 0; turn < kTurns; ++turn) {
      const catalogue::Change change = plan.next();
      const catalogue::Census census(service, direct, plan.samples());
      if (change.is_strange()) {
        stranger(plan.sql_of(change));
        service.store().catch_up();
      } else {
        service.store().write([&](Transaction& tx) { plan.make(tx, change); });
      }
      const catalogue::Precisions taken = census.take();
      if (const auto stale = sum_of(taken).stale; stale > 0)
        throw std::runtime_error(fmt::format("precision: {} stale answers", stale));
      (change.is_strange() ? strange_run : own_run) += taken;
    }
    own.add(own_run);
    if (automatic) strange.add(strange_run);
  }
  report.add(own.figure(database + (automatic ? "_automatic" : "_declared")));
  if (automatic) report.add(strange.figure(database + "_strangers"));
}

}  // namespace

void bench_precision(const Options& options, Report& report) {
  const test::TempDir folder;
  write_packages(folder.file("Packages"));
  if (options.wants("sqlite_declared"))
    measure(options, report, "sqlite", Tags::declared, on_sqlite(folder, "declared"));
  if (options.wants("sqlite_automatic") || options.wants("sqlite_strangers"))
    measure(options, report, "sqlite", Tags::automatic, on_sqlite(folder, "automatic"));
#ifdef QUERYMARK_BENCH_POSTGRES
  if (!postgres_wanted(options, report, "precision", "postgres_declared", "postgres_automatic",
                       "postgres_strangers"))
    return;
  if (options.wants("postgres_declared"))
    measure(options, report, "postgres", Tags::declared, on_postgres(folder));
  if (options.wants("postgres_automatic") || options.wants("postgres_strangers"))
    measure(options, report, "postgres", Tags::automatic, on_postgres(folder));
#endif
}

}  // namespace querymark::bench
