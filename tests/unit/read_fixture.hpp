#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "querymark/querymark.hpp"

namespace querymark::test {

/// One row with one integer column `n`.
inline ResultSet number(std::int64_t value) {
  ResultSetBuilder builder;
  builder.add_column("n", "INTEGER");
  builder.add(ParameterView::int64(value));
  return std::move(builder).build();
}

/// A database that counts its loads and answers with `value`, or with what `on_load` returns.
class FakeLoader final : public Loader {
 public:
  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override {
    loads.fetch_add(1);
    last_sql = sql;
    if (on_load) return on_load(parameters);
    return {number(value.load()), std::nullopt, Stored::yes};
  }
  [[nodiscard]] bool isolated() const override { return alone; }

  std::atomic<int> loads{0};
  std::atomic<std::int64_t> value{1};
  std::function<LoadedRows(std::span<const ParameterView>)> on_load;
  std::string last_sql;
  bool alone = false;
};

/// A shared tier in memory, which keeps whatever it is given. For one thread.
class FakeTier : public SharedTier {
 public:
  [[nodiscard]] std::string_view label() const noexcept override { return "fake"; }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view /*namespace_name*/,
                                                std::span<TierRead> wanted) noexcept override {
    for (TierRead& one : wanted) {
      if (on_get)
        one.value = on_get();
      else if (const auto found = values.find(one.name); found != values.end())
        one.value = found->second;
    }
    return std::nullopt;
  }
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override {
    last_namespace = namespace_name;
    values.insert_or_assign(name, value);
    return StoreStatus::stored;
  }
  std::size_t remove(std::string_view /*namespace_name*/, std::span<const Digest> names) override {
    std::size_t removed = 0;
    for (const Digest& one : names) removed += values.erase(one);
    return removed;
  }
  [[nodiscard]] bool names_newest() const noexcept override { return knows_newest; }

  bool knows_newest = true;
  std::function<SharedValue()> on_get;  // what to hand out instead, if set
  std::map<Digest, SharedValue> values;
  std::string last_namespace;
};

inline const Epoch kEpoch{7, 7};

/// A cache and a source whose marks are trusted and stand at position 10 of `kEpoch`.
struct ReadFixture {
  explicit ReadFixture(Lagging lagging = Lagging::bypass)
      : source(cache,
               {.scope = {.namespace_name = "shop", .database = "db", .session = {}, .caller = {}},
                .default_ttl = std::chrono::minutes(5),
                .lagging = lagging,
                .mark_cells = 16'384}) {
    source.marks().restart(upto(10));
    source.marks().trust_until(MonotonicTime::max());
  }

  [[nodiscard]] static Cursor upto(std::uint64_t last, Epoch epoch = kEpoch) {
    return {epoch, Snapshot::upto({last}), {}};
  }
  /// What a write does to this process: the log shows an invalidation at the next position.
  void invalidate(const Target& target) {
    const Position position = source.marks().cursor().snapshot.limit();
    const MarkUpdate update = MarkUpdate::of(target, position);
    source.marks().apply_log({&update, 1}, upto(position.value));
  }
  template <class T>
  [[nodiscard]] Prepared<T, detail::AutoMapper<T>> prepare(const std::string& sql) {
    return {source, loader, sql, detail::AutoMapper<T>{}};
  }
  [[nodiscard]] Prepared<ResultSet, detail::NoMapper> prepare(const std::string& sql) {
    return {source, loader, sql, detail::NoMapper{}};
  }
  template <class... Args>
  [[nodiscard]] Query query(const std::string& sql, const Args&... args) {
    return {source, loader, sql, Parameters(args...)};
  }

  ManualClock clock;
  Cache cache{{.name = "test", .memory_bytes = 8U << 20U, .clock = &clock}};
  Source source;
  FakeLoader loader;
};

/// Copies of what a temporary handle does not let go of.
template <class T>
T value(const Cached<T>& cached) {
  return *cached;
}
template <class T>
T first(const Rows<T>& rows) {
  return rows.front();
}

/// Runs `call` on a thread of its own and waits for it: another caller, at a moment that the test
/// chooses.
template <class Call>
auto elsewhere(Call&& call) {
  return std::async(std::launch::async, std::forward<Call>(call)).get();
}

}  // namespace querymark::test
