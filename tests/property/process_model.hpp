#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "property/process_log.hpp"
#include "querymark/key/key_encoder.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/read/query_request.hpp"
#include "querymark/read/read_machine.hpp"
#include "unit/read_fixture.hpp"

// What processes read and write in a model: keys that hold versions, which writes count up.

namespace querymark::test {

using Versions = std::map<std::size_t, std::int64_t>;

inline void raise(Versions& to, const Versions& by) {
  for (const auto& [key, version] : by) to[key] = std::max(to[key], version);
}

/// What was committed, and when: what a reader may be owed.
class CommittedVersions {
 public:
  void begin(const Epoch& epoch, const Versions& versions) {
    epochs_[{epoch.high, epoch.low}] = {versions, {}};
  }
  void add(const Epoch& epoch, Position position, const Versions& written) {
    epochs_.at({epoch.high, epoch.low}).writes.emplace_back(position, written);
  }
  void note(MonotonicTime now, const Versions& all) { history_.emplace_back(now, all); }

  /// All that was committed by then.
  [[nodiscard]] Versions at(MonotonicTime time) const {
    const auto later = std::ranges::upper_bound(
        history_, time, {}, [](const auto& point) -> MonotonicTime { return point.first; });
    return later == history_.begin() ? Versions{} : std::prev(later)->second;
  }
  /// All that these marks include.
  [[nodiscard]] Versions included(const Marks& marks) const {
    const Epoch epoch = marks.cursor().epoch;
    const auto found = epochs_.find({epoch.high, epoch.low});
    if (found == epochs_.end()) return {};
    Versions versions = found->second.before;
    for (const auto& [position, written] : found->second.writes)
      if (marks.includes(epoch, position)) raise(versions, written);
    return versions;
  }

 private:
  struct OfEpoch {
    Versions before;  // when it began
    std::vector<std::pair<Position, Versions>> writes;
  };
  std::map<std::pair<std::uint64_t, std::uint64_t>, OfEpoch> epochs_;
  std::vector<std::pair<MonotonicTime, Versions>> history_;
};

/// A shared tier that grants leases.
class LeasingTier final : public FakeTier {
 public:
  explicit LeasingTier(const Clock& clock) : clock_(clock) {}
  [[nodiscard]] bool grants_leases() const noexcept override { return true; }
  [[nodiscard]] LeaseAnswer lease(std::string_view /*namespace_name*/, const Digest& name,
                                  std::string_view token,
                                  std::chrono::milliseconds longest) noexcept override {
    Lease& lease = leases_[name];
    if (!lease.token.empty() && lease.token != token && clock_.now() < lease.until)
      return LeaseAnswer::taken;
    lease = {std::string(token), clock_.now() + longest};
    return LeaseAnswer::granted;
  }
  void release(std::string_view /*namespace_name*/, const Digest& name,
               std::string_view token) noexcept override {
    if (Lease& lease = leases_[name]; lease.token == token) lease.token.clear();
  }

 private:
  struct Lease {
    std::string token{};
    MonotonicTime until{};
  };
  const Clock& clock_;
  std::map<Digest, Lease> leases_;
};

/// The version of a key, and when the database was asked for it; of some versions there is no row.
struct LoadedVersion {
  std::size_t key = 0;
  std::int64_t version = 0;
  bool absent = false;
  MonotonicTime asked{};
  std::optional<SharedStamp> snapshot{};
  bool replica = false;

  // The columns' types say it, too, where there is no row.
  [[nodiscard]] ResultSet rows() const {
    const std::int64_t cells[] = {static_cast<std::int64_t>(key), version,
                                  asked.time_since_epoch().count()};
    ResultSetBuilder builder;
    for (std::size_t i = 0; i < 3; ++i) builder.add_column(kNames[i], std::to_string(cells[i]));
    for (const std::int64_t cell : cells)
      if (!absent) builder.add(ParameterView::int64(cell));
    return std::move(builder).build();
  }
  [[nodiscard]] static LoadedVersion of(const ResultSet& rows) {
    const auto number = [&](std::size_t column) {
      return std::stoll(std::string(rows.column_type(column)));
    };
    return {.key = static_cast<std::size_t>(number(0)),
            .version = number(1),
            .absent = rows.empty(),
            .asked = MonotonicTime(std::chrono::nanoseconds(number(2)))};
  }
  [[nodiscard]] static LoadedVersion of(const Entry& entry) {
    return of(*entry.value_as<ResultSet>());
  }

