#pragma once

#include <functional>
#include <map>
#include <optional>
#include <ranges>
#include <vector>

#include "property/follower_world.hpp"
#include "querymark/log/coverage.hpp"
#include "querymark/log/subscribers.hpp"

// The log, and who follows it, as one process reaches both, or does not.

namespace querymark::test {

inline Error outage() {
  return Error("the connection is lost", {.retryable = true, .connection_lost = true});
}

/// Who follows the log of a model. A crash takes all of them.
class ModelSubscribers final : public Subscribers {
 public:
  std::function<void()> interlude = [] {};

  void enter(const SubscriberEntry& entry) override {
    interlude();
    rows_[entry.id] = {.entry = entry, .beat = ++beats_};
    interlude();
  }
  [[nodiscard]] Beaten beat(SubscriberId id, const Cursor& cursor) override {
    const auto row = rows_.find(id);
    if (row == rows_.end()) return {.known = false, .live = rows_.size()};
    row->second.beat = ++beats_;
    row->second.cursor = cursor;
    return {.known = true, .live = rows_.size()};
  }
  void leave(SubscriberId id) override { rows_.erase(id); }
  [[nodiscard]] std::vector<SubscriberRow> subscribers() override {
    const auto values = rows_ | std::views::values;
    std::vector<SubscriberRow> rows(values.begin(), values.end());
    interlude();
    return rows;
  }
  bool reap(SubscriberId id, std::uint64_t seen) override {
    interlude();
    const auto row = rows_.find(id);
    if (row == rows_.end() || row->second.beat != seen) return false;
    rows_.erase(row);
    ++reaped;
    return true;
  }
  void ask_report() override {}

  void crash() { rows_.clear(); }

  std::uint64_t reaped = 0;

 private:
  std::map<SubscriberId, SubscriberRow> rows_;
  std::uint64_t beats_ = 0;
};

class ProcessLog final : public LogReader, public Coverage, public Subscribers {
 public:
  ProcessLog(ModelDatabase& real, ModelSubscribers& all) : real_(real), all_(all) {}

  [[nodiscard]] Cursor now() override { return checked(), real_.now(); }
  [[nodiscard]] TailPage read(const TailRequest& request) override {
    checked();
    std::optional<Beaten> beaten;
    if (request.beat && !loses_beats) beaten = all_.beat(request.beat->id, request.from);
    TailPage page = real_.read(request);
    page.beaten = beaten;
    checked();  // the answer may be lost, too
    return page;
  }
  [[nodiscard]] Cursor retained() override { return checked(), real_.retained(); }
  [[nodiscard]] bool holds(const Receipt& receipt) override {
    return checked(), real_.holds(receipt);
  }

  // No workers serve targets.
  [[nodiscard]] LogCoverage coverage(Position /*first*/, Position /*last*/) override {
    return checked(), LogCoverage{.end = real_.now(), .consumers = {}};
  }

  void enter(const SubscriberEntry& entry) override { checked(), all_.enter(entry), checked(); }
  [[nodiscard]] Beaten beat(SubscriberId id, const Cursor& cursor) override {
    return checked(), all_.beat(id, cursor);
  }
  void leave(SubscriberId id) override { checked(), all_.leave(id); }
  [[nodiscard]] std::vector<SubscriberRow> subscribers() override {
    return checked(), all_.subscribers();
  }
  bool reap(SubscriberId id, std::uint64_t seen) override { return checked(), all_.reap(id, seen); }
  void ask_report() override { checked(), all_.ask_report(); }

  bool down = false;
  bool loses_beats = false;

 private:
  void checked() const {
    if (down) throw outage();
  }
  ModelDatabase& real_;
  ModelSubscribers& all_;
};

}  // namespace querymark::test
