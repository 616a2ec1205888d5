#pragma once

#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "unit/read_fixture.hpp"

namespace querymark::test {

/// A cache with an executor of one thread, and a source that loads by it.
struct Refreshing {
  explicit Refreshing(std::shared_ptr<Offload> executor = std::make_shared<Offload>(OffloadOptions{
                          .threads = 1}))
      : offload(std::move(executor)),
        cache({.memory_bytes = 8U << 20U, .clock = &clock, .offload = offload}) {
    source.emplace(cache, SourceOptions{.scope = {.namespace_name = "shop"}, .mark_cells = 16'384});
    source->marks().restart(ReadFixture::upto(10));
    source->marks().trust_until(MonotonicTime::max());
  }
  [[nodiscard]] Prepared<ResultSet, detail::NoMapper> prepare(const std::string& sql) {
    return {*source, loader, sql, detail::NoMapper{}};
  }
  [[nodiscard]] Query query(const std::string& sql) { return {*source, loader, sql, Parameters()}; }
  void invalidate(const Target& target) {
    const Position position = source->marks().cursor().snapshot.limit();
    const MarkUpdate update = MarkUpdate::of(target, position);
    source->marks().apply_log({&update, 1}, ReadFixture::upto(position.value));
  }
  // Returns when all that was begun before has ended: there is one thread.
  void settle() {
    std::promise<void> reached;
    REQUIRE(offload->submit({}, this, [&] { reached.set_value(); }) == Offloaded::accepted);
    reached.get_future().wait();
  }
  static std::int64_t value(const Result& result) { return result[0][0].as<std::int64_t>(); }

  ManualClock clock;
  FakeLoader loader;
  std::shared_ptr<Offload> offload;
  Cache cache;
  std::optional<Source> source;
};

}  // namespace querymark::test