 private:
  static constexpr const char* kNames[] = {"key", "version", "asked"};
};

/// Definitions: from which of its two tables a key is read.
class ModelDefinitions final : public Analyser {
 public:
  [[nodiscard]] std::string table(std::size_t key) const {
    return "public:" + std::string(key_tables_[key] ? "b" : "a") + std::to_string(key);
  }
  void change(std::size_t key) { key_tables_[key] = !key_tables_[key]; }
  [[nodiscard]] Analysis analyse(std::string_view sql, const Promises& /*promises*/) override {
    const std::size_t key = std::stoull(std::string(sql.substr(sql.rfind(' ') + 1)));
    return {.verdict = Verdict::cache, .occurrences = {{.relation = table(key)}}};
  }

 private:
  std::array<bool, ModelDatabase::kKeys> key_tables_{};
};

// What a request refers to, so that it is made first.
struct VersionParts {
  KeyPrefixRef prefix;
  ReadOptions said;
  [[nodiscard]] static KeyPrefixRef prefix_of(const Source& source, std::size_t key,
                                              const ReadOptions& wanted) {
    std::string type = "version" + detail::names_of(wanted.row_tags);
    if (source.automatic(wanted)) type += detail::automatic_type(wanted);
    return source.prefix(type, KeyPrefix::Form::sql, "select " + std::to_string(key));
  }
};

/// A read of one key's version, as a query of SQL makes it: with tags of its rows, too.
class VersionRequest final : VersionParts, public ReadRequest {
 public:
  VersionRequest(Source& source, Loader& loader, std::size_t key, const ReadOptions& wanted,
                 std::size_t weight = 0)
      : VersionParts{prefix_of(source, key, wanted), wanted},
        ReadRequest(KeyEncoder(*prefix).call(), said),
        number(key),
        route_(source, loader),
        weight_(weight) {
    if (source.automatic(said)) automatic_.emplace(call, said, route_, none_, mapper_, targets_);
  }

  void add_targets(std::vector<Target>& targets) const override {
    if (automatic_) automatic_->add_targets(targets);
  }
  [[nodiscard]] std::optional<Stored> standing() const override {
    return automatic_ ? automatic_->standing() : Stored::yes;
  }
  void analyse() override { automatic_->analyse(); }
  Loaded load(const EntryInit& init) override { return made_of(on_load(*this), init); }
  [[nodiscard]] EntryRef materialize(const ResultSet& rows, const EntryInit& init) const override {
    return make_entry(init, rows, weight_);
  }
  [[nodiscard]] Loaded made_of(const LoadedVersion& loaded, const EntryInit& init) const {
    if (automatic_)
      return automatic_->made_of(
          {.rows = loaded.rows(), .snapshot = loaded.snapshot, .replica = loaded.replica}, init);
    ResultSet rows = loaded.rows();
    std::vector<Target> implied = detail::targets_of(options.row_tags, rows);
    const std::vector<TargetId> all = detail::with_ids_of(implied, init.targets);
    EntryInit with = init;
    with.targets = all;
    const Stored keep = detail::by_policy(options.policy, rows, with);
    EntryRef entry = materialize(rows, with);
    return {.entry = std::move(entry),
            .rows = std::move(rows),
            .snapshot = loaded.snapshot,
            .keep = keep,
            .implied = std::move(implied),
            .replica = loaded.replica};
  }

  [[nodiscard]] bool automatic() const { return automatic_.has_value(); }

  /// Of reads of many: those of one are driven by hand.
  std::function<LoadedVersion(const VersionRequest&)> on_load;
  const std::size_t number;

 private:
  Route route_;
  std::span<const ParameterView> none_;
  detail::NoMapper mapper_;
  detail::NoTargets targets_;
  std::optional<detail::QueryRequest<ResultSet, detail::NoMapper, detail::NoTargets>> automatic_;
  std::size_t weight_;
};

}  // namespace querymark::test
