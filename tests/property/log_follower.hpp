#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "property/checked_log.hpp"
#include "property/committed_intents.hpp"
#include "property/random.hpp"

namespace querymark::test {

/// A process that follows a log by itself, with a cursor of its own and a heartbeat: it must be shown
/// each row once, or be told that some are gone.
class LogFollower {
 public:
  LogFollower(LogPorts log, const CommittedIntents& intents, Wrongs& wrongs)
      : log_(log), intents_(intents), wrongs_(wrongs) {}

  void look(Choices& choices) {
    if (!cursor_ || choices.one_in(20)) return enter();
    TailRequest request{.from = *cursor_,
                        .upto = std::nullopt,
                        .after = std::nullopt,
                        .limit = 1 + choices.below(5),
                        .beat = Heartbeat{.id = id_}};
    std::vector<LogRow> rows;
    for (;;) {
      const TailPage page = log_.reader.read(request);
      if (page.status != TailStatus::ok) {
        ++restarts;
        cursor_ = page.upto;
        return;
      }
      if (page.beaten && !page.beaten->known) return enter();
      rows.insert(rows.end(), page.rows.begin(), page.rows.end());
      request.upto = page.upto;
      if (!page.more) break;
      request.after = page.rows.back();
      request.beat.reset();
    }
    std::size_t at = 0;
    for (const CommittedIntent& each : intents_.all()) {
      if (cursor_->snapshot.covers(each.position) || !request.upto->snapshot.covers(each.position))
        continue;
      const bool right =
          at < rows.size() && rows[at].position == each.position && rows[at].target == each.target;
      wrongs_.require(right, "a row that is neither shown nor told to be gone");
      ++at;
    }
    wrongs_.require(at == rows.size(), "a row is shown that is none");
    shown += rows.size();
    cursor_ = *request.upto;
  }

  std::uint64_t restarts = 0, shown = 0;

 private:
  void enter() {
    log_.subscribers.leave(id_);
    id_ = SubscriberId::random();
    SubscriberEntry entry = SubscriberEntry::of_process(std::chrono::seconds(2));
    entry.id = id_;
    log_.subscribers.enter(entry);
    cursor_ = log_.reader.now();
  }

  LogPorts log_;
  const CommittedIntents& intents_;
  Wrongs& wrongs_;
  SubscriberId id_;
  std::optional<Cursor> cursor_;
};

}  // namespace querymark::test
