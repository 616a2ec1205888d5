// What queries do beyond the ordinary: one of each kind, over a shop in a file.

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/sqlite/sqlite.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

namespace {

void make_shop(qm::sqlite::Database& db) {
  db.write([](auto& tx) {
    tx.execute(
        "create table product (id integer primary key, name text, price real, sold integer) "
        "strict");
    tx.execute("insert into product values (7, 'teapot', 9.5, 3), (8, 'kettle', 24.0, 0)");
    tx.invalidate(qm::collection("product"));
  });
}

bool serve(const std::string& path) {
  qm::sqlite::migrate(path);
  // [executor]
  auto offload = std::make_shared<qm::Offload>(qm::OffloadOptions{.threads = 2, .queue = 500});
  qm::Cache cache{{.name = "shop", .memory_bytes = 64 << 20, .offload = offload}};
  // [/executor]
  // [budget]
  // After a flush at most 8 loads run at a time, and 500 wait for their turn.
  qm::sqlite::Database db{path, cache, {.max_lag = 5s, .load_budget = {.loads = 8, .queue = 500}}};
  // [/budget]
  // [tier]
  db.attach(qm::FileTier{path + ".tier", {.max_bytes = 1U << 30U}});
  // [/tier]
  make_shop(db);

  // [lifetimes]
  auto by_name = db.prepare("select id, price from product where name = ?")
                     .tag(qm::collection("product"))
                     .ttl(10min)
                     .policy({.empty_ttl = 30s, .jitter = 0.1});

  // What sells is looked at often, and so may be wrong for a shorter time.
  auto sales = db.prepare("select sold from product where id = ?")
                   .tag([](std::int64_t id) { return qm::entity("product", id); })
                   .ttl(1h)
                   .policy({.ttl_of = [](const qm::ResultSet& rows) -> qm::TimeSpan {
                     return !rows.empty() && rows[0]["sold"].as<std::int64_t>() > 0 ? 10s : 10min;
                   }});
  // [/lifetimes]

  // [rules]
  auto search = db.prepare("select id from product where name like ?")
                    .tag(qm::collection("product"))
                    .policy({
                        // Hardly anybody searches for the same long text again.
                        .cache_if =
                            [](std::string_view, std::span<const qm::ParameterView> values) {
                              return values[0].as_view().size() < 20;
                            },
                        .keep_if = qm::at_most_rows(1000) && qm::at_most_bytes(1 << 20),
                    });
  // [/rules]

  // [outages]
  auto front_page = db.prepare("select name, price from product order by sold desc limit 10")
                        .tag(qm::collection("product"))
                        .ttl(1min)
                        .policy({.stale_if_error = 1h, .serve_invalidated_on_error = 5min});
  // [/outages]

  // [herds]
  auto ranking = db.prepare("select id from product order by sold desc")
                     .tag(qm::collection("product"))
                     .ttl(1min)
                     .policy({.stale_while_loading = 10s, .revalidate_within = 2s});
  // [/herds]

  // [background]
  auto prices = db.prepare("select id, price from product")
                    .tag(qm::collection("product"))
                    .ttl(5min)
                    .policy({.stale_while_refreshing = 1min, .refresh_ahead = 0.8});
  // [/background]

  // [task]
  const auto rank = [&](const std::stop_token& stop) {
    if (!stop.stop_requested()) static_cast<void>(ranking());
  };
  const qm::OffloadTicket report = offload->submit({.kind = "report",
                                                    .key = "report of today",
                                                    .work = rank,
                                                    .longest = 5s,
                                                    .when_late = qm::WhenLate::stop});
  const bool taken = report.became == qm::Offloaded::accepted;
  // [/task]

  // [ahead]
  // The next page, while the reader looks at this one.
  sales.prefetch(std::int64_t{8});

  // At a start: what a shared tier holds of the calls that will come, without a query.
  const std::vector<std::int64_t> popular{7, 8};
  const auto tell = [](const qm::WarmUp& so_far) {
    fmt::print("{} of {}, {} found\n", so_far.looked, so_far.wanted, so_far.found);
  };
  const qm::WarmUp warm = sales.warm_up(popular, {.progress = tell});
  // [/ahead]

  fmt::print("by name: {}\n", by_name("teapot").outcome());
  fmt::print("by name, absent: {}\n", by_name("samovar").outcome());
  fmt::print("by name, absent: {}\n", by_name("samovar").outcome());
  db.write([](auto& tx) {
    tx.execute("insert into product values (9, 'samovar', 99.0, 0)");
    tx.invalidate(qm::collection("product"));
  });
  const bool found = by_name("samovar").size() == 1;
  fmt::print("sales: {}\n", sales(std::int64_t{7}).outcome());
  fmt::print("search: {}\n", search("tea%").outcome());
  const qm::Outcome unwanted = search("a teapot for two, white, with a lid%").outcome();
  fmt::print("search for a long text: {}\n", unwanted);
  fmt::print("front page: {}\n", front_page().outcome());
  fmt::print("ranking: {}\n", ranking().outcome());
  fmt::print("prices: {}\n", prices().outcome());
  const bool all_ended = offload->drain(10s).empty();  // before what they refer to goes
  return taken && all_ended && warm.looked == 2 && found &&
         unwanted.stored == qm::Stored::unwanted && prices().outcome().is_hit();
}

}  // namespace

int main() {
  const auto folder = std::filesystem::temp_directory_path() /
                      fmt::format("querymark-policies-{}", std::random_device{}());
  try {
    std::filesystem::create_directory(folder);
    const bool right = serve((folder / "shop.db").string());
    std::filesystem::remove_all(folder);
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "policies: {}\n", failure.what());
    std::filesystem::remove_all(folder);
    return EXIT_FAILURE;
  }
}
