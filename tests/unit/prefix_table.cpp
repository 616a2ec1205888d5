#include "querymark/key/prefix_table.hpp"

#include <atomic>
#include <barrier>
#include <catch2/catch.hpp>
#include <optional>
#include <thread>
#include <vector>

namespace {

using namespace querymark;

const Scope kScope{.namespace_name = "shop", .database = {}, .session = {}, .caller = {}};

KeyPrefixRef intern(PrefixTable& table, std::string_view text, std::string_view type = "rows") {
  return table.intern(type, KeyPrefix::Form::sql, kScope, text);
}

}  // namespace

TEST_CASE("prefix table: equal prefixes are one object while one is alive", "[prefix_table]") {
  PrefixTable table;
  const KeyPrefixRef first = intern(table, "select 1");
  CHECK(intern(table, "select 1") == first);
  CHECK(intern(table, "select 2") != first);
  CHECK(intern(table, "select 1", "objects") != first);
  CHECK(table.intern("rows", KeyPrefix::Form::named, kScope, "select 1") != first);
  CHECK(table.intern("rows", KeyPrefix::Form::sql, {}, "select 1") != first);
}

TEST_CASE("prefix table: what nobody uses takes no memory", "[prefix_table]") {
  PrefixTable table;
  CHECK(table.bytes() == 0);
  {
    const KeyPrefixRef first = intern(table, std::string(5000, 'x'));
    CHECK(table.bytes() > 5000);
    const std::size_t one = table.bytes();
    const KeyPrefixRef again = intern(table, std::string(5000, 'x'));
    CHECK(table.bytes() == one);
    const KeyPrefixRef other = intern(table, std::string(5000, 'y'));
    CHECK(table.bytes() == 2 * one);
  }
  CHECK(table.bytes() == 0);
  CHECK(intern(table, "select 1")->text() == "select 1");
}

TEST_CASE("prefix table: a prefix may outlive the table", "[prefix_table]") {
  std::optional<PrefixTable> table(std::in_place);
  const KeyPrefixRef kept = intern(*table, "select 1");
  table.reset();
  CHECK(kept->text() == "select 1");
}

TEST_CASE("prefix table: threads that intern and release the same texts agree on the object",
          "[prefix_table]") {
  PrefixTable table;
  constexpr int kThreads = 4;
  constexpr int kRounds = 2000;
  std::barrier round(kThreads);
  std::vector<KeyPrefixRef> held(kThreads);
  std::atomic<int> differences{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto mine = static_cast<std::size_t>(t);
      for (int i = 0; i < kRounds; ++i) {
        held[mine] = intern(table, i % 2 == 0 ? "select 1" : "select 2");
        round.arrive_and_wait();
        if (held[mine] != held[0]) differences.fetch_add(1);
        round.arrive_and_wait();
        held[mine].reset();  // races with the others' release and with the next intern
      }
    });
  }
  threads.clear();
  CHECK(differences == 0);
  CHECK(table.bytes() == 0);
}
